"""What of a long conversation still stands in the prompt: the budget, and what gives way when it is spent.

Decides which old answers of tools are replaced by a note, as a pure function of the turns so far. When a prompt
outgrows its budget, the oldest results give way until two thirds of it are free again: then the beginning of the
prompt stays the same for many turns, and providers can cache it. The newest turn, what people said and the results of
an executed plan always stay. Without a budget nothing gives way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bq_copilot.canonical import canonical_json

BYTES_PER_TOKEN = 4
LONG_CALL = 1_000
"""Bytes of a call's own arguments from which on they give way too."""

ELIDED = (
    '{"ok":true,"untrusted":false,"left_out":"This older result was left out to save space. Call again to see it."}'
)

Message = dict[str, Any]


class Window:
    """The messages of a run, turn by turn, within a budget of bytes; None for no budget."""

    def __init__(self, opening: list[Message], budget: int | None) -> None:
        self._opening = opening
        self._budget = budget
        self._turns: list[list[Message]] = []
        self._shorter: list[list[Message] | None] = []
        """The same turn without its result; None when it must stay or when that would save nothing."""
        self.size = sum(map(_size, opening))
        """Bytes of all messages as they stand now."""
        self.cut = 0
        """How many turns have been looked at for shortening; it grows a few times in a long run."""

    def add(self, turn: list[Message], *, keep: bool) -> None:
        """Add the messages of a finished turn; older ones give way when the budget is spent."""
        self._turns.append(turn)
        self._shorter.append(None if keep else _shortened(turn))
        self.size += sum(map(_size, turn))
        if self._budget is None or self.size <= self._budget:
            return
        while self.size > self._budget // 3 and self.cut < len(self._turns) - 1:
            self._shorten(self.cut)
            self.cut += 1

    def _shorten(self, place: int) -> None:
        shorter = self._shorter[place]
        if shorter is None:
            return
        self.size += sum(map(_size, shorter)) - sum(map(_size, self._turns[place]))
        self._turns[place] = shorter

    def messages(self) -> list[Message]:
        """Return all messages as they stand now."""
        return [*self._opening, *(m for turn in self._turns for m in turn)]


def _size(message: Mapping[str, Any]) -> int:
    return len(canonical_json(message)) + 1


def _shortened(turn: list[Message]) -> list[Message] | None:
    if len(turn) != 2:
        return None
    asked, said = turn
    shorter = [_short_call(asked), {**said, "content": ELIDED}]
    return shorter if sum(map(_size, shorter)) < sum(map(_size, turn)) else None


def _short_call(asked: Message) -> Message:
    calls = asked.get("tool_calls")
    if not calls or len(calls[0]["function"]["arguments"]) < LONG_CALL:
        return asked
    function = {**calls[0]["function"], "arguments": '{"left_out":true}'}
    return {**asked, "tool_calls": [{**calls[0], "function": function}]}
