"""Judge a plan and price it: gate, dry run, approval request, and the last check before the jobs run."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bq_copilot import canary, deciding
from bq_copilot.approval import QueryFacts, digest_of
from bq_copilot.canonical import digest
from bq_copilot.deciding import decision_by
from bq_copilot.errors import Conflict, Damaged, Refused
from bq_copilot.estimates import judge
from bq_copilot.events import (
    ApprovalDecided,
    ApprovalRequested,
    EstimateRefused,
    PlanEstimated,
    PlanProposed,
    PlanRuled,
)
from bq_copilot.identities import How, Identity
from bq_copilot.requests import Site, build, most_billed
from bq_copilot.state import Plan, RunState
from bq_copilot.steps import ProposePlan
from bq_copilot.values import Estimate
from tasks import acting, series_runs
from tasks.drift import find_drift
from tasks.dry_runs import dry_run, from_json
from tasks.durable import Place
from tasks.run import Run, failure_of


def propose(run: Run, step: ProposePlan) -> None:
    """Record a plan revision."""
    run.append(
        PlanProposed(
            revision=step.revision,
            queries=step.queries,
            rationale=step.rationale,
            by=step.by,
            note=step.note,
            side_by_side=step.side_by_side,
            keeps=step.keeps,
        )
    )


async def rule(run: Run, plan: Plan) -> None:
    """Put every query before the gate and record the verdicts."""
    verdicts = [await asyncio.to_thread(run.rule, q.sql) for q in plan.queries]
    run.append(PlanRuled(revision=plan.revision, verdicts=tuple(verdicts)))


async def estimate(run: Run, plan: Plan) -> None:
    """Dry-run every query; record the estimates, or the first refusal."""
    estimates: list[Estimate] = []
    for query, verdict in zip(plan.queries, plan.verdicts, strict=True):
        place = Place(run_id=run.id, seq=plan.revision, kind=f"dry-run-{query.id}", inputs=verdict.digest)
        try:
            found = from_json(await dry_run(place, run.env, verdict.sql))
            estimates.append(judge(query.id, found, verdict, run.policy, run.catalog))
        except Refused as error:
            run.append(EstimateRefused(revision=plan.revision, query=query.id, failure=failure_of(error, "dry_run")))
            return
    run.append(PlanEstimated(revision=plan.revision, estimates=tuple(estimates)))


def request_approval(run: Run, plan: Plan) -> None:
    """Record the request; where policy says that nobody is asked, record its own approval too."""
    now = run.journal.ledger.now()
    real = build(run.state, plan, run.catalog, run.policy, now, site_of(run))
    if series_runs.claim(run, real):
        return
    real = real.model_copy(update={"asked_because": series_runs.why_asked(run, real)})
    request = canary.instead_of(real, run.state, run.catalog, run.policy, run.rule) or real
    named = digest_of(request)
    run.append(ApprovalRequested(request=request, digest=named))
    if request.approvers.tier == 0:
        decision = decision_by(
            Identity("policy", How.POLICY),
            request.request_id,
            named,
            "approve",
            "policy",
            reason=f"tier 0 of policy {run.policy.name}",
        )
        run.append(ApprovalDecided(decision=decision))


def site_of(run: Run) -> Site:
    """Return where the run's jobs would run now. Raises Refused when nobody may run those of its requester."""
    return Site(scratch=run.env.warehouse.scratch, runs_as=acting.executor(run).principal)


async def consume(run: Run, plan: Plan) -> None:
    """Compare what was approved with what is there now; use the approval, or void it and say what changed."""
    assert plan.request is not None
    if digest_of(plan.request) != plan.digest:
        raise Damaged(f"request {plan.request.request_id} is not what its digest names")
    drifted = await find_drift(run, rest_of(run.state, plan), site_of(run))
    if drifted is not None:
        run.append(drifted)
        return
    try:
        deciding.consume(run.journal, plan.request.request_id, plan.digest)
    except (Conflict, Refused):
        return  # somebody was first: the next step follows from what they recorded


def rest_of(state: RunState, plan: Plan) -> Plan:
    """Return the plan with those queries alone that have no result yet: only they are compared and run."""
    assert plan.request is not None
    left = {q.id for q in plan.queries if q.id not in state.results}
    if len(left) == len(plan.queries):
        return plan
    facts = tuple(q for q in plan.request.queries if q.id in left)
    judged = tuple(v for q, v in zip(plan.queries, plan.verdicts, strict=True) if q.id in left)
    return replace(
        plan,
        queries=tuple(q for q in plan.queries if q.id in left),
        verdicts=judged,
        estimates=tuple(e for e in plan.estimates if e.query in left),
        request=plan.request.model_copy(update={"queries": facts}),
    )


def ceiling(query: QueryFacts) -> int:
    """Return `maximum_bytes_billed` for an approved query: the number that the card showed."""
    return query.maximum_bytes_billed or most_billed(query.bytes, len(query.tables))


def inputs_of(sql: str, parameters: tuple[tuple[str, str, str], ...], destination: str, principal: str) -> str:
    """Return the fingerprint of a job: SQL, parameters, destination, principal."""
    return digest([sql, [list(p) for p in parameters], destination, principal])
