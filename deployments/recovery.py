"""`python -m deployments.recovery`: watch all runs that have not ended, and put back to work what lost its process.

Decides: which runs are looked at, and when. What is to be done about one says `bq_copilot.recovering`, from ledger,
lease and Prefect; how, `deployments.remedies`. Several may run at once, on several hosts. Why this shape: one look
costs the same number of requests whether ten or ten thousand runs wait for a person: those that move are asked for
by their state, those that sleep some at a time.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from bq_copilot import identity, scheduling
from bq_copilot.errors import Conflict, CopilotError, Refused
from bq_copilot.installation import Installation, find
from bq_copilot.journal import Journal
from bq_copilot.ledger import Lease, RunHead
from bq_copilot.local_user import local_user
from bq_copilot.phases import TERMINAL, WAITING, Phase
from bq_copilot.prefect_api import FlowRun
from bq_copilot.recovering import UNSTARTED, Remedy, Witnesses, remedy
from deployments import notifying
from deployments.agreeing import Agreement
from deployments.claims import Claims
from deployments.local.home import Home
from deployments.remedies import Case, apply
from deployments.watching import Deaths, Sign, Slices, Tries, Trouble, is_starting

TICK = 0.2
"""Seconds between two looks at the holders of leases; they cost no request."""

EVERY, HURRIED, CALM = 1.0, 0.4, 3.0
"""Seconds between two sweeps; while a holder is dead; while no run moves and no process holds one."""

FLOWS = ("analyze", "follow-up")

LIMIT = 20_000
"""Runs that have not ended and that one sweep knows of."""

ORPHANED = 20.0
"""Seconds after which a flow run without a run in the ledger counts as dead before its first step."""

ORPHAN_TRIES = 4

SCHEDULING = 30
"""Sweeps between two looks for accepted follow-ups without a schedule."""

log = logging.getLogger("bq_copilot.recovery")


class Recovery:
    """One recovery service: what it is connected to and what it remembers."""

    def __init__(self, at: Installation) -> None:
        self._at = at
        self._deaths, self._tries = Deaths(), Tries()
        self._claims = Claims(Home.of(os.environ).claims)
        self.sign = Sign(at.ledger)
        self._lookups, self._sleeping, self._suspended = Slices(150), Slices(50), 0
        self._sweeps, self._last = 0, -EVERY
        self._missing: set[str] = set()
        self._moving = True
        self._agreement = Agreement(at, FLOWS, lambda flow_run: self._run_of(flow_run, {}))
        self._scheduled: dict[str, int] = {}
        """Parents of follow-ups, and the seq at which nothing of theirs was to be scheduled."""

    def tick(self) -> list[tuple[str, Remedy]]:
        """Sweep if it is time to, or if a process has died; return what was done."""
        leases = self._at.ledger.leases()
        died = self._deaths.look(leases)
        if not died and time.monotonic() - self._last < self._pause(leases):
            return []
        self._last = time.monotonic()
        return self.sweep(leases)

    def _pause(self, leases: Sequence[Lease]) -> float:
        if any(self._deaths.seconds(lease) is not None for lease in leases):
            return HURRIED
        return EVERY if leases or self._moving else CALM

    def sweep(self, leases: Sequence[Lease] | None = None) -> list[tuple[str, Remedy]]:
        """Look at every open run that moves and at some of those that sleep, and do what is to be done."""
        held = {lease.run_id: lease for lease in (self._at.ledger.leases() if leases is None else leases)}
        self._deaths.look(held.values())
        self._sweeps += 1
        moving = self._at.ledger.heads(phases=[p for p in Phase if p not in TERMINAL | WAITING], limit=LIMIT)
        waiting = self._at.ledger.heads(phases=sorted(WAITING), limit=LIMIT)
        done, self._moving = self._expire(waiting, held), bool(moving)
        if self._sweeps % SCHEDULING == 1:
            self._schedule()
        if not moving and not waiting and not held and self._sweeps % 5:
            return done
        flow_runs = self._flow_runs(moving, waiting)
        ended = self._ended(flow_runs, {h.run_id for h in (*moving, *waiting)})
        for head in (*moving, *waiting, *ended):
            flow_run = flow_runs.get(head.run_id)
            if flow_run is not None or self._is_missing(head):
                done += self._help(head, held.get(head.run_id), flow_run)
        for head, flow_run in self._otherwise_ended():
            done += self._help(head, held.get(head.run_id), flow_run)
        known = {*flow_runs, *(f.id for f in flow_runs.values()), *(h.run_id for h in (*moving, *waiting))}
        self._tries.keep(known | self._agreement.differing)
        self._forget_dead(held, {h.run_id for h in (*moving, *waiting)})
        return done

    # -- what to look at ---------------------------------------------------------------------------------

    def _flow_runs(self, moving: Sequence[RunHead], waiting: Sequence[RunHead]) -> dict[str, FlowRun]:
        """Return the flow runs that need a look, by run id."""
        at = self._at.ledger.now()
        by_flow_run = {h.flow_run_id: h.run_id for h in (*moving, *waiting) if h.flow_run_id}
        found = {self._run_of(f, by_flow_run): f for f in self._at.api.active(FLOWS)}
        quiet = [h for h in moving if h.run_id not in found and (at - h.updated_at).total_seconds() > 1.0]
        asleep = [h for h in waiting if h.run_id not in found]
        wanted = [*self._lookups.take(quiet), *self._sleeping.take(asleep)]
        known = self._at.api.flow_runs(h.flow_run_id for h in wanted if h.flow_run_id)
        found |= {by_flow_run[i]: f for i, f in known.items() if by_flow_run[i] not in found}
        self._missing = {h.run_id for h in wanted if h.run_id not in found}
        if self._missing:
            created = self._at.api.flow_runs_of(self._missing)
            found |= created
            self._missing -= created.keys()
        return found | self._some_suspended(found, by_flow_run)

    def _some_suspended(self, found: Mapping[str, FlowRun], by_flow_run: Mapping[str, str]) -> dict[str, FlowRun]:
        """Return some that sleep in Prefect: their runs may have ended while the server was down."""
        if self._sweeps % 5:
            return {}
        page = self._at.api.suspended(FLOWS, self._suspended, 50)
        self._suspended = self._suspended + 50 if len(page) == 50 else 0
        runs = {self._run_of(f, by_flow_run): f for f in page}
        return {run_id: f for run_id, f in runs.items() if run_id not in found}

    def _otherwise_ended(self) -> list[tuple[RunHead, FlowRun]]:
        """Return ended runs of which Prefect says that they ended otherwise, every few looks."""
        return [] if self._sweeps % 5 else self._agreement.look()

    def _run_of(self, flow_run: FlowRun, by_flow_run: Mapping[str, str]) -> str:
        said = flow_run.parameters
        if "series" in said:  # its key is the scheduler's
            known = by_flow_run.get(flow_run.id)
            return known or self._run_of_series(str(said.get("parent", "")), str(said["series"]), flow_run.id)
        known = by_flow_run.get(flow_run.id) or flow_run.key
        if known:
            return known
        return identity.run_id(said.get("requester") or local_user(), said.get("request_key") or flow_run.id)

    def _run_of_series(self, parent: str, series: str, flow_run_id: str) -> str:
        """Return the run that this flow run of a series carries out: its requester is the parent's."""
        heads = self._at.ledger.heads(run_ids=[parent], limit=1)
        requester = heads[0].requester if heads else ""
        return identity.run_id(requester, identity.occurrence_key(series, flow_run_id))

    def _schedule(self) -> None:
        """Make the schedules that a client or a run could not make after a follow-up was accepted."""
        parents = self._at.ledger.parents()
        heads = self._at.ledger.heads(run_ids=parents, limit=len(parents)) if parents else []
        for head in (h for h in heads if self._scheduled.get(h.run_id) != h.seq):
            try:
                journal = Journal.open(self._at.ledger, head.run_id)
                for series in scheduling.unscheduled(journal.state):
                    log.info("schedule follow-up %s of %s", series.id, head.run_id)
                    scheduling.record(journal, self._at.api, series)
                self._scheduled[head.run_id] = head.seq
            except (Refused, Conflict) as error:
                log.warning("the follow-ups of %s are not scheduled: %s", head.run_id, error)

    def _is_missing(self, head: RunHead) -> bool:
        age = (self._at.ledger.now() - head.received_at).total_seconds()
        return head.run_id in self._missing and age > UNSTARTED

    def _ended(self, flow_runs: Mapping[str, FlowRun], open_runs: set[str]) -> list[RunHead]:
        """Return the runs that have ended although Prefect believes in them; help flow runs without a run."""
        unknown = sorted(flow_runs.keys() - open_runs)
        if not unknown:
            return []
        heads = self._at.ledger.heads(run_ids=unknown, limit=len(unknown))
        for run_id in set(unknown) - {h.run_id for h in heads}:
            self._help_orphan(flow_runs[run_id])
        return heads

    # -- what to do --------------------------------------------------------------------------------------

    def _expire(self, waiting: Sequence[RunHead], held: Mapping[str, Lease]) -> list[tuple[str, Remedy]]:
        """Expire what is due; that takes the ledger alone."""
        now = self._at.ledger.now()
        due = [h for h in waiting if h.expires_at is not None and h.expires_at < now]
        return [done for h in due for done in self._help(h, held.get(h.run_id), None)]

    def _help(self, head: RunHead, lease: Lease | None, flow_run: FlowRun | None) -> list[tuple[str, Remedy]]:
        dead_for = self._deaths.seconds(lease)
        seen = Witnesses(
            head,
            lease,
            dead_for is not None,
            flow_run,
            self._at.ledger.now(),
            self._at.api.clock if self._at.api_url else None,
            dead_for or 0.0,
            self._tries.count(head.run_id, head.seq),
            flow_run is not None and is_starting(flow_run.pid, flow_run.id),
            flow_run is not None and self._claims.is_lost(flow_run.id, flow_run.state_type),
        )
        what = remedy(seen)
        if what is Remedy.NONE or not self._tries.may(head.run_id, head.seq):
            return []
        flow_run_id = flow_run.id if flow_run else head.flow_run_id
        case = Case(head, flow_run_id, seen.lives, self._tries.count(head.run_id, head.seq))
        self._tries.note(head.run_id, head.seq)
        apply(self._at, what, case)
        return [(head.run_id, what)]

    def _help_orphan(self, flow_run: FlowRun) -> None:
        """A flow run whose process died before it recorded anything is started again, some times."""
        clock = self._at.api.clock
        theirs = flow_run.parameters.get("environment", "default") != self._at.environment
        if theirs or clock is None or flow_run.since is None or flow_run.state_type == "PAUSED":
            return
        old = (clock - flow_run.since).total_seconds() > ORPHANED
        if old and self._tries.may(flow_run.id, 0) and self._tries.count(flow_run.id, 0) < ORPHAN_TRIES:
            self._tries.note(flow_run.id, 0)
            log.info("restart flow run %s, which recorded nothing", flow_run.id)
            self._at.api.restart(flow_run.id, "its process is gone; it had recorded nothing")

    def _forget_dead(self, held: Mapping[str, Lease], open_runs: set[str]) -> None:
        """Give back what a process held that died after its run had ended."""
        for run_id in held.keys() - open_runs:
            if (self._deaths.seconds(held[run_id]) or 0.0) > 10.0:
                self._at.ledger.release_lease(run_id, held[run_id].token)


def sweep(at: Installation) -> list[tuple[str, Remedy]]:
    """Look once, without a memory of earlier looks."""
    recovery = Recovery(at)
    done = recovery.sweep()
    recovery.sign.give()
    return done


def main() -> None:
    """Watch until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    notifying.begin(stop)
    recovery: Recovery | None = None
    trouble = Trouble(log)
    while not stop.wait(TICK):
        try:
            recovery = recovery or Recovery(find(os.environ))
            recovery.tick()
            recovery.sign.give()
            trouble.over()
        except CopilotError as error:
            trouble.tell(str(error))


if __name__ == "__main__":
    main()
