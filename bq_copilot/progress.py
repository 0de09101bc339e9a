"""How far a model's reply has come: a note beside the ledger that anybody may lose.

Decides when a note is worth writing: at most a few a second. It is no receipt: nothing of a run follows from it, and it
never holds what the model says, only which tool it is calling and how many characters have arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

EVERY = 0.4
"""Seconds between two notes of one reply."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What has arrived of the reply to one turn."""

    turn: int
    tool: str
    characters: int

    def words(self) -> str:
        """Say it in a few words."""
        if not self.characters:
            return f"the model begins {self.tool}" if self.tool else "the model begins"
        doing = f"writes {self.tool}" if self.tool else "writes"
        return f"the model {doing}: {self.characters:,} characters so far"


class Progress(Protocol):
    """Where the notes are kept: the last one of each run."""

    def note(self, run_id: str, heard: Heard) -> None:
        """Replace the run's note. Raises LedgerUnavailable."""
        ...

    def last(self, run_id: str) -> Heard | None:
        """Return the run's note, None when there is none. Raises LedgerUnavailable."""
        ...


def due(now: float, before: float | None) -> bool:
    """Say whether a note is worth writing at `now`, when the last one was written at `before`."""
    return before is None or now - before >= EVERY
