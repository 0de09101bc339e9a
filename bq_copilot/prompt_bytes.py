"""The bytes of every prompt of a run, one after the other, in time that grows with the run and not with its square.

Decides nothing about prompts: they are `conversation.request`, and what is hashed here is its canonical form, put
together from the parts that do not change from turn to turn. That both agree is tested.
"""

from __future__ import annotations

import hashlib
from functools import cache

from bq_copilot.canonical import canonical_json
from bq_copilot.conversation import exchange, opening
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.toolbox import schemas


@cache
def _tools(offered: tuple[str, ...]) -> bytes:
    return b'],"tools":' + canonical_json(schemas(offered)) + b"}"


class PromptBytes:
    """Digest and size of the prompt of each turn; asked for turn by turn, in order."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._hash = hashlib.sha256(b'{"messages":[')
        self._size = len(b'{"messages":[')
        self._turns = -1
        """Turns whose messages are in; -1 before the opening is."""

    def of_next_turn(self, state: RunState, tools: tuple[str, ...]) -> tuple[str, int]:
        """Return (digest, bytes) of the prompt that `state` calls for."""
        if self._turns < 0:
            self._add(opening(state), first=True)
            self._turns = 0
        for turn in state.turns[self._turns :]:
            self._add(exchange(turn, self._shelf), first=False)
        self._turns = len(state.turns)
        end, whole = _tools(tools), self._hash.copy()
        whole.update(end)
        return "sha256:" + whole.hexdigest(), self._size + len(end)

    def _add(self, messages: list[dict[str, object]], *, first: bool) -> None:
        if not messages:
            return
        text = b",".join(canonical_json(m) for m in messages)
        text = text if first else b"," + text
        self._hash.update(text)
        self._size += len(text)
