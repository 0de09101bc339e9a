"""How the events of stopping, undoing and retrying change the state of a run.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.phases import Phase
from bq_copilot.state import Job, RunState
from bq_copilot.values import CLOCK


def came_too_late(state: RunState) -> bool:
    """True when the cancel lost: the job that it was to stop had ended, and with it the whole plan."""
    plan, jobs = state.plan, state.jobs
    if state.cancel is None or state.cancel.via == CLOCK or plan is None or not plan.consumed:
        return False
    over = [jobs.get(q.id) for q in plan.queries]
    done = all(j is not None and j.finished is not None and j.finished.ok for j in over)
    return done and any(j is not None and j.cancel_requested for j in over)


def cancel_unconfirmed(state: RunState, rec: Recorded, e: ev.CancelUnconfirmed) -> RunState:
    stopping = state.cancel is not None or any(j.cancel_requested for j in state.live_jobs)
    need(stopping, state, e.kind, "nothing is being stopped")
    waits = ev.Waited(what="cancel", reason=f"cancel unconfirmed: {e.reason}", attempt=e.tries, until=e.until)
    return replace(state, unconfirmed=e, waiting=waits)


def undo_intended(state: RunState, rec: Recorded, e: ev.UndoIntended) -> RunState:
    need(state.cancel is not None and not state.live_jobs, state, e.kind, "nothing is to be undone yet")
    return replace(state, undoing=e, phase=Phase.COMPENSATING)


def undo_done(state: RunState, rec: Recorded, e: ev.UndoDone) -> RunState:
    open_ = state.undoing
    ours = open_ is not None and (open_.action, open_.target) == (e.action, e.target)
    need(ours, state, e.kind, "that is not being undone")
    return replace(state, undoing=None, waiting=None, unconfirmed=None)


def unfinished(state: RunState) -> Mapping[str, Job | None]:
    """Return the plan's queries that have no result, with their newest job, None when there was none."""
    plan = state.plan
    return {q.id: state.jobs.get(q.id) for q in plan.queries if q.id not in state.results} if plan else {}


def retry_requested(state: RunState, rec: Recorded, e: ev.RetryRequested) -> RunState:
    """The run goes back to executing; its approval must be checked anew before anything of the rest is sent."""
    plan, rest = state.plan, unfinished(state)
    began = plan is not None and plan.consumed and state.open_turn is not None and state.cancel is None
    need(began and bool(rest) and not state.live_jobs, state, e.kind, "nothing of it can be tried again")
    assert plan is not None
    over = {k: j for k, j in rest.items() if j is not None and not (j.finished and j.finished.ok)}
    attempts = MappingProxyType({**plan.attempts, **{k: j.intent.attempt for k, j in over.items()}})
    return replace(
        state,
        plan=replace(plan, consumed=False, consumed_at=None, attempts=attempts),
        jobs=MappingProxyType({k: j for k, j in state.jobs.items() if k not in over}),
        past_jobs=(*state.past_jobs, *over.values()),
        phase=Phase.EXECUTING,
        failure=None,
        ended_at=None,
        waiting=None,
    )
