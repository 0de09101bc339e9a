"""Notes on how far a streamed reply has come: the last one of each run, a few a second, never in the way."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

from rich.console import Console

from bq_copilot.cli.live_line import LiveLine
from bq_copilot.errors import LedgerUnavailable
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.progress import EVERY, Heard, due
from bq_copilot.progress_sql import SqlProgress
from bq_copilot.state import RunState
from tasks.hearing import Hearing


def test_the_last_note_of_each_run_is_kept_and_seen_by_others(ledger: SqlLedger) -> None:
    """A process that takes over writes over what the one before it had heard."""
    one, other = SqlProgress(ledger), SqlProgress(ledger)
    one.note("r1", Heard(1, "list_tables", 10))
    one.note("r2", Heard(4, "", 3))
    other.note("r1", Heard(1, "list_tables", 4))
    assert one.last("r1") == Heard(1, "list_tables", 4)
    assert (other.last("r2"), other.last("r3")) == (Heard(4, "", 3), None)


class Board:
    """Notes in memory."""

    def __init__(self, *, there: bool = True) -> None:
        self.notes: list[tuple[str, Heard]] = []
        self._there = there
        self.tried = 0

    def note(self, run_id: str, heard: Heard) -> None:
        """Keep it, or fail like a ledger that is away."""
        self.tried += 1
        if not self._there:
            raise LedgerUnavailable("gone")
        self.notes.append((run_id, heard))

    def last(self, run_id: str) -> Heard | None:
        """The newest note of a run."""
        return next((h for r, h in reversed(self.notes) if r == run_id), None)


async def settled() -> None:
    """Let the writing thread end: it has nothing to wait for."""
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_thousand_pieces_at_once_are_one_note() -> None:
    """The adapter speaks for every piece; the database hears a few of them a second."""
    board = Board()
    hearing = Hearing(lambda: board, "r1", 7)
    for n in range(1_000):
        hearing("propose_plan", n)
    await settled()
    assert board.notes == [("r1", Heard(7, "propose_plan", 0))]
    assert due(EVERY, 0.0) and not due(EVERY / 2, 0.0)


async def test_a_ledger_that_is_away_costs_no_reply() -> None:
    """A note that cannot be written is left out: it was tried, and nobody hears of an error that nobody took."""
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    away = Board(there=False)
    hearing = Hearing(lambda: away, "r1", 1)
    hearing("list_tables", 5)
    await settled()
    del hearing
    gc.collect()  # an error that nobody took is reported when its future goes
    assert (away.tried, away.notes, errors) == (1, [], [])


def test_the_live_line_says_how_far_the_reply_is() -> None:
    """The tool and the number of characters, never what they are."""
    line = LiveLine(Console(force_terminal=True, width=100))
    state = replace(RunState(run_id="r1"))
    line.show(state, Heard(2, "propose_plan", 1_234))
    console = Console(width=100)
    with console.capture() as shown:
        console.print(line)
    assert "the model writes propose_plan: 1,234 characters so far" in shown.get()
