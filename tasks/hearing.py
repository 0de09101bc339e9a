"""Notes on how far a streamed reply has come, a few a second, beside the work and never in its way.

Decides nothing: a note that cannot be written is left out, and while one is being written the next one is skipped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bq_copilot.progress import Heard, Progress, due


class Hearing:
    """Listens to one reply; called for each piece of it by the model's adapter, on the event loop."""

    def __init__(self, board: Callable[[], Progress], run_id: str, turn: int) -> None:
        self._board = board
        self._run_id = run_id
        self._turn = turn
        self._noted_at: float | None = None
        self._writing: asyncio.Future[None] | None = None

    def __call__(self, tool: str, characters: int) -> None:
        """Note the piece when a note is due."""
        now = time.monotonic()
        busy = self._writing is not None and not self._writing.done()
        if busy or not due(now, self._noted_at):
            return
        self._noted_at = now
        heard = Heard(self._turn, tool, characters)
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._note, heard)
        self._writing.add_done_callback(_forget)

    def _note(self, heard: Heard) -> None:
        self._board().note(self._run_id, heard)


def _forget(written: asyncio.Future[None]) -> None:
    """Take the error of a note that could not be written: the next one is as good."""
    if not written.cancelled():
        written.exception()
