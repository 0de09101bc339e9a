"""What an approved plan's queries call for: in order or side by side, each to its result or to its failure.

The part of `next_step` between a used approval and the answer to the model's call. Pure, reads no clock. A failure
of the SQL alone goes back to the model; anything else ends the run, as `partial` where something has finished.
"""

from __future__ import annotations

from bq_copilot.follow_up_steps import for_reuse
from bq_copilot.parts import failed_for_good, nothing_finished, partial
from bq_copilot.phases import Phase
from bq_copilot.state import Plan, RunState, Turn
from bq_copilot.step_types import AnswerCall, End, PollJob, ReadResult, Step, SubmitJob
from bq_copilot.values import Query

THE_SQL = frozenset({"invalidQuery", "invalid", "notFound", "bytesBilledLimitExceeded", "resourcesExceeded"})
"""Reasons that the model can do something about."""


def for_queries(state: RunState, turn: Turn, plan: Plan) -> Step:
    """Return the next step of the plan's execution."""
    waiting: Step | None = None
    for query in plan.queries:
        step = for_query(state, query)
        if isinstance(step, PollJob) and plan.side_by_side:
            waiting = waiting or step
        elif step is not None:
            return step
        elif not plan.side_by_side and failed_for_good(state, query.id):
            break
    return waiting or _over(state, turn, plan)


def for_query(state: RunState, query: Query) -> Step | None:
    """Return the next step of the query's job, None when it is over (read, or failed for good)."""
    job = state.jobs.get(query.id)
    before = state.plan.attempts.get(query.id, 0) if state.plan else 0
    if job is None:
        if query.id in state.results:
            return None
        return for_reuse(state, query) or SubmitJob(query, before + 1, intended=False)
    if job.finished is None:
        unsent = job.state == "INTENDED" and not job.cancel_requested
        return SubmitJob(query, job.intent.attempt, intended=True) if unsent else PollJob(job)
    if job.finished.ok:
        return None if query.id in state.results else ReadResult(job)
    if job.finished.retryable and job.intent.attempt - before < state.limits.attempts:
        return SubmitJob(query, job.intent.attempt + 1, intended=False)
    return None


def _over(state: RunState, turn: Turn, plan: Plan) -> Step:
    failed = [why for q in plan.queries if (why := failed_for_good(state, q.id)) is not None]
    if not failed:
        return AnswerCall(turn)
    if any(q.id in state.results for q in plan.all_queries):
        return End(Phase.PARTIAL, partial(state))
    if failed[0].code in THE_SQL:
        return AnswerCall(turn)
    return End(Phase.FAILED, nothing_finished(state))
