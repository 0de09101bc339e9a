"""What is to be done about a run that may have lost its process: a pure table.

Decides by three witnesses: the ledger (what is the run waiting for), the lease (does a process live), Prefect (what
does it believe). A run with a live lease is never touched. Prefect's word alone never proves a death; it only says
for how long nothing has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from bq_copilot.ledger import Lease, RunHead
from bq_copilot.phases import TERMINAL, WAITING, Phase

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
    EXPIRE = "expire"
    """Nobody decided in time."""
    CANCEL = "cancel"
    """It was cancelled in Prefect, which the ledger does not know yet."""


GRACE: dict[str, float] = {
    "RUNNING": 4.0,
    "PENDING": 12.0,
    "PAUSED": 3.0,
    "CRASHED": 4.0,
    "FAILED": 3.0,
    "COMPLETED": 3.0,
    "CANCELLED": 1.0,
    "CANCELLING": 45.0,
}
"""Seconds in a Prefect state, without a live process, after which the process counts as gone.

A worker reports a crash twice, up to 3.6 s apart: a shorter grace would let the second report hit the new process.
"""

UNSTARTED = 6.0
"""Seconds after which a received run without a flow run was left by its client."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Everything that is known about one run at one moment."""

    head: RunHead
    lease: Lease | None
    holder_is_dead: bool
    """True only when the lease's holder is provably gone."""
    flow_run: FlowRun | None
    now: datetime

    @property
    def lives(self) -> bool:
        """True while a process may be at work on it."""
        return self.lease is not None and not self.holder_is_dead and self.lease.expires_at > self.now


def remedy(seen: Witnesses) -> Remedy:
    """Return what is to be done."""
    head = seen.head
    phase = Phase(head.phase)
    if phase in TERMINAL:
        return Remedy.WAKE if seen.flow_run is not None and seen.flow_run.waits and not seen.lives else Remedy.NONE
    if phase in WAITING and head.expires_at is not None and head.expires_at < seen.now:
        return Remedy.EXPIRE
    if seen.lives:
        return Remedy.NONE
    if seen.flow_run is None:
        age = (seen.now - head.received_at).total_seconds()
        return Remedy.CREATE if age > UNSTARTED else Remedy.NONE
    return _of_state(seen, seen.flow_run, phase)


def _of_state(seen: Witnesses, flow_run: FlowRun, phase: Phase) -> Remedy:
    kind = flow_run.state_type
    if kind == "PAUSED" and flow_run.state_name == "Suspended":
        return Remedy.NONE if phase in WAITING else Remedy.WAKE
    if kind == "SCHEDULED":
        return Remedy.RESTART if flow_run.state_name == "AwaitingRetry" and _still(seen, 5.0) else Remedy.NONE
    if not _still(seen, GRACE.get(kind, 10.0)):
        return Remedy.NONE
    cancelled = kind in {"CANCELLED", "CANCELLING"} and phase is not Phase.CANCELLING
    return Remedy.CANCEL if cancelled else Remedy.RESTART


def _still(seen: Witnesses, seconds: float) -> bool:
    """True when neither Prefect nor the ledger has moved for that long."""
    since = max(seen.head.updated_at, seen.flow_run.since) if seen.flow_run and seen.flow_run.since else None
    return since is None or (seen.now - since).total_seconds() >= seconds
