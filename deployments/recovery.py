"""`python -m deployments.recovery`: watch all runs that have not ended, and put back to work what lost its process.

Decides nothing itself: `bq_copilot.recovering` says what is to be done, from ledger, lease and Prefect. Several may
run at once, on several hosts: every act is idempotent or fenced by the run's lease. It holds no state but a count of
fruitless restarts, which it reads from the ledger.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

from bq_copilot import deciding
from bq_copilot.errors import Conflict, CopilotError, Refused
from bq_copilot.events import RunEnded, RunStarted
from bq_copilot.installation import Installation, find
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved, RunHead
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.recovering import Remedy, Witnesses, remedy
from bq_copilot.values import Failure
from bq_copilot.waking import start
from tasks.lease import is_dead

EVERY = 1.0
"""Seconds between two sweeps."""

FRUITLESS = 5
"""Recoveries in a row without any progress after which a run is parked."""

LIMIT = 2_000
"""Runs that one sweep looks at."""

log = logging.getLogger("bq_copilot.recovery")


def sweep(at: Installation) -> list[tuple[str, Remedy]]:
    """Look at every open run once and do what is to be done; return what was done."""
    live = [str(p) for p in Phase if p not in TERMINAL]
    heads = at.ledger.heads(phases=live, limit=LIMIT) + at.ledger.heads(phases=["expired", "cancelled"], limit=20)
    if not heads:
        return []
    leases = {lease.run_id: lease for lease in at.ledger.leases()}
    flow_runs = at.api.flow_runs(h.flow_run_id for h in heads if h.flow_run_id)
    now, done = at.ledger.now(), list[tuple[str, Remedy]]()
    for head in heads:
        lease = leases.get(head.run_id)
        flow_run = flow_runs.get(head.flow_run_id) or (None if head.flow_run_id else at.api.flow_run_of(head.run_id))
        dead = lease is not None and is_dead(lease.holder)
        what = remedy(Witnesses(head, lease, dead, flow_run, now))
        if what is not Remedy.NONE:
            _apply(at, head, what, flow_run.id if flow_run else "")
            done.append((head.run_id, what))
    return done


def _apply(at: Installation, head: RunHead, what: Remedy, flow_run_id: str) -> None:
    """Do it; a run that cannot be helped now is looked at again in the next sweep."""
    log.info("%s %s", what, head.run_id, extra={"action": f"recovery_{what}", "run_id": head.run_id})
    try:
        _ACTS[what](at, head, flow_run_id)
    except (Conflict, Refused) as error:
        log.warning("%s of %s was not taken: %s", what, head.run_id, error)


def _create(at: Installation, head: RunHead, _flow_run_id: str) -> None:
    received = Journal.open(at.ledger, head.run_id).state.received
    assert received is not None
    start(at, head.run_id, received)


def _wake(at: Installation, head: RunHead, flow_run_id: str) -> None:
    _told(at.api.schedule(flow_run_id), head)


def _restart(at: Installation, head: RunHead, flow_run_id: str) -> None:
    journal = Journal.open(at.ledger, head.run_id)
    if _fruitless(journal) >= FRUITLESS:
        _park(journal)
        return
    _told(at.api.restart(flow_run_id, "its process is gone; it goes on where it stopped"), head)


def _told(rejection: str, head: RunHead) -> None:
    if rejection:
        log.warning("Prefect did not take %s: %s", head.run_id, rejection)


def _fruitless(journal: Journal) -> int:
    """Count the recoveries at the end of the history that recorded nothing after them."""
    count = 0
    for recorded in reversed(journal.ledger.read(journal.run_id)):
        match recorded.event:
            case RunStarted():
                count += 1
            case _:
                break
    return count


def _park(journal: Journal) -> None:
    failure = Failure(
        code="poison",
        message=f"parked: {FRUITLESS} processes in a row died at the same step",
        next="Read the worker's log, then `bq-copilot resume` or `bq-copilot cancel`.",
    )
    journal.append(RunEnded(phase=Phase.PARKED, failure=failure))


def _expire(at: Installation, head: RunHead, flow_run_id: str) -> None:
    journal = Journal.open(at.ledger, head.run_id)
    due = head.expires_at
    assert due is not None
    message = f"expired: nobody decided until {due:%Y-%m-%d %H:%M} UTC; nothing was executed, 0 bytes billed"
    try:
        journal.append(
            RunEnded(phase=Phase.EXPIRED, failure=Failure(code="expired", message=message, next="Ask again."))
        )
    except HeadMoved:
        return  # somebody was in time after all
    if flow_run_id:
        _wake(at, head, flow_run_id)


def _cancel(at: Installation, head: RunHead, flow_run_id: str) -> None:
    deciding.cancel(Journal.open(at.ledger, head.run_id), "somebody in the Prefect UI", "prefect-ui")
    _told(at.api.restart(flow_run_id, "it was cancelled; its jobs are being stopped"), head)


_ACTS: dict[Remedy, Callable[[Installation, RunHead, str], None]] = {
    Remedy.CREATE: _create,
    Remedy.WAKE: _wake,
    Remedy.RESTART: _restart,
    Remedy.EXPIRE: _expire,
    Remedy.CANCEL: _cancel,
}


def main() -> None:
    """Sweep until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    at: Installation | None = None
    while not stop.wait(EVERY):
        try:
            at = at or find(os.environ)
            sweep(at)
        except CopilotError as error:
            log.warning("%s", error)


if __name__ == "__main__":
    main()
