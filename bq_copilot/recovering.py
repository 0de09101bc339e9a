"""What is to be done about a run that may have lost its process: a pure table.

Decides by three witnesses: the ledger (what is the run waiting for), the lease (does a process live), Prefect (what
does it believe). A run with a live lease is never started again. Prefect's word alone never proves a death; it only
says for how long nothing has moved. Every age is the difference of two times of the same clock: the ledger's with
the ledger's, the server's with the server's, and a death is timed by whoever watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from bq_copilot.ledger import Lease, RunHead
from bq_copilot.phases import TERMINAL, WAITING, Phase, prefect_type

if TYPE_CHECKING:
    from bq_copilot.prefect_api import FlowRun


class Remedy(StrEnum):
    """What the recovery service does to one run."""

    NONE = "none"
    """It lives, waits as it should, or is in its queue."""
    CREATE = "create"
    """It was received and never got a flow run."""
    WAKE = "wake"
    """It sleeps although what it waited for has happened."""
    RESTART = "restart"
    """Its process is gone."""
    RELABEL = "relabel"
    """Its process lives, but Prefect calls it crashed."""
    EXPIRE = "expire"
    """Nobody decided in time."""
    CANCEL = "cancel"
    """It was cancelled in Prefect, which the ledger does not know yet."""
    SETTLE = "settle"
    """It has ended, Prefect says that it ended otherwise, and no process could put that right."""


STOPPING = frozenset({Phase.CANCELLING, Phase.COMPENSATING})
"""Phases of a run whose cancel the ledger knows."""

UNCONFIRMED_PAUSE = 20.0
"""Seconds that a run sleeps whose cancel could not be confirmed, before it is woken to try again."""

GRACE: dict[str, float] = {
    "RUNNING": 6.0,
    "PENDING": 12.0,
    "PAUSED": 6.0,
    "CRASHED": 1.0,
    "FAILED": 2.0,
    "COMPLETED": 3.0,
    "CANCELLED": 1.0,
    "CANCELLING": 45.0,
}
"""Seconds in a Prefect state, with no process holding the run, after which its process counts as gone.

A process needs a moment between its first state and its lease; a starting one is Pending for some seconds.
"""

DEAD_GRACE: dict[str, float] = {"RUNNING": 2.5, "PENDING": 2.5, "PAUSED": 2.5, "CANCELLING": 8.0, "CRASHED": 0.8}
"""The same where the process that held the run is provably gone: a worker that lives reports the crash within two
seconds, and once more a moment later; waiting for its reports keeps them from hitting the next process."""

STARTING = 120.0
"""Seconds that a process gets to take the run where it can be seen to be starting."""

LONGEST = 2.0
"""How many times longer than at first a later start is waited for: a machine may be too busy to start anything."""

LABEL_GRACE = 2.0
"""Seconds that a live run may be called crashed: a worker reports a crash twice, up to some seconds apart."""

CANCEL_GRACE = 8.0
"""Seconds that a worker gets to stop a live process by itself after a cancel in Prefect."""

UNSTARTED = 6.0
"""Seconds after which a received run without a flow run was left by its client."""

CLOSING = 6.0
"""Seconds that an ended run's process gets to tell Prefect so."""

TELLERS = 2
"""Processes that may fail to tell Prefect how a run has ended, before it is told without one."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Everything that is known about one run at one moment."""

    head: RunHead
    lease: Lease | None
    holder_is_dead: bool
    """True only when the lease's holder is provably gone."""
    flow_run: FlowRun | None
    now: datetime
    """The ledger's clock."""
    server_now: datetime | None = None
    """The Prefect server's clock; None when it does not say, then the ledger's is used."""
    dead_for: float = 3_600.0
    """Seconds since the holder was first seen dead, by the clock of whoever watches."""
    tries: int = 0
    """How often the run was helped since its last event."""
    starting: bool = False
    """True when the process that the worker started for it can be seen to live on this host."""
    taker_is_dead: bool = False
    """True only when the worker that took it out of its queue is provably gone and has started no process for it."""

    @property
    def lives(self) -> bool:
        """True while a process may be at work on it."""
        return self.lease is not None and not self.holder_is_dead and self.lease.expires_at > self.now

    @property
    def age(self) -> float:
        """Seconds for which Prefect's state has stood."""
        since = self.flow_run.since if self.flow_run else None
        return ((self.server_now or self.now) - since).total_seconds() if since else 3_600.0

    @property
    def still(self) -> float:
        """Seconds for which neither Prefect nor the ledger has moved."""
        return min(self.age, (self.now - self.head.updated_at).total_seconds())


