"""The bytes of every prompt of a run, one after the other, in time that grows with the run and not with its square.

Decides nothing about prompts: they are `conversation.request`, and what is hashed here is its canonical form, put
together from the parts that do not change from turn to turn. Where older results give way the beginning is hashed anew,
which happens a few times in a long run. That both agree is tested.
"""

from __future__ import annotations

import hashlib
from functools import cache

from bq_copilot.canonical import canonical_json
from bq_copilot.conversation import exchange, is_kept, version_of, window_of
from bq_copilot.prompt_window import Window
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.toolbox import schemas

_START = b'{"messages":['


@cache
def _tools(offered: tuple[str, ...], version: int) -> bytes:
    return b'],"tools":' + canonical_json(schemas(offered, version)) + b"}"


class PromptBytes:
    """Digest and size of the prompt of each turn; asked for turn by turn, in order."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._window: Window | None = None
        self._turns = 0
        """Turns that are in the window."""
        self._cut = 0
        self._begin()

    def _begin(self) -> None:
        self._hash = hashlib.sha256(_START)
        self._size, self._hashed = len(_START), 0

    def of_next_turn(self, state: RunState, tools: tuple[str, ...]) -> tuple[str, int]:
        """Return (digest, bytes) of the prompt that `state` calls for."""
        if self._window is None:
            self._window = window_of(state, self._shelf)
        for turn in state.turns[self._turns :]:
            self._window.add(exchange(turn, self._shelf), keep=is_kept(turn))
        self._turns = len(state.turns)
        if self._window.cut != self._cut:
            self._cut = self._window.cut
            self._begin()
        self._add(self._window.messages()[self._hashed :])
        end, whole = _tools(tools, version_of(state)), self._hash.copy()
        whole.update(end)
        return "sha256:" + whole.hexdigest(), self._size + len(end)

    def _add(self, messages: list[dict[str, object]]) -> None:
        for message in messages:
            text = canonical_json(message) if self._hashed == 0 else b"," + canonical_json(message)
            self._hash.update(text)
            self._size += len(text)
            self._hashed += 1
