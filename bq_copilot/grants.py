"""Whether a request is inside a standing grant, and whether who gave the grant was allowed to.

Decides by comparing the whole request of this run with the request that the grant was given on: SQL, tables with their
schemas, columns, tags, policy, account; sizes against the grant's own ceiling. Anything else asks a person again,
and says why. That the sum of all uses stays below the total is decided where a use is recorded.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bq_copilot import drift, permission
from bq_copilot.approval import ApprovalRequest, Decision, QueryFacts
from bq_copilot.errors import Damaged, Refused
from bq_copilot.follow_up_events import FollowUpRequested
from bq_copilot.grant_terms import Grant, GrantTerms, digest_of_terms
from bq_copilot.identities import How
from bq_copilot.requests import MINIMUM_BILLED
from bq_copilot.state import Plan, RunState


def offer(state: RunState, series: str, asked: FollowUpRequested) -> GrantTerms | None:
    """Return the grant that may be given with a follow-up; None where one person's word was not enough."""
    plan = state.plan
    if plan is None or plan.request is None or not plan.consumed:
        return None
    basis = plan.request
    if basis.approvers.tier == 0 or basis.approvers.needed > 1:
        return None
    per_run = max(MINIMUM_BILLED, reserve(basis))
    terms = {"series": series, "basis": basis, "rhythm": asked.rhythm, "percent": asked.percent, "until": asked.until}
    return GrantTerms.model_validate({**terms, "bytes_per_run": per_run, "bytes_total": TIMES * per_run})


TIMES = 30
"""How many runs' worth of bytes a grant is offered with; who gives it may change both ceilings."""


def plan_for(terms: GrantTerms, plan: Plan, at: datetime) -> Plan:
    """Return the terms in the shape of an open request, so that the rules for approvers decide about them."""
    changed = {"request_id": terms.series, "created_at": at, "expires_at": terms.until}
    request = terms.basis.model_copy(update=changed)
    return replace(plan, request=request, digest=digest_of_terms(terms), approvals=(), delegations=(), claim=None)


def give(state: RunState, terms: GrantTerms, decision: Decision, now: datetime) -> Grant:
    """Return the grant if this person may give it. Raises Refused, as an approval does."""
    assert state.plan is not None
    if now > terms.until:
        raise Refused("The grant would have ended already.", code="grant_ended", next="Give a later end.")
    recorded = permission.check(plan_for(terms, state.plan, now), decision, now)
    return Grant(terms=terms, digest=digest_of_terms(terms), decision=recorded)


def outside(terms: GrantTerms, request: ApprovalRequest) -> tuple[str, ...]:
    """Return one line for each way in which the request is not what was granted; empty when it is inside."""
    lines = list(drift.changes(_allowing(terms.basis, request), _facts(request), request.approvers, request.runs_as))
    known = {q.id for q in terms.basis.queries}
    lines += [f"{q.id}: was not part of it" for q in request.queries if q.id not in known]
    if request.policy_fingerprint != terms.basis.policy_fingerprint:
        lines.append("policy: it is another one than when the grant was given")
    if request.warehouse != terms.basis.warehouse:
        lines.append(f"it would run on {request.warehouse} instead of {terms.basis.warehouse}")
    most = reserve(request)
    if most > terms.bytes_per_run:
        lines.append(f"it may bill {most:,} bytes; the grant allows {terms.bytes_per_run:,} a run")
    return tuple(lines)


def reserve(request: ApprovalRequest) -> int:
    """Return the most that the request's jobs can bill."""
    return sum(q.maximum_bytes_billed for q in request.queries)


def _facts(request: ApprovalRequest) -> dict[str, QueryFacts]:
    return {q.id: q for q in request.queries}


def _allowing(basis: ApprovalRequest, request: ApprovalRequest) -> ApprovalRequest:
    """Return the basis with what the grant leaves open taken from the request: sizes, and each run's own tables."""
    fresh = _facts(request)
    queries = tuple(
        q.model_copy(update={"bytes": fresh[q.id].bytes, "usd": fresh[q.id].usd, "destination": ""})
        if q.id in fresh
        else q
        for q in basis.queries
    )
    return basis.model_copy(update={"queries": queries})


def recheck(plan: Plan, grant: Grant) -> None:
    """Check again, from the receipts alone, that the approval rests on this grant. Raises Damaged."""
    assert plan.request is not None
    if [(a.identity, a.key) for a in plan.approvals] != [(How.GRANT, grant.digest)]:
        raise _damaged(grant, "the approval names another one")
    if digest_of_terms(grant.terms) != grant.digest or grant.decision.digest != grant.digest:
        raise _damaged(grant, "its digest does not name its terms")
    if lines := outside(grant.terms, plan.request):
        raise _damaged(grant, f"the request is outside of it: {'; '.join(lines[:3])}")
    given = plan_for(grant.terms, plan, plan.request.created_at)
    permission.recheck(replace(given, approvals=(grant.decision,)))


def _damaged(grant: Grant, why: str) -> Damaged:
    return Damaged(
        f"the standing grant of {grant.terms.series} does not hold: {why}",
        next="Nothing was executed. Compare the ledger with its last backup.",
    )
