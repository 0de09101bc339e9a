"""What follow-ups call for: the form after an answer, the schedule after an acceptance, the reuse in a later run.

Parts of `next_step`; pure, reads no clock.
"""

from __future__ import annotations

from bq_copilot.follow_up_events import PriorResult
from bq_copilot.phases import Phase
from bq_copilot.state import RunState
from bq_copilot.step_types import AwaitFollowUp, CheckReuse, End, RequestFollowUp, ReusePlan, ScheduleSeries, Step
from bq_copilot.values import Failure, Query


def before_the_first_turn(state: RunState) -> Step | None:
    """A follow-up begins with the plan that was accepted before; without its tables it fails."""
    origin = state.received.follow_up if state.received else None
    if origin is None:
        return None
    if state.reused is None and not state.turns:
        return ReusePlan(origin)
    if state.reused is not None and state.reused.missing:
        return End(Phase.FAILED, _gone(state.reused.missing, origin.series))
    return None


def _gone(missing: tuple[str, ...], series: str) -> Failure:
    tables = ", ".join(missing)
    return Failure(
        code="table_gone",
        message=f"the follow-up reads {tables}, which is gone; nothing was executed",
        next=f"Bring the table back, or `bq-copilot followups stop {series}`.",
    )


def after_the_answer(state: RunState) -> Step | None:
    """Each proposal is put to a person once; what was accepted is scheduled before the run ends."""
    for series in state.series:
        if series.decided is None:
            return AwaitFollowUp(series)
        if series.accepted and series.scheduled is None and series.stopped is None:
            return ScheduleSeries(series)
    if len(state.series) < len(state.follow_ups):
        number = len(state.series)
        return RequestFollowUp(number, state.follow_ups[number])
    return None


def for_reuse(state: RunState, query: Query) -> Step | None:
    """An earlier result of exactly this statement is looked at before its job is sent."""
    prior = prior_of(state, query)
    return CheckReuse(query, prior) if prior is not None and query.id not in state.not_reused else None


def prior_of(state: RunState, query: Query) -> PriorResult | None:
    """Return the earlier result of the statement that was approved for this query, None when there is none."""
    plan = state.plan
    if state.reused is None or plan is None or plan.request is None:
        return None
    digests = {q.id: q.sql_digest for q in plan.request.queries}
    found = (r for r in state.reused.results if r.query == query.id and r.sql_digest == digests.get(query.id))
    return next(found, None)
