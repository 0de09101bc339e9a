"""What the recovery service does to one run once it is decided: each remedy is one act, and may be repeated.

Decides: when a run that defeats every process is parked. Never does: start a run that a process holds; every act
is idempotent or fenced by the run's lease, so several recovery services may do it at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from bq_copilot import deciding, operating
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import RunEnded, RunStarted
from bq_copilot.installation import Installation
from bq_copilot.journal import Journal
from bq_copilot.ledger import RunHead
from bq_copilot.ledger_reader import UnknownEvent
from bq_copilot.notice_events import NOTICE_KINDS
from bq_copilot.phases import TERMINAL, Phase, prefect_name, prefect_type
from bq_copilot.recovering import Remedy
from bq_copilot.values import Failure
from bq_copilot.waking import start

FRUITLESS = 5
"""Processes in a row that recorded nothing but their start, after which a run is parked."""

UNBORN = 8
"""Restarts in a row after which no process even recorded its start, and a run is parked."""

CANCELLER = "somebody in the Prefect UI"

log = logging.getLogger("bq_copilot.recovery")


@dataclass(frozen=True)
class Case:
    """One run that needs help."""

    head: RunHead
    flow_run_id: str
    lives: bool
    tries: int
    """How often it was helped at this place before."""


def apply(at: Installation, what: Remedy, case: Case) -> None:
    """Do it; a run that cannot be helped now is looked at again later. Raises Unreachable or LedgerUnavailable."""
    run_id = case.head.run_id
    log.info("%s %s (%s)", what, run_id, case.head.phase, extra={"action": f"recovery_{what}", "run_id": run_id})
    try:
        _ACTS[what](at, case)
    except UnknownEvent as error:
        parked = operating.park_unread(at.ledger, run_id, error)
        log.warning("parked %s: %s" if parked else "left %s alone: %s", run_id, error)
    except (Conflict, Refused) as error:
        log.warning("%s of %s was not taken: %s", what, run_id, error)


def _create(at: Installation, case: Case) -> None:
    received = Journal.open(at.ledger, case.head.run_id).state.received
    assert received is not None
    start(at, case.head.run_id, received)


def _wake(at: Installation, case: Case) -> None:
    _told(at.api.schedule(case.flow_run_id), case)


def _restart(at: Installation, case: Case) -> None:
    if Phase(case.head.phase) in TERMINAL:
        _told(
            at.api.restart(case.flow_run_id, f"it has ended as {case.head.phase}; it starts once more to say so"), case
        )
        return
    journal = Journal.open(at.ledger, case.head.run_id)
    if fruitless(journal) >= FRUITLESS:
        _park(journal, f"{FRUITLESS} processes in a row died at the same step")
    elif case.tries >= UNBORN:
        _park(journal, f"{UNBORN} processes in a row died before their first step")
    else:
        rejection = at.api.restart(case.flow_run_id, "its process is gone; it goes on where it stopped")
        _told(rejection, case)
        if not rejection and at.api.lost_a_cancel(case.flow_run_id):
            deciding.cancel(journal, CANCELLER, "prefect-ui")


def _told(rejection: str, case: Case) -> None:
    if rejection:
        log.warning("Prefect did not take %s: %s", case.head.run_id, rejection)


def fruitless(journal: Journal) -> int:
    """Count the starts at the end of the history that recorded nothing after them; notices are not theirs."""
    count = 0
    for recorded in reversed(journal.ledger.read(journal.run_id)):
        if recorded.event.kind in NOTICE_KINDS:
            continue
        if not isinstance(recorded.event, RunStarted):
            break
        count += 1
    return count


def _park(journal: Journal, why: str) -> None:
    failure = Failure(
        code="poison",
        message=f"parked: {why}",
        next="Read the worker's log, then `bq-copilot resume` or `bq-copilot abandon`.",
    )
    journal.append(RunEnded(phase=Phase.PARKED, failure=failure))


def _relabel(at: Installation, case: Case) -> None:
    at.api.relabel(case.flow_run_id, "its process lives; the crash was that of the process before it")


def _expire(at: Installation, case: Case) -> None:
    deciding.expire(Journal.open(at.ledger, case.head.run_id))
    if case.flow_run_id and not case.lives:
        _wake(at, case)


def _cancel(at: Installation, case: Case) -> None:
    journal = Journal.open(at.ledger, case.head.run_id)
    state = deciding.cancel(journal, CANCELLER, "prefect-ui")
    if case.lives:
        return
    if state.phase is Phase.CANCELLED:
        at.api.cancelled(case.flow_run_id, state.failure.message if state.failure else "cancelled")
    else:
        _told(at.api.restart(case.flow_run_id, "it was cancelled; its jobs are being stopped"), case)


def _settle(at: Installation, case: Case) -> None:
    """Say in Prefect how the run has ended: by its phase, which the ledger has, and by its own words."""
    phase = Phase(case.head.phase)
    failure = Journal.open(at.ledger, case.head.run_id).state.failure
    said = f"{failure.message}; " if failure else ""
    why = f"{said}put right by the recovery service: the run has ended as {phase}"
    at.api.settle(case.flow_run_id, prefect_type(phase), prefect_name(phase), why)


_ACTS: dict[Remedy, Callable[[Installation, Case], None]] = {
    Remedy.NONE: lambda _at, _case: None,
    Remedy.CREATE: _create,
    Remedy.WAKE: _wake,
    Remedy.RESTART: _restart,
    Remedy.RELABEL: _relabel,
    Remedy.EXPIRE: _expire,
    Remedy.CANCEL: _cancel,
    Remedy.SETTLE: _settle,
}
