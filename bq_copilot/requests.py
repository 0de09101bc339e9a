"""How an approval request is made from facts: what would be sent, read, billed, and who may allow it.

Decides what stands in a request. It reads no clock and asks no warehouse: the caller brings the time, the
estimates, and where the results would go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bq_copilot import approval, identity
from bq_copilot.approval import ApprovalRequest, Approvers, QueryFacts
from bq_copilot.catalog import Catalog
from bq_copilot.gate.verdict import Verdict
from bq_copilot.policy import Policy, Tier
from bq_copilot.state import Plan, RunState
from bq_copilot.values import Estimate, Query, TableVersion

MIB = 2**20
MINIMUM_BILLED = 10 * MIB
"""Bytes that BigQuery bills at least for a query that reads a table (pricing page, on-demand analysis)."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a run's jobs run: the scratch dataset that gets results, and the account."""

    scratch: str = ""
    runs_as: str = ""

    def destination(self, run: str, query: str, revision: int) -> str:
        """Return the result table of this query without its attempt; empty when nothing is known."""
        table = identity.result_table(run, query, revision, 0).removesuffix("_a0")
        return f"{self.scratch}.{table}" if self.scratch else ""


NOWHERE = Site()


def versions(tables: tuple[str, ...], catalog: Catalog) -> tuple[TableVersion, ...]:
    """Return each table with the fingerprint of its schema in `catalog`."""
    return tuple(TableVersion(table=t, fingerprint=_schema_of(t, catalog)) for t in sorted(tables))


def _schema_of(table_id: str, catalog: Catalog) -> str:
    table = catalog.table(table_id)
    if table is not None:
        return Catalog(tables=(table,)).fingerprint
    members = catalog.members(table_id)
    return Catalog(tables=members).fingerprint if members else "unknown"


def build(
    state: RunState, plan: Plan, catalog: Catalog, policy: Policy, now: datetime, site: Site = NOWHERE
) -> ApprovalRequest:
    """Return the request for this plan revision, made at `now` (the database's clock)."""
    assert state.pinned is not None
    queries = tuple(facts_of(plan, i, catalog, policy, state.run_id, site) for i in range(len(plan.queries)))
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
        approvers=approvers_for(queries, plan.verdicts, policy, _floor(state)),
        created_at=created,
        expires_at=created + timedelta(seconds=policy.approvals.expire_after_seconds),
        nonce=identity.short_hash("nonce", state.run_id, str(plan.revision), state.hash, length=26),
        runs_as=site.runs_as,
        currency=policy.currency,
    )


def billed(bytes_read: int) -> int:
    """Return what BigQuery bills for a query that reads this much."""
    return max(bytes_read, MINIMUM_BILLED) if bytes_read else 0


def most_billed(bytes_read: int, tables: int) -> int:
    """Return what a job that reads this much may bill at most: whole MiB, and the minimum charge for each table.

    How the bytes are spread is not known: at worst one table holds all of them and every other one costs its minimum.
    """
    whole = -(-bytes_read // MIB) * MIB
    return max(whole, MINIMUM_BILLED) + MINIMUM_BILLED * max(0, tables - 1)


def facts_of(plan: Plan, index: int, catalog: Catalog, policy: Policy, run_id: str, site: Site = NOWHERE) -> QueryFacts:
    """Return the facts of the plan's query at `index`, with the schemas of `catalog`."""
    query = plan.queries[index]
    destination = site.destination(run_id, query.id, plan.revision)
    return facts(query, plan.verdicts[index], plan.estimates[index], catalog, policy, destination)


def facts(
    query: Query, verdict: Verdict, estimate: Estimate, catalog: Catalog, policy: Policy, destination: str
) -> QueryFacts:
    """Return the facts of one judged and priced query."""
    notes = (f"{f.rule}: {f.message}" for f in verdict.findings if f.severity != "deny")
    return QueryFacts(
        id=query.id,
        sql=verdict.sql,
        sql_digest=verdict.digest,
        tables=versions(verdict.facts.tables, catalog),
        columns=verdict.facts.columns,
        bytes=estimate.bytes,
        accuracy=estimate.accuracy,
        usd=round(policy.price(billed(estimate.bytes)), 6),
        notes=tuple(notes),
        destination=destination,
        maximum_bytes_billed=most_billed(estimate.bytes, len(verdict.facts.tables)),
        tagged=verdict.facts.tagged_read,
        tagged_in_output=verdict.facts.tagged_in_output,
        time_dependent=verdict.facts.time_dependent,
    )


def approvers_for(
    queries: tuple[QueryFacts, ...], verdicts: tuple[Verdict, ...], policy: Policy, floor: Approvers | None = None
) -> Approvers:
    """Return who may decide about these queries; never less strict than `floor`."""
    total = sum(billed(q.bytes) for q in queries)
    datasets = {t.table.rsplit(".", 1)[0] for q in queries for t in q.tables}
    tier = policy.approvals.tier_for(total, datasets)
    asks = floor is not None or any(v.ruling == "ask" for v in verdicts)
    if tier.tier == 0 and (asks or any(q.tagged for q in queries)):
        tier = Tier(tier=1, always=True)
    return _at_least(_approvers(tier, policy), floor)


def _approvers(tier: Tier, policy: Policy) -> Approvers:
    rules = policy.approvals
    people = (approval.Person(name=n, aliases=p.aliases, key=p.key) for n, p in sorted(rules.people.items()))
    return Approvers(
        tier=tier.tier,
        needed=tier.approvers,
        allowed=tuple(rules.roles.get(tier.role, ())) if tier.role else (),
        role=tier.role or "",
        exclude_requester=tier.tier >= 2,
        require_code=tier.require_code,
        people=tuple(people),
        trust_form=rules.trust_form,
        trust_local_user=rules.trust_local_user,
        trust_proxy=rules.proxy is not None,
        delegation=rules.delegation,
        escalate_to=rules.escalate_to,
        escalate_after_seconds=rules.escalate_after_seconds if rules.escalate_to else 0,
    )


def _floor(state: RunState) -> Approvers | None:
    """A request that replaces a voided one is never easier to approve than that one was."""
    before = next((p for p in reversed(state.earlier) if p.request is not None), None)
    same_call = before is not None and state.plan is not None and before.turn == state.plan.turn
    return before.request.approvers if before and before.request and before.voided and same_call else None


def _at_least(rule: Approvers, floor: Approvers | None) -> Approvers:
    """Return `rule`, made as strict as `floor` in tier, number, role, and code."""
    if floor is None:
        return rule
    stricter = floor if floor.tier > rule.tier else rule
    return rule.model_copy(
        update={
            "tier": stricter.tier,
            "needed": max(rule.needed, floor.needed),
            "allowed": stricter.allowed,
            "role": stricter.role,
            "exclude_requester": rule.exclude_requester or floor.exclude_requester,
            "require_code": rule.require_code or floor.require_code,
        }
    )


def is_stricter(now: Approvers, before: Approvers) -> bool:
    """Say whether somebody who could approve under `before` could not under `now`."""
    raised = now.tier > before.tier or now.needed > before.needed
    guarded = now.exclude_requester > before.exclude_requester or now.require_code > before.require_code
    fewer = bool(now.allowed) and (not before.allowed or not set(before.allowed) <= set(now.allowed))
    return raised or guarded or fewer
