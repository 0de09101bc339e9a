"""One run's ledger with its folded state: the only way in which anything is recorded.

Appends at the head, folds inside the append, and re-reads when somebody else was first.
"""

from __future__ import annotations

from collections.abc import Callable

from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import Event, Recorded
from bq_copilot.ledger import HeadMoved, Ledger
from bq_copilot.state import RunState
from bq_copilot.transitions import apply

Heard = Callable[[RunState, Recorded, RunState], None]


class UnknownRun(Refused):
    """There is no such run; `bq-copilot runs` lists those that there are."""

    code = "unknown_run"


class Journal:
    """The events of one run, read and appended through one folded state."""

    def __init__(self, ledger: Ledger, run_id: str, fence: int | None = None) -> None:
        self.ledger = ledger
        self.run_id = run_id
        self.fence = fence
        self.state = RunState(run_id=run_id)
        self.heard: Heard | None = None
        """Told about every event that is folded from now on: state before it, event, state after it."""

    @classmethod
    def open(cls, ledger: Ledger, run_id: str, fence: int | None = None) -> Journal:
        """Read a run that exists. Raises UnknownRun."""
        journal = cls(ledger, run_id, fence)
        journal.refresh()
        if journal.state.seq == 0:
            raise UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")
        return journal

    def refresh(self) -> list[Recorded]:
        """Fold what others recorded since the last look, and return it."""
        news = self.ledger.read(self.run_id, after=self.state.seq)
        for one in news:
            before, self.state = self.state, apply(self.state, one)
            self._tell(before, one)
        return news

    def _tell(self, before: RunState, one: Recorded) -> None:
        if self.heard is not None:
            self.heard(before, one, self.state)

    def append(self, event: Event) -> Recorded:
        """Record `event` after the head. Raises HeadMoved after folding what came first."""
        state = self.state
        try:
            recorded, self.state = self.ledger.append(
                self.run_id, state.seq + 1, event, lambda rec: apply(state, rec), self.fence
            )
        except HeadMoved:
            self.refresh()
            raise
        self._tell(state, recorded)
        return recorded


def begin(ledger: Ledger, run_id: str, event: Event) -> tuple[Journal, bool]:
    """Record the first event of a run, or find the run that this key began: (journal, began it here).

    Raises Conflict when the key was used for another question.
    """
    journal = Journal(ledger, run_id)
    try:
        journal.append(event)
        return journal, True
    except HeadMoved:
        first = journal.state.received
        if first is None or event.kind != "run_received" or first.question != event.question:
            raise Conflict(
                f"The request key of run {run_id} was used for another question.",
                code="request_key_conflict",
                next="Use a new --request-key for a new question.",
                winner=first.requester if first else "",
                at=journal.state.received_at,
            ) from None
        return journal, False
