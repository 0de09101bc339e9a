"""What a follow-up takes over from the runs before it: the plan that was accepted, and results that are still right.

Decides by the warehouse's own clock: a result counts again when no table that it reads was modified since its job was
made, and when its result table is still there. Whatever cannot be told is computed anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from bq_copilot.approval import QueryFacts
from bq_copilot.errors import Refused
from bq_copilot.events import PlanReused, ResultReused, ReuseDeclined
from bq_copilot.follow_up_events import PriorResult
from bq_copilot.journal import Journal
from bq_copilot.phases import Phase
from bq_copilot.ports import Warehouse
from bq_copilot.state import Plan, RunState
from bq_copilot.steps import CheckReuse, ReusePlan
from bq_copilot.values import ToolCall
from bq_copilot.views import newest_request
from tasks import acting
from tasks.durable import look
from tasks.run import Run


def reuse_plan(run: Run, step: ReusePlan) -> None:
    """Begin with the newest accepted plan of the series; name the tables of it that are gone."""
    state, plan = _newest(run, step)
    queries = plan.queries
    said = {"queries": [q.model_dump() for q in queries], "rationale": f"The plan of {state.run_id}, accepted before."}
    assert plan.request is not None
    tables = sorted({t.table for q in plan.request.queries for t in q.tables})
    gone = [t for t in tables if run.catalog.table(t) is None and not run.catalog.members(t)]
    run.append(
        PlanReused(
            turn=1,
            run=state.run_id,
            revision=plan.revision,
            queries=queries,
            call=ToolCall(id="reused", name="propose_plan", arguments=json.dumps(said)),
            missing=tuple(gone),
            results=tuple(_results(state, plan)),
        )
    )


def _newest(run: Run, step: ReusePlan) -> tuple[RunState, Plan]:
    """Return the newest run of the series that was answered, else the parent; with its accepted plan."""
    parent = Journal.open(run.env.ledger, step.origin.parent).state
    series = parent.series_of(step.origin.series)
    answered = [r.run for r in (series.ran if series else ()) if r.outcome == Phase.COMPLETED]
    state = Journal.open(run.env.ledger, answered[-1]).state if answered else parent
    plan = state.plan if state.plan is not None and state.plan.consumed else newest_request(state)
    if plan is None or plan.request is None:
        raise Refused(f"{state.run_id} has no accepted plan to follow up.", code="nothing_to_reuse")
    return state, plan


def _results(state: RunState, plan: Plan) -> Iterable[PriorResult]:
    assert plan.request is not None
    for facts in plan.request.queries:
        found = state.results.get(facts.id)
        if found is None or facts.time_dependent or facts.parameters:
            continue
        yield PriorResult(
            query=facts.id,
            sql_digest=facts.sql_digest,
            run=state.run_id,
            job_id=found.job_id,
            columns=found.columns,
            page=found.page,
            row_count=found.row_count,
            rows_kept=found.rows_kept,
            destination=found.destination,
        )


async def check(run: Run, step: CheckReuse) -> None:
    """Record that the earlier result counts again, or why it does not."""
    plan = run.state.plan
    assert plan is not None and plan.request is not None
    facts = next(q for q in plan.request.queries if q.id == step.query.id)
    reason = await changed_since(run.env.warehouse, acting.executor(run), step.prior, facts)
    if reason:
        run.append(ReuseDeclined(query=step.query.id, reason=reason))
    else:
        run.append(ResultReused(query=step.query.id, result=step.prior))


@look(name="compare with earlier result")
async def changed_since(planner: Warehouse, executor: Warehouse, prior: PriorResult, facts: QueryFacts) -> str:
    """Return why the earlier result, whose job and table are the executor's, does not count any more; else empty."""
    job = await asyncio.to_thread(executor.job, prior.job_id)
    if job is None or not job.created_ms:
        return f"the warehouse does not know job {prior.job_id} any more"
    for table in facts.tables:
        modified = await asyncio.to_thread(planner.modified_ms, table.table)
        if modified is None or modified >= job.created_ms:
            return f"{table.table} may have changed since"
    try:
        await asyncio.to_thread(executor.describe_table, prior.destination)
    except Refused:
        return f"the result table {prior.destination} is gone"
    return ""
