"""Reads a request's messages into the planner's view of what happened so far.

Decides: which calls were made, what came back, what the question is and what day it is. Never follows a text it
reads: a tool result is parsed as JSON and only its known fields are looked at. Pure, so the server keeps no state.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

Json = dict[str, Any]
_TODAY = re.compile(r"Today is (\d{4}-\d{2}-\d{2})")
_QUESTION = re.compile(r"<question>(.*?)</question>", re.S)
_FALLBACK_DAY = date(2000, 1, 1)


@dataclass(frozen=True)
class Call:
    """The assistant's one tool call."""

    tool: str
    arguments: Json


@dataclass(frozen=True)
class Exchange:
    """One tool call of the assistant and the JSON object that came back (None while unanswered)."""

    tool: str
    arguments: Json
    result: Json | None

    @property
    def ok(self) -> bool:
        return bool(self.result and self.result.get("ok"))

    @property
    def data(self) -> Json:
        data = (self.result or {}).get("data")
        return data if isinstance(data, dict) else {}

    @property
    def error(self) -> Json:
        error = (self.result or {}).get("error")
        return error if isinstance(error, dict) else {}


@dataclass(frozen=True)
class Conversation:
    """Everything that the planner may use."""

    question: str
    today: date
    exchanges: tuple[Exchange, ...]
    tools: Mapping[str, Json]

    def offers(self, tool: str) -> bool:
        return tool in self.tools

    def of(self, tool: str) -> tuple[Exchange, ...]:
        return tuple(e for e in self.exchanges if e.tool == tool)

    def answered(self, tool: str) -> tuple[Exchange, ...]:
        return tuple(e for e in self.of(tool) if e.ok)

    def results(self) -> list[Json]:
        """Result sets of the last plan that ran; empty before."""
        for exchange in reversed(self.of("propose_plan")):
            found = exchange.data.get("results")
            if exchange.ok and isinstance(found, list) and found:
                return [r for r in found if isinstance(r, dict)]
        return []

    def failed_plans(self) -> tuple[Exchange, ...]:
        """Plans that came back with an error, oldest first."""
        return tuple(e for e in self.of("propose_plan") if e.result is not None and not e.ok)


def read_conversation(messages: Sequence[Json], tools: Sequence[Json]) -> Conversation:
    """Parse an OpenAI chat-completions request."""
    system = "\n".join(_text(m) for m in messages if m.get("role") in ("system", "developer"))
    users = [_text(m) for m in messages if m.get("role") == "user"]
    found = _TODAY.search(system)
    return Conversation(
        question=_question(users),
        today=_day(found.group(1)) if found else _FALLBACK_DAY,
        exchanges=_exchanges(messages),
        tools={f["name"]: f for t in tools if isinstance(f := t.get("function"), dict) and f.get("name")},
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return _FALLBACK_DAY


def _question(users: Sequence[str]) -> str:
    for text in reversed(users):
        found = _QUESTION.findall(text)
        if found:
            return found[-1].strip()
    return users[-1].strip() if users else ""


def _exchanges(messages: Sequence[Json]) -> tuple[Exchange, ...]:
    replies = {m.get("tool_call_id"): _json(_text(m)) for m in messages if m.get("role") == "tool"}
    return tuple(
        Exchange(
            tool=str(call.get("function", {}).get("name", "")),
            arguments=_json(call.get("function", {}).get("arguments", "")) or {},
            result=replies.get(call.get("id")),
        )
        for message in messages
        if message.get("role") == "assistant"
        for call in message.get("tool_calls") or []
    )


def _text(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(p.get("text", "")) for p in content if isinstance(p, dict))
    return ""


def _json(text: str) -> Json | None:
    """The first JSON object in the text; None when there is none (platforms wrap results in delimiters)."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
