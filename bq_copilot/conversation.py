"""The prompt of a turn, as a pure function of the run's state and its stored texts.

The same events give the same bytes, for ever: that is what replay compares. The beginning stays the same from turn to
turn, so that providers can cache it; only when a prompt outgrows its budget do the oldest tool results give way, many
at once and then none for a long time (`prompt_window`). Texts from the warehouse, from people's notes and from earlier
runs enter only as data that is marked untrusted, and nothing in them can end the part that they stand in.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from bq_copilot.canonical import digest
from bq_copilot.prompt_window import BYTES_PER_TOKEN, ELIDED, Window
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState, Turn
from bq_copilot.toolbox import TOOLS, schemas

PROMPT_VERSION = 2
"""The form of the prompt that new runs use. Version 1 had no context, and no budget."""

_PARTS = re.compile(r"<(?=\s*/?\s*(?:question|context)\b)", re.IGNORECASE)


@cache
def system_prompt(version: int = PROMPT_VERSION) -> str:
    """Return the text of the system prompt, with a place for the date."""
    name = "system.md" if version == 1 else f"system_{version}.md"
    return files("bq_copilot").joinpath(f"prompts/{name}").read_text(encoding="utf-8")


@cache
def prompt_fingerprint(version: int = PROMPT_VERSION) -> str:
    """Return the digest of everything in a prompt that is the code's: the system prompt and the tools."""
    fixed = {"system": system_prompt(version), "tools": schemas(tuple(TOOLS), version)}
    return digest(fixed if version == 1 else fixed | {"elided": ELIDED})


TOOLS_OF_0_1 = "sha256:02210326fa9710959072b31dcb5918d86a4ee2eb281c502bd4a95ed25ee073bd"
"""Digest of the tools of release 0.1, whose fingerprint covered the system prompt alone."""


@cache
def is_ours(fingerprint: str) -> bool:
    """Say whether this code writes the prompts of a run that was pinned with this fingerprint, byte for byte."""
    before = fingerprint == digest(system_prompt(1)) and digest(schemas(tuple(TOOLS), 1)) == TOOLS_OF_0_1
    return before or fingerprint in {prompt_fingerprint(1), prompt_fingerprint(2)}


def version_of(state: RunState) -> int:
    """Return the form of the prompt that the run was pinned to."""
    return state.pinned.prompt_version if state.pinned else PROMPT_VERSION


def messages(state: RunState, shelf: Shelf, *, before: int | None = None) -> list[dict[str, Any]]:
    """Return the messages for the next turn, or for turn `before`."""
    turns = [t for t in state.turns if before is None or t.number < before]
    window = window_of(state, shelf)
    for turn in turns:
        window.add(exchange(turn, shelf), keep=is_kept(turn))
    return window.messages()


def window_of(state: RunState, shelf: Shelf) -> Window:
    """Return the prompt's window with the opening in it, and no turn yet."""
    budget = state.limits.context_tokens * BYTES_PER_TOKEN if version_of(state) >= 2 else None
    return Window(opening(state, shelf), budget)


def opening(state: RunState, shelf: Shelf) -> list[dict[str, Any]]:
    """Return the messages before the first turn; they never change within a run."""
    assert state.received_at is not None
    version, today = version_of(state), f"{state.received_at:%Y-%m-%d}"
    system = {"role": "system", "content": system_prompt(version).replace("{today}", today)}
    fence = _fenced_1 if version == 1 else _fenced
    asked = {"role": "user", "content": f"<question>\n{fence(state.question)}\n</question>"}
    if state.context is None:
        return [system, asked]
    known = shelf.get(state.context.briefing)
    return [system, {"role": "user", "content": f'<context untrusted="true">\n{known}\n</context>'}, asked]


def request(state: RunState, shelf: Shelf, tools: tuple[str, ...], *, before: int | None = None) -> dict[str, Any]:
    """Return the whole request body of a turn, without the model's name."""
    return {"messages": messages(state, shelf, before=before), "tools": schemas(tools, version_of(state))}


def _fenced_1(question: str) -> str:
    return question.replace("</question>", "< /question>")


def _fenced(question: str) -> str:
    """Keep a question from ending its own part, or from opening another one."""
    return _PARTS.sub("&lt;", question)


def is_kept(turn: Turn) -> bool:
    """Say whether the turn's answer must stay in the prompt: what people said, and the results to answer from."""
    answered = turn.answered
    return answered is not None and answered.ok and answered.tool in {"ask_user", "propose_plan"}


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
