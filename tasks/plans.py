"""Judge a plan and price it: gate, dry run, approval request, and the last check before the jobs run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from blocks.environment import Environment
from bq_copilot.approval import Decision, QueryFacts, digest_of
from bq_copilot.canonical import digest
from bq_copilot.catalog import Catalog
from bq_copilot.errors import Refused
from bq_copilot.estimates import judge
from bq_copilot.events import (
    ApprovalConsumed,
    ApprovalDecided,
    ApprovalRequested,
    ApprovalVoided,
    EstimateRefused,
    PlanEstimated,
    PlanProposed,
    PlanRuled,
)
from bq_copilot.gate import Gate
from bq_copilot.gate.engines import second_engines
from bq_copilot.ports import DryRun
from bq_copilot.requests import MINIMUM_BILLED, build, changes, facts_of
from bq_copilot.state import Plan
from bq_copilot.steps import ProposePlan
from bq_copilot.values import Estimate, ResultColumn
from tasks.durable import Place, effect, look
from tasks.run import Run, failure_of
from tasks.schemas import describe_again


@effect(name="dry run")
async def dry_run(place: Place, env: Environment, sql: str) -> dict[str, Any]:
    """Return what a dry run says of one canonical statement, as JSON."""
    return _to_json(await asyncio.to_thread(env.warehouse.dry_run, sql, ()))


@look(name="dry run again")
async def dry_run_again(env: Environment, sql: str) -> dict[str, Any]:
    """Return what a dry run says now, to compare it with what was approved."""
    return _to_json(await asyncio.to_thread(env.warehouse.dry_run, sql, ()))


def _to_json(found: DryRun) -> dict[str, Any]:
    return {
        "statement_type": found.statement_type,
        "bytes": found.bytes,
        "accuracy": found.accuracy,
        "tables": None if found.tables is None else list(found.tables),
        "columns": None if found.columns is None else [c.model_dump() for c in found.columns],
    }


def _from_json(found: dict[str, Any]) -> DryRun:
    tables, columns = found["tables"], found["columns"]
    return DryRun(
        statement_type=found["statement_type"],
        bytes=found["bytes"],
        accuracy=found["accuracy"],
        tables=None if tables is None else tuple(tables),
        columns=None if columns is None else tuple(ResultColumn(**c) for c in columns),
    )


def propose(run: Run, step: ProposePlan) -> None:
    """Record a plan revision."""
    run.append(
        PlanProposed(revision=step.revision, queries=step.queries, rationale=step.rationale, by=step.by, note=step.note)
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
            found = _from_json(await dry_run(place, run.env, verdict.sql))
            estimates.append(judge(query.id, found, verdict, run.policy, run.catalog))
        except Refused as error:
            run.append(EstimateRefused(revision=plan.revision, query=query.id, failure=failure_of(error, "dry_run")))
            return
    run.append(PlanEstimated(revision=plan.revision, estimates=tuple(estimates)))


def request_approval(run: Run, plan: Plan) -> None:
    """Record the request; where policy says that nobody is asked, record its own approval too."""
    now = run.journal.ledger.now()
    request = build(run.state, plan, run.catalog, run.policy, now)
    named = digest_of(request)
    run.append(ApprovalRequested(request=request, digest=named))
    if request.approvers.tier == 0:
        decision = Decision(
            request_id=request.request_id,
            digest=named,
            verdict="approve",
            by="policy",
            via="policy",
            identity="policy",
            reason=f"tier 0 of policy {run.policy.name}",
        )
        run.append(ApprovalDecided(decision=decision))


async def consume(run: Run, plan: Plan) -> None:
    """Compare what was approved with what is there now; use the approval, or void it and say what changed."""
    assert plan.request is not None
    if digest_of(plan.request) != plan.digest:
        run.append(_void(plan, "the request does not match its digest", ()))
        return
    reasons = await _drift(run, plan)
    if reasons:
        run.append(_void(plan, "what was approved is not what would run now", reasons))
        return
    run.append(ApprovalConsumed(request_id=plan.request.request_id, digest=plan.digest))


def _void(plan: Plan, reason: str, lines: tuple[str, ...]) -> ApprovalVoided:
    assert plan.request is not None
    return ApprovalVoided(request_id=plan.request.request_id, reason=reason, changes=lines)


async def _drift(run: Run, plan: Plan) -> tuple[str, ...]:
    """Return one line for each approved fact that has changed: schemas, SQL, bytes, policy."""
    assert plan.request is not None
    tables = sorted({t.table for q in plan.request.queries for t in q.tables})
    try:
        fresh = Catalog(tables=tuple(await describe_again(run.env, tables)), families=run.catalog.families)
        facts: dict[str, QueryFacts] = {}
        for i, query in enumerate(plan.request.queries):
            found = _from_json(await dry_run_again(run.env, query.sql))
            estimate = judge(query.id, found, plan.verdicts[i], run.policy, run.catalog)
            facts[query.id] = facts_of(replace(plan, estimates=_one(plan, i, estimate)), i, fresh)
    except Refused as error:
        return (f"{error.code}: {error}",)
    return (*changes(plan.request, facts), *_policy_drift(run, plan))


def _one(plan: Plan, index: int, estimate: Estimate) -> tuple[Estimate, ...]:
    return (*plan.estimates[:index], estimate, *plan.estimates[index + 1 :])


def _policy_drift(run: Run, plan: Plan) -> tuple[str, ...]:
    """A policy that changed may only tighten: what it denies now does not run, what it allows now waits."""
    current = run.env.policy
    if current.fingerprint == run.policy.fingerprint:
        return ()
    gate = Gate(run.catalog, current, second_engines())
    verdicts = [gate.rule(q.sql) for q in plan.queries]
    denied = [f"{f.rule}: {f.message}" for v in verdicts if v.denied for f in v.findings]
    return tuple(f"policy changed: {line}" for line in denied)


def ceiling(query: QueryFacts) -> int:
    """Return `maximum_bytes_billed` for an approved query: its approved bytes, or the minimum charge a table."""
    return max(query.bytes, MINIMUM_BILLED * max(1, len(query.tables)))


def inputs_of(query: QueryFacts, destination: str, principal: str) -> str:
    """Return the fingerprint of a job: SQL, parameters, destination, principal."""
    return digest([query.sql, [list(p) for p in query.parameters], destination, principal])
