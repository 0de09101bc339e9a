"""The prompt of a turn, as a pure function of the run's state and its stored texts.

The same events give the same bytes, for ever: that is what replay compares. The prefix never changes within a
run, so that providers can cache it. Texts from the warehouse enter only inside tool results, marked untrusted.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from bq_copilot.canonical import digest
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState, Turn
from bq_copilot.toolbox import TOOLS, schemas


@cache
def system_prompt() -> str:
    """Return the text of the system prompt, with a place for the date."""
    return files("bq_copilot").joinpath("prompts/system.md").read_text(encoding="utf-8")


@cache
def prompt_fingerprint() -> str:
    """Return the digest of everything in a prompt that is the code's: the system prompt and the tools."""
    return digest({"system": system_prompt(), "tools": schemas(tuple(TOOLS))})


TOOLS_OF_0_1 = "sha256:02210326fa9710959072b31dcb5918d86a4ee2eb281c502bd4a95ed25ee073bd"
"""Digest of the tools of release 0.1, whose fingerprint covered the system prompt alone."""


@cache
def is_ours(fingerprint: str) -> bool:
    """Say whether this code writes the prompts of a run that was pinned with this fingerprint, byte for byte."""
    before = fingerprint == digest(system_prompt()) and digest(schemas(tuple(TOOLS))) == TOOLS_OF_0_1
    return before or fingerprint == prompt_fingerprint()


def messages(state: RunState, shelf: Shelf, *, before: int | None = None) -> list[dict[str, Any]]:
    """Return the messages for the next turn, or for turn `before`."""
    turns = [t for t in state.turns if before is None or t.number < before]
    return opening(state) + [m for turn in turns for m in exchange(turn, shelf)]


def opening(state: RunState) -> list[dict[str, Any]]:
    """Return the messages before the first turn; they never change within a run."""
    assert state.received_at is not None
    today = f"{state.received_at:%Y-%m-%d}"
    return [
        {"role": "system", "content": system_prompt().replace("{today}", today)},
        {"role": "user", "content": f"<question>\n{_fenced(state.question)}\n</question>"},
    ]


def request(state: RunState, shelf: Shelf, tools: tuple[str, ...], *, before: int | None = None) -> dict[str, Any]:
    """Return the whole request body of a turn, without the model's name."""
    return {"messages": messages(state, shelf, before=before), "tools": schemas(tools)}


def _fenced(question: str) -> str:
    return question.replace("</question>", "< /question>")


def exchange(turn: Turn, shelf: Shelf) -> list[dict[str, Any]]:
    """Return the messages of one finished turn: the call and its answer; none for a turn that is still open."""
    if turn.taken is None or turn.answered is None:
        return []
    content = shelf.get(turn.answered.content)
    call = turn.taken.call
    if call is None:
        said = shelf.get(turn.taken.text) if turn.taken.text else ""
        return [{"role": "assistant", "content": said}, {"role": "user", "content": content}]
    function = {"name": call.name, "arguments": _legal(call.arguments)}
    asked = {"id": call.id, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": call.id, "content": content},
    ]


def _legal(arguments: str) -> str:
    """Providers refuse a history with broken JSON in it: such a call goes back as text inside an object."""
    try:
        if isinstance(json.loads(arguments), dict):
            return arguments
    except (json.JSONDecodeError, RecursionError):
        pass
    return json.dumps({"unreadable": arguments[:500]})