def remedy(seen: Witnesses) -> Remedy:
    """Return what is to be done."""
    head, flow_run, phase = seen.head, seen.flow_run, Phase(seen.head.phase)
    if phase in TERMINAL:
        return _of_ended(seen)
    if phase in WAITING and head.expires_at is not None and head.expires_at < seen.now:
        return Remedy.EXPIRE
    if seen.lives:
        return _of_living(seen, phase)
    if flow_run is None:
        age = (seen.now - head.received_at).total_seconds()
        return Remedy.CREATE if age > UNSTARTED else Remedy.NONE
    return _of_state(seen, flow_run, phase)


def _of_ended(seen: Witnesses) -> Remedy:
    """An ended run is started once more where Prefect still believes in it: it reads its end and says so."""
    if seen.flow_run is None or seen.lives:
        return Remedy.NONE
    if _sleeps(seen.flow_run):
        return Remedy.WAKE
    kind = seen.flow_run.state_type
    if kind in {"SCHEDULED", prefect_type(Phase(seen.head.phase))} or seen.still < CLOSING:
        return Remedy.NONE
    over = kind in {"FAILED", "CRASHED", "CANCELLED", "COMPLETED"}
    return Remedy.SETTLE if over and seen.tries >= TELLERS else Remedy.RESTART


def _of_living(seen: Witnesses, phase: Phase) -> Remedy:
    kind = seen.flow_run.state_type if seen.flow_run else ""
    if kind == "CANCELLING" and phase not in STOPPING and seen.age >= CANCEL_GRACE:
        return Remedy.CANCEL
    if kind == "CRASHED" and phase not in WAITING and seen.age >= LABEL_GRACE:
        return Remedy.RELABEL
    return Remedy.NONE


def _of_state(seen: Witnesses, flow_run: FlowRun, phase: Phase) -> Remedy:
    if _sleeps(flow_run):
        rests = phase in WAITING or (phase in STOPPING and seen.still < UNCONFIRMED_PAUSE)
        return Remedy.NONE if rests else Remedy.WAKE
    kind = flow_run.state_type
    if kind == "SCHEDULED":
        stuck = flow_run.state_name == "AwaitingRetry" and seen.still >= 5.0
        return Remedy.RESTART if stuck else Remedy.NONE
    if not _is_gone(seen, kind):
        return Remedy.NONE
    cancelled = kind in {"CANCELLED", "CANCELLING"} and phase not in STOPPING
    return Remedy.CANCEL if cancelled else Remedy.RESTART


def _is_gone(seen: Witnesses, kind: str) -> bool:
    """A dead holder speaks only for the state that it died in: a later one belongs to the process after it."""
    died_in_it = kind == "CRASHED" or seen.age >= seen.dead_for
    if seen.lease is not None and seen.holder_is_dead and died_in_it:
        return seen.dead_for >= DEAD_GRACE.get(kind, 0.0)
    if seen.taker_is_dead:
        return seen.age >= DEAD_GRACE[kind]
    if seen.starting and kind in {"PENDING", "RUNNING"}:
        return seen.still >= STARTING
    return seen.still >= GRACE.get(kind, 10.0) * min(2.0**seen.tries, LONGEST)


def _sleeps(flow_run: FlowRun) -> bool:
    return flow_run.state_type == "PAUSED" and flow_run.state_name == "Suspended"
