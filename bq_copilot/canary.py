"""Canaries: requests that are wrong on purpose and look like any other, to see whether approvers read.

Decides which runs get one (from the run's id and the policy's seed, nothing else) and what it shows: the person's
question above a query that plainly answers another one. It is a request only: no estimate, no dry run, no job is
made for it, and the transitions lead from its decision back to the real request, never to execution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from bq_copilot import requests
from bq_copilot.approval import ApprovalRequest
from bq_copilot.catalog import Catalog, Table
from bq_copilot.gate.verdict import Verdict
from bq_copilot.identity import short_hash
from bq_copilot.policy import Policy
from bq_copilot.state import RunState
from bq_copilot.values import Estimate, Query

FIRST = 0
"""The revision in a canary's request id; those of plans begin with 1."""


def is_due(run_id: str, policy: Policy) -> bool:
    """Say whether this run gets a canary: the same answer for the same run, seed and rate."""
    drawn = hashlib.sha256(f"canary\x1f{policy.approvals.canary_seed}\x1f{run_id}".encode()).digest()
    return int.from_bytes(drawn[:6], "big") / 2**48 < policy.approvals.canary_rate


def instead_of(
    real: ApprovalRequest, state: RunState, catalog: Catalog, policy: Policy, rule: Callable[[str], Verdict]
) -> ApprovalRequest | None:
    """Return the canary to show before `real`, None when there is none to show.

    A run has at most one, before its first request, and none where no person would be asked.
    """
    plan = state.plan
    asked_before = any(p.request is not None or p.canary is not None for p in state.earlier)
    if plan is None or plan.canary is not None or asked_before or real.approvers.tier == 0:
        return None
    if not is_due(state.run_id, policy):
        return None
    read = {t.table for q in real.queries for t in q.tables}
    for table in _shuffled(state.run_id, (t for t in catalog.tables if t.id not in read)):
        made = _wrong(real, table, catalog, policy, rule)
        if made is not None:
            return made
    return None


def _shuffled(run_id: str, tables: Iterable[Table]) -> list[Table]:
    return sorted(tables, key=lambda t: short_hash("canary", run_id, t.id))


def _wrong(
    real: ApprovalRequest, table: Table, catalog: Catalog, policy: Policy, rule: Callable[[str], Verdict]
) -> ApprovalRequest | None:
    """Return a request that counts the rows of a table which the question is not about."""
    column = next((c.name for c in table.columns if _is_plain(table, c.name, policy)), None)
    if column is None or table.kind != "table" or table.partition_by is not None:
        return None
    sql = f"SELECT `{column}`, COUNT(*) AS row_count FROM `{table.id}` GROUP BY `{column}` ORDER BY row_count DESC"  # noqa: S608 - never sent; names come from the catalog and pass the gate
    verdict = rule(sql)
    if verdict.ruling != "allow":
        return None
    first = real.queries[0]
    query = Query(id=first.id, purpose="", sql=sql)
    estimate = _guess(query.id, table)
    facts = requests.facts(query, verdict, estimate, catalog, policy, first.destination)
    return real.model_copy(
        update={
            "request_id": f"{real.run_id}.{FIRST}",
            "queries": (facts,),
            "total_bytes": facts.bytes,
            "total_usd": facts.usd,
            "nonce": short_hash("canary", real.nonce, length=26),
            "canary": True,
        }
    )


def _is_plain(table: Table, column: str, policy: Policy) -> bool:
    leaf = next((one for one in table.leaves if one.path == column), None)
    plain_types = {"STRING", "INT64", "DATE", "BOOL"}
    if leaf is None or leaf.repeated_in is not None or leaf.type not in plain_types:
        return False
    return not policy.meaning(leaf.tags)


def _guess(query: str, table: Table) -> Estimate:
    """Return a plausible size from the catalog; nothing is dry-run for a canary."""
    read = (table.rows or 100_000) * 12
    return Estimate(
        query=query,
        statement_type="SELECT",
        bytes=read,
        accuracy="PRECISE",
        tables=(table.id,),
        columns=(),
        usd=0.0,
    )
