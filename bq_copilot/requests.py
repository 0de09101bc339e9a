"""How an approval request is made from facts, and what changed between two of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime, timedelta

from bq_copilot import identity
from bq_copilot.approval import ApprovalRequest, Approvers, QueryFacts
from bq_copilot.catalog import Catalog
from bq_copilot.policy import Policy, Tier
from bq_copilot.state import Plan, RunState
from bq_copilot.values import TableVersion

MINIMUM_BILLED = 10 * 2**20
"""Bytes that BigQuery bills at least for a query that reads a table (pricing page, on-demand analysis)."""


def versions(tables: tuple[str, ...], catalog: Catalog) -> tuple[TableVersion, ...]:
    """Return each table with the fingerprint of its schema in `catalog`."""
    return tuple(TableVersion(table=t, fingerprint=_schema_of(t, catalog)) for t in sorted(tables))


def _schema_of(table_id: str, catalog: Catalog) -> str:
    table = catalog.table(table_id)
    if table is not None:
        return Catalog(tables=(table,)).fingerprint
    members = catalog.members(table_id)
    return Catalog(tables=members).fingerprint if members else "unknown"


def build(state: RunState, plan: Plan, catalog: Catalog, policy: Policy, now: datetime) -> ApprovalRequest:
    """Return the request for this plan revision, made at `now` (the database's clock)."""
    assert state.pinned is not None
    queries = tuple(facts_of(plan, i, catalog) for i in range(len(plan.queries)))
    total = sum(billed(q.bytes) for q in queries)
    datasets = {t.table.rsplit(".", 1)[0] for q in queries for t in q.tables}
    asks = any(v.ruling == "ask" for v in plan.verdicts)
    tier = policy.approvals.tier_for(total, datasets)
    created = now.replace(microsecond=0)
    return ApprovalRequest(
        request_id=identity.request_id(state.run_id, plan.revision),
        run_id=state.run_id,
        revision=plan.revision,
        question=state.question,
        requester=state.requester,
        warehouse=state.pinned.warehouse,
        sandbox=state.pinned.sandbox,
        queries=queries,
        total_bytes=sum(q.bytes for q in queries),
        total_usd=round(sum(q.usd for q in queries), 6),
        policy_fingerprint=state.pinned.policy_fingerprint,
        schema_fingerprint=state.pinned.schema_fingerprint,
        approvers=_approvers(tier, policy, asks=asks),
        created_at=created,
        expires_at=created + timedelta(seconds=policy.approvals.expire_after_seconds),
        nonce=identity.short_hash("nonce", state.run_id, str(plan.revision), state.hash, length=26),
    )


def billed(bytes_read: int) -> int:
    """Return what BigQuery bills for a query that reads this much."""
    return max(bytes_read, MINIMUM_BILLED) if bytes_read else 0


def facts_of(plan: Plan, index: int, catalog: Catalog) -> QueryFacts:
    """Return the facts of the plan's query at `index`, with the schemas of `catalog`."""
    query, verdict, estimate = plan.queries[index], plan.verdicts[index], plan.estimates[index]
    notes = (f"{f.rule}: {f.message}" for f in verdict.findings if f.severity != "deny")
    return QueryFacts(
        id=query.id,
        sql=verdict.sql,
        sql_digest=verdict.digest,
        tables=versions(verdict.facts.tables, catalog),
        columns=verdict.facts.columns,
        bytes=estimate.bytes,
        accuracy=estimate.accuracy,
        usd=estimate.usd,
        notes=tuple(notes),
    )


def _approvers(tier: Tier, policy: Policy, *, asks: bool) -> Approvers:
    """Turn the policy's tier into who may decide; what the gate wants seen is never approved by itself."""
    if tier.tier == 0 and asks:
        tier = Tier(tier=1, always=True)
    return Approvers(
        tier=tier.tier,
        needed=tier.approvers,
        allowed=tuple(policy.approvals.roles.get(tier.role, ())) if tier.role else (),
        role=tier.role or "",
        exclude_requester=tier.tier >= 2,
        require_code=tier.require_code,
    )


def changes(old: ApprovalRequest, new: Mapping[str, QueryFacts]) -> tuple[str, ...]:
    """Return one line for each approved fact that is another one now."""
    lines: list[str] = []
    for query in old.queries:
        fresh = new.get(query.id)
        if fresh is None:
            lines.append(f"{query.id}: gone")
            continue
        lines += _differences(query, fresh)
    return tuple(lines)


def _differences(old: QueryFacts, new: QueryFacts) -> list[str]:
    lines = [f"{old.id}: schema of {table.table} changed" for table in old.tables if table not in new.tables]
    if old.sql != new.sql:
        diff = difflib.unified_diff(old.sql.splitlines(), new.sql.splitlines(), "approved", "now", lineterm="", n=1)
        lines.append(f"{old.id}: SQL\n" + "\n".join(diff))
    if new.bytes > old.bytes:
        lines.append(f"{old.id}: reads {new.bytes:,} bytes instead of {old.bytes:,}")
    if set(old.columns) != set(new.columns):
        added = sorted(set(new.columns) - set(old.columns))
        lines.append(f"{old.id}: reads other columns ({', '.join(added[:5]) or 'fewer'})")
    return lines
