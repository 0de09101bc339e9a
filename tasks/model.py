"""Ask the language model, once per turn."""

from __future__ import annotations

from typing import Any

from blocks.environment import Environment
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.conversation import request
from bq_copilot.events import TurnRequested, TurnTaken
from bq_copilot.phases import tools_in
from bq_copilot.steps import TakeTurn
from bq_copilot.values import ToolCall, Usage
from tasks import budgeting, places
from tasks.durable import Place, effect
from tasks.hearing import Hearing
from tasks.run import Run


@effect(name="ask model")
async def ask_model(place: Place, env: Environment, body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the model's reply as JSON; its progress is noted beside the ledger. Raises Transient or Refused."""
    hearing = Hearing(lambda: env.progress, place.run_id, place.seq)
    reply = await env.model_named(name).reply(body["messages"], body["tools"], hearing)
    return {
        "text": reply.text,
        "id": reply.call_id,
        "name": reply.call_name,
        "arguments": reply.call_arguments,
        "model": reply.model,
        "usage": reply.usage.model_dump(),
    }


async def take_turn(run: Run, step: TakeTurn) -> None:
    """Record that the model is asked, ask it, record what it said."""
    state = run.state
    pinned = state.pinned
    tools = state.turns[-1].tools if step.requested else tools_in(state.phase, follow_up=state.is_follow_up)
    body = request(state, run.env.shelf, tools, before=step.turn)
    sent = canonical_json(body)
    await places.for_turn()
    if not step.requested:
        prices = (run.env.model_block.usd_per_million_in, run.env.model_block.usd_per_million_out)
        held, usd = budgeting.held_for(len(sent), prices)
        asked = {"turn": step.turn, "prompt_digest": digest_bytes(sent), "prompt_bytes": len(sent), "tools": tools}
        run.append(TurnRequested.model_validate({**asked, "reserved_tokens": held, "reserved_usd": usd}))
    budgeting.check(run)
    place = Place(run_id=run.id, seq=step.turn, kind="turn", inputs=digest_bytes(sent))
    said = await ask_model(place, run.env, body, pinned.model if pinned else "")
    run.append(_taken(run, step.turn, said))


def _taken(run: Run, turn: int, said: dict[str, Any]) -> TurnTaken:
    call = None
    if said["name"]:
        call = ToolCall(id=said["id"] or f"call_{turn}", name=said["name"], arguments=said["arguments"] or "{}")
    text = run.env.shelf.put(said["text"]) if said["text"] else None
    return TurnTaken(turn=turn, model=said["model"], call=call, text=text, usage=Usage(**said["usage"]))
