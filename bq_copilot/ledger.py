"""The ledger port: one append-only table of events, and the lease that says who may run a run.

Every decision of the platform rests on what is recorded here. An append is a compare-and-set on (run, seq):
whoever comes second loses and re-reads. Adapters must take the time from their database, must check the lease's
token in the same transaction, and must never change or remove a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bq_copilot.budgets import Spending
from bq_copilot.errors import Conflict
from bq_copilot.events import Event, Recorded
from bq_copilot.receipts import Row
from bq_copilot.state import RunState

PARENTS = """SELECT DISTINCT e.run_id, h.received_at FROM events e JOIN heads h ON h.run_id = e.run_id
    WHERE e.kind = 'follow_up_requested' ORDER BY h.received_at DESC, e.run_id"""
"""Runs with follow-ups; the kind is spelled out so that the partial index `events_of_follow_ups` serves it."""


class HeadMoved(Conflict):
    """Another event was recorded first; read it, fold it, and decide again."""

    code = "head_moved"


@dataclass(frozen=True, slots=True)
class RunHead:
    """What a list shows of a run; derived from its events and never trusted over them."""

    run_id: str
    seq: int
    phase: str
    question: str
    requester: str
    received_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    """When the open question or approval request expires."""
    flow_run_id: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who runs the run. A token only ever grows; an append with an older one is refused."""

    run_id: str
    holder: str
    token: int
    expires_at: datetime


Accept = Callable[[Recorded], RunState]
"""Folds the event that is about to be recorded; raises to keep it out."""


class Ledger(Protocol):
    """Where events live."""

    def now(self) -> datetime:
        """Return the database's clock, UTC."""
        ...

    def append(
        self, run_id: str, seq: int, event: Event, accept: Accept, fence: int | None = None
    ) -> tuple[Recorded, RunState]:
        """Record `event` at `seq` if that place is free and `accept` does not raise.

        Raises HeadMoved when the place is taken, Superseded when `fence` is not the lease's token,
        LedgerUnavailable when nothing is known to have been recorded.
        """
        ...

    def spent(self, requester: str, day: str) -> tuple[Spending, Spending]:
        """Return what the runs of a day have (spent, reserved): of one requester, or of all when it is empty."""
        ...

    def read(self, run_id: str, after: int = 0) -> list[Recorded]:
        """Return the events of a run with a seq greater than `after`, in order."""
        ...

    def rows(self, run_id: str) -> list[Row]:
        """Return the rows of a run exactly as they are stored."""
        ...

    def heads(
        self, phases: Iterable[str] = (), requester: str = "", limit: int = 100, run_ids: Iterable[str] = ()
    ) -> list[RunHead]:
        """Return runs, newest first, optionally only those in `phases`, of `requester`, or with these ids."""
        ...

    def runs_with(self, kind: str, limit: int) -> list[str]:
        """Return the ids of the runs that have an event of this kind, the newest such event first."""
        ...

    def parents(self) -> list[str]:
        """Return the runs with a follow-up that people were asked about, newest first."""
        ...

    def take_lease(self, run_id: str, holder: str, seconds: float) -> Lease | None:
        """Take the run when nobody holds it or the holder's lease is over; None when somebody does."""
        ...

    def renew_lease(self, lease: Lease, seconds: float) -> bool:
        """Keep the run; False when somebody took it."""
        ...

    def release_lease(self, run_id: str, token: int) -> None:
        """Give the run back, if `token` is still the one."""
        ...

    def lease_of(self, run_id: str) -> Lease | None:
        """Return the lease of a run, over or not."""
        ...

    def leases(self) -> list[Lease]:
        """Return all leases that are held, over or not."""
        ...
