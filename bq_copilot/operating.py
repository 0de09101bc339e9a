"""What an operator does to a run that is parked: let it go on, or give it up. Each is one append.

Also parks a run that this version cannot read: it folds what it can, and records after the last row that a newer
version is needed, so that no process of this version guesses what the unknown event means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import CancelRequested, Event, Recorded, RunEnded, RunUnparked
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved, Ledger
from bq_copilot.ledger_reader import UnknownEvent, parse_all
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from bq_copilot.values import Failure


def resume(journal: Journal, by: str, via: str, reason: str = "") -> RunState:
    """Let a parked run go on where it stopped. Raises Refused when it is not parked."""
    return _append(journal, lambda _state: RunUnparked(by=by, via=via, reason=reason))


def abandon(journal: Journal, by: str, via: str, reason: str = "") -> RunState:
    """Give a parked run up: its live jobs are stopped, then it is cancelled. Raises Refused or Conflict."""

    def make(state: RunState) -> Event:
        if state.cancel is not None:
            raise Conflict(
                f"{state.cancel.by} cancelled it before it was parked.",
                code="cancelled_before",
                next="`bq-copilot resume` lets it finish being cancelled.",
                winner=state.cancel.by,
            )
        return CancelRequested(by=by, via=via, reason=reason or "abandoned")

    return _append(journal, make)


def _append(journal: Journal, make: Callable[[RunState], Event]) -> RunState:
    while True:
        journal.refresh()
        if journal.state.phase is not Phase.PARKED:
            raise Refused(
                f"{journal.run_id} is not parked; it is {journal.state.phase}.",
                code="not_parked",
                next="List parked runs with `bq-copilot runs --phase parked`.",
            )
        try:
            journal.append(make(journal.state))
            return journal.state
        except HeadMoved:
            continue


def park_unread(ledger: Ledger, run_id: str, error: UnknownEvent) -> bool:
    """Park a run whose events this version cannot read; False when it has ended already.

    The list of runs shows the last state that could be read, parked; the fold of a newer version goes on from there.
    """
    rows = ledger.rows(run_id)
    state = RunState(run_id=run_id)
    for recorded in parse_all(rows[: error.seq - 1]):
        state = apply(state, recorded)
    head = ledger.heads(run_ids=[run_id], limit=1)
    if head and Phase(head[0].phase) in TERMINAL:
        return False
    failure = Failure(code=error.code, message=f"parked: {error.message}", next=error.next)

    def accept(recorded: Recorded) -> RunState:
        return replace(
            state,
            seq=recorded.seq,
            hash=recorded.hash,
            at=recorded.at,
            phase=Phase.PARKED,
            failure=failure,
            ended_at=recorded.at,
        )

    try:
        ledger.append(run_id, len(rows) + 1, RunEnded(phase=Phase.PARKED, failure=failure), accept)
    except HeadMoved:
        return park_unread(ledger, run_id, error)
    return True
