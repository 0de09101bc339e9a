"""Fetch every approved fact anew just before the jobs run, and say what is another one now.

Schemas, dry run, verdict and policy are those of this moment; what changed and voids is for `bq_copilot.drift` to
say. What drifted is stored with the void, so that the next request is made of it. It writes nothing but that.
"""

from __future__ import annotations

import asyncio

from blocks.environment import Environment
from bq_copilot import drift, permission, requests
from bq_copilot.approval import QueryFacts
from bq_copilot.catalog import Catalog, Table
from bq_copilot.errors import Refused
from bq_copilot.estimates import judge
from bq_copilot.events import ApprovalVoided
from bq_copilot.gate import Verdict
from bq_copilot.gate.engines import GuardedGate
from bq_copilot.gate.gate import gate_fingerprint
from bq_copilot.plan_steps import NOT_THE_SQL
from bq_copilot.requests import Site
from bq_copilot.state import Plan
from tasks.dry_runs import dry_run_again, from_json
from tasks.durable import look
from tasks.run import Run

AT_ONCE = 8
GONE = frozenset({"notFound", "not_found"})


async def find_drift(run: Run, plan: Plan, site: Site) -> ApprovalVoided | None:
    """Return the event that voids the approval, None when everything is as it was approved."""
    assert plan.request is not None
    catalog, policy = await asyncio.gather(_fresh_catalog(run, plan), run.env.policy_now())
    gate = run.gate_over(catalog, policy)
    verdicts = await _verdicts(run, plan, gate)
    lines = _denied(plan, verdicts) or await _changed(run, plan, site, gate, verdicts)
    return _void(run, plan, gate, lines) if lines else None


async def _verdicts(run: Run, plan: Plan, gate: GuardedGate) -> list[Verdict]:
    """Return what the gate says now; a verdict is a function of text, schemas, policy and gate, so the same stay."""
    assert plan.request is not None
    same = gate.catalog.fingerprint == run.catalog.fingerprint and gate.policy.fingerprint == run.policy.fingerprint
    if same and all(v.gate_fingerprint == gate_fingerprint() for v in plan.verdicts):
        return list(plan.verdicts)
    with gate:
        return [await asyncio.to_thread(gate.rule, q.sql) for q in plan.request.queries]


async def _fresh_catalog(run: Run, plan: Plan) -> Catalog:
    """Return the pinned schemas with those of the plan's tables as they are now."""
    assert plan.request is not None
    named = sorted({t.table for q in plan.request.queries for t in q.tables})
    listed = [t for t in named if not t.endswith("*")]
    for pattern in (t for t in named if t.endswith("*")):
        listed += await _members(run, pattern)
    return drift.refreshed(run.catalog, await describe_now(run.env, sorted(set(listed))))


async def _members(run: Run, pattern: str) -> list[str]:
    """Return the tables that a wildcard reads now and those that it read when the run was pinned."""
    family = run.catalog.family(pattern)
    found = await list_now(run.env, pattern.rsplit(".", 1)[0])
    now = [t for t in found if family and t.startswith(pattern.removesuffix("*")) and family.holds(t)]
    return [*now, *(t.id for t in run.catalog.members(pattern))]


@look(name="list tables again")
async def list_now(env: Environment, dataset: str) -> list[str]:
    """Return the ids of all tables of a dataset as they are now."""
    return await asyncio.to_thread(env.warehouse.list_tables, dataset)


@look(name="describe tables again")
async def describe_now(env: Environment, tables: list[str]) -> dict[str, Table | None]:
    """Return each table as it is now, None for one that is gone."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(table: str) -> Table | None:
        async with room:
            try:
                return await asyncio.to_thread(env.warehouse.describe_table, table)
            except Refused as error:
                if error.code in GONE:
                    return None
                raise

    return dict(zip(tables, await asyncio.gather(*(one(t) for t in tables)), strict=True))


def _denied(plan: Plan, verdicts: list[Verdict]) -> tuple[str, ...]:
    """What the gate denies now is not priced any more: a denied text never reaches the warehouse."""
    assert plan.request is not None
    return tuple(
        line
        for query, verdict in zip(plan.request.queries, verdicts, strict=True)
        if verdict.denied
        for line in drift.denials(query.id, _reasons(verdict))
    )


def _reasons(verdict: Verdict) -> list[str]:
    return [f"{f.rule}: {f.message}" for f in verdict.findings if f.severity == "deny"][:3]


async def _changed(run: Run, plan: Plan, site: Site, gate: GuardedGate, verdicts: list[Verdict]) -> tuple[str, ...]:
    assert plan.request is not None
    try:
        facts = [await _facts_now(run, plan, i, site, gate, v) for i, v in enumerate(verdicts)]
    except Refused as error:
        if error.code in NOT_THE_SQL:
            raise  # nothing of what was approved has changed, and asking again would not help
        return (f"{error.code}: {error}",)
    approvers = requests.approvers_for(tuple(facts), tuple(verdicts), gate.policy)
    lines = drift.changes(plan.request, {f.id: f for f in facts}, approvers, site.runs_as)
    return (*lines, *permission.withdrawn(plan, approvers))


async def _facts_now(run: Run, plan: Plan, index: int, site: Site, gate: GuardedGate, verdict: Verdict) -> QueryFacts:
    assert plan.request is not None
    query = plan.queries[index]
    found = from_json(await dry_run_again(run.env, verdict.sql))
    estimate = judge(query.id, found, verdict, gate.policy, gate.catalog)
    place = site.destination(run.id, query.id, plan.revision)
    return requests.facts(query, verdict, estimate, gate.catalog, gate.policy, place)


def _void(run: Run, plan: Plan, gate: GuardedGate, lines: tuple[str, ...]) -> ApprovalVoided:
    """Return the event, with today's policy and schemas where they are other ones."""
    assert plan.request is not None
    catalog, policy, shelf = gate.catalog, gate.policy, run.env.shelf
    fresh: dict[str, object] = {}
    if policy.fingerprint != run.policy.fingerprint:
        fresh |= {"policy": shelf.put(policy.text), "policy_fingerprint": policy.fingerprint}
    if catalog.fingerprint != run.catalog.fingerprint:
        fresh |= {"catalog": shelf.put(catalog.model_dump_json()), "schema_fingerprint": catalog.fingerprint}
    return ApprovalVoided.model_validate(
        {
            "request_id": plan.request.request_id,
            "reason": "what was approved is not what would run now",
            "changes": lines,
            **fresh,
        }
    )
