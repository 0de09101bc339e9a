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
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.state import Job, RunState, Undone
from bq_copilot.undoing import Undo, undo_steps
from bq_copilot.values import CLOCK

UNDOABLE = TERMINAL - {Phase.CANCELLED, Phase.PARKED}
"""Ends after which something of the run may be left: a cancel has undone all of it, a parked run can be abandoned."""


def came_too_late(state: RunState) -> bool:
    """True when the cancel lost: the job that it was to stop had ended, and with it the whole plan."""
    plan, jobs = state.plan, state.jobs
    if state.cancel is None or state.cancel.via == CLOCK or plan is None or not plan.consumed:
        return False
    over = [jobs.get(q.id) for q in plan.queries]
    done = all(j is not None and j.finished is not None and j.finished.ok for j in over)
    return done and any(j is not None and j.cancel_requested for j in over)


def stopping(state: RunState) -> bool:
    """True while a job is being stopped, or what the run made is being removed."""
    ends = state.cancel is not None or state.undo is not None
    return ends or any(j.cancel_requested for j in state.live_jobs)


def what_stops(state: RunState) -> str:
    """Return what a person asked for that is not confirmed yet: `cancel`, or `undo` of a run that has ended."""
    return "undo" if state.undo is not None else "cancel"


def cancel_unconfirmed(state: RunState, rec: Recorded, e: ev.CancelUnconfirmed) -> RunState:
    need(stopping(state), state, e.kind, "nothing is being stopped")
    what = what_stops(state)
    waits = ev.Waited(what=what, reason=f"{what} unconfirmed: {e.reason}", attempt=e.tries, until=e.until)
    return replace(state, unconfirmed=e, waiting=waits)


def undo_intended(state: RunState, rec: Recorded, e: ev.UndoIntended) -> RunState:
    asked = state.cancel is not None or state.undo is not None
    need(asked and not state.live_jobs, state, e.kind, "nothing is to be undone yet")
    return replace(state, undoing=e, phase=Phase.COMPENSATING)


def undo_done(state: RunState, rec: Recorded, e: ev.UndoDone) -> RunState:
    open_ = state.undoing
    ours = open_ is not None and (open_.action, open_.target) == (e.action, e.target)
    need(ours, state, e.kind, "that is not being undone")
    after = replace(state, undoing=None, waiting=None, unconfirmed=None)
    if e.action != "revoke_grant":
        return after
    taken_back = (replace(s, revoked_at=rec.at) if s.id == e.target else s for s in state.series)
    return replace(after, series=tuple(taken_back))


def removable(state: RunState) -> tuple[Undo, ...]:
    """Return what an ended run has left in the world; the table of a result that counts is the result, and stays."""
    kept = {r.destination for r in state.results.values()}
    return tuple(u for u in undo_steps(state.effects) if u.action != "cancel_job" and u.target not in kept)


def undo_requested(state: RunState, rec: Recorded, e: ev.UndoRequested) -> RunState:
    """The run goes to work once more, only to remove what it left; then it ends as it had ended."""
    ended = state.phase in UNDOABLE
    need(ended and bool(removable(state)), state, e.kind, "there is nothing to undo")
    return replace(state, undo=Undone(e, state.phase, state.failure), phase=Phase.COMPENSATING, ended_at=None)


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
