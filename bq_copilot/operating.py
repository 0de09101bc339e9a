"""What an operator does to a run that stands: let it go on, give it up, try the rest again, undo it. One append each.

Also parks a run that this version cannot read: it folds what it can, and records after the last row that a newer
version is needed, so that no process of this version guesses what the unknown event means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bq_copilot.appending import append
from bq_copilot.deciding import end_cancelled
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import CancelRequested, Event, Recorded, RetryRequested, RunEnded, RunUnparked, UndoRequested
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved, Ledger
from bq_copilot.ledger_reader import UnknownEvent, parse_all
from bq_copilot.legality import IllegalTransition
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from bq_copilot.undo_transitions import UNDOABLE, removable, unfinished
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

    _append(journal, make)
    return end_cancelled(journal)


def retry(journal: Journal, by: str, via: str, reason: str = "") -> RunState:
    """Let a run that ended partly go on with what has no result. Raises Refused where nothing is left to try."""
    while True:
        journal.refresh()
        if journal.state.phase not in {Phase.PARTIAL, Phase.FAILED} or not unfinished(journal.state):
            raise _nothing_to_retry(journal.state)
        try:
            journal.append(RetryRequested(by=by, via=via, reason=reason))
            return journal.state
        except HeadMoved:
            continue
        except IllegalTransition as error:
            raise _nothing_to_retry(journal.state) from error


def _nothing_to_retry(state: RunState) -> Refused:
    return Refused(
        f"{state.run_id} is {state.phase}; none of its approved queries is left to be tried again.",
        code="nothing_to_retry",
        next="Ask the question again with `bq-copilot ask`.",
    )


def undo(journal: Journal, by: str, via: str, reason: str = "") -> RunState:
    """Let an ended run remove what it left: follow-ups, grants, tables of no result. Raises Refused or Conflict."""

    def make(state: RunState) -> Event:
        if state.undo is not None:
            first = state.undo.requested.by
            raise Conflict(f"{first} asked for it before.", code="undone_before", winner=first)
        if state.phase not in UNDOABLE or not removable(state):
            raise _nothing_to_undo(state)
        return UndoRequested(by=by, via=via, reason=reason)

    return append(journal, make)


def _nothing_to_undo(state: RunState) -> Refused:
    if not state.phase.is_terminal:
        message, hint = "has not ended", f"Stop it: `bq-copilot cancel {state.run_id}`."
    elif state.phase is Phase.PARKED:
        message, hint = "is parked", f"Give it up: `bq-copilot abandon {state.run_id}` removes what it made."
    else:
        message = "has left no follow-up, no grant, and no table but those of its results"
        hint = f"Its results stay readable: `bq-copilot show {state.run_id}`."
    return Refused(f"{state.run_id} {message}; nothing is to be undone.", code="nothing_to_undo", next=hint)


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
