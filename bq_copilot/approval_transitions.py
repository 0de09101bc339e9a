"""How the events of an approval change the state of a run, and which of them are legal when.

The part of `transitions` between a priced plan and its jobs; pure like the rest. Only `decided` leads to the
executing phase, only for a real request, and only once.
"""

from __future__ import annotations

from dataclasses import replace

from bq_copilot import events as ev
from bq_copilot.approval import Decision
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.phases import Phase
from bq_copilot.state import Plan, RunState


def requested(state: RunState, rec: Recorded, e: ev.ApprovalRequested) -> RunState:
    """A request waits for a decision."""
    plan = state.plan
    judged = plan is not None and plan.revision == e.request.revision and state.phase is Phase.RULING
    need(judged, state, e.kind, f"revision {e.request.revision} is not being judged")
    assert plan is not None
    need(bool(plan.estimates) and plan.request is None, state, e.kind, "there is nothing to ask")
    asked = replace(plan, request=e.request, digest=e.digest, requested_at=rec.at)
    return replace(state, plan=asked, phase=Phase.AWAITING_APPROVAL)


def decided(state: RunState, rec: Recorded, e: ev.ApprovalDecided) -> RunState:
    """One decision: recorded, counted, and the last one that is needed opens the way."""
    plan, d = state.plan, e.decision
    waits = state.phase is Phase.AWAITING_APPROVAL and plan is not None and plan.request is not None
    need(waits, state, e.kind, "no approval is waited for")
    assert plan is not None and plan.request is not None
    need(plan.decided is None, state, e.kind, "it was decided before")
    same = d.request_id == plan.request.request_id and d.digest == plan.digest
    need(same, state, e.kind, "the decision is about another request")
    expiry = plan.request.expires_at
    need(rec.at <= expiry, state, e.kind, f"it expired at {expiry:%Y-%m-%d %H:%M} UTC")
    proven = d.valid_until is None or rec.at <= d.valid_until
    need(proven, state, e.kind, "the proof of identity has expired")
    if d.verdict == "delegate":
        delegates, delegations = (*plan.delegates, d.delegate_to), (*plan.delegations, d)
        return replace(state, plan=replace(plan, delegates=delegates, delegations=delegations))
    if plan.request.canary:
        return _canary_decided(state, plan, rec, d)
    if d.verdict != "approve":
        return replace(state, plan=replace(plan, decided=d, decided_at=rec.at))
    need(d.by not in {a.by for a in plan.approvals}, state, e.kind, f"{d.by} has approved it before")
    approvals = (*plan.approvals, d)
    if len(approvals) < plan.request.approvers.needed:
        return replace(state, plan=replace(plan, approvals=approvals))
    done = replace(plan, approvals=approvals, decided=d, decided_at=rec.at)
    return replace(state, plan=done, phase=Phase.EXECUTING)


def _canary_decided(state: RunState, plan: Plan, rec: Recorded, d: Decision) -> RunState:
    """Whatever was decided about a canary, its request is gone: the run goes back to asking for the real one."""
    gone = replace(plan, request=None, digest="", requested_at=None, delegates=(), delegations=(), refused=None)
    return replace(state, plan=replace(gone, canary=d, canary_at=rec.at), phase=Phase.RULING)


def refused(state: RunState, rec: Recorded, e: ev.DecisionRefused) -> RunState:
    """A refused attempt changes nothing but what the next card says about it."""
    plan = state.plan
    if plan is None or plan.request is None or plan.request.request_id != e.decision.request_id:
        return state
    return replace(state, plan=replace(plan, refused=e))


def voided(state: RunState, rec: Recorded, e: ev.ApprovalVoided) -> RunState:
    """The approval does not hold any more; what drifted is pinned anew."""
    plan = _approved(state, e.kind, e.request_id)
    gone = replace(plan, voided=e.reason, void_changes=e.changes)
    return replace(state, plan=gone, pinned=_pinned_anew(state, e), phase=Phase.RULING)


def _pinned_anew(state: RunState, e: ev.ApprovalVoided) -> ev.RunPinned | None:
    """What drifted is what the next request is made of, else it would drift again."""
    pinned, fresh = state.pinned, dict[str, object]()
    if e.policy is not None:
        fresh |= {"policy": e.policy, "policy_fingerprint": e.policy_fingerprint}
    if e.catalog is not None:
        fresh |= {"catalog": e.catalog, "schema_fingerprint": e.schema_fingerprint}
    return pinned.model_copy(update=fresh) if pinned and fresh else pinned


def consumed(state: RunState, rec: Recorded, e: ev.ApprovalConsumed) -> RunState:
    """The approval is used; its jobs may be intended."""
    plan = _approved(state, e.kind, e.request_id)
    need(e.digest == plan.digest, state, e.kind, "the digest is another one")
    real = plan.request is not None and not plan.request.canary
    need(real, state, e.kind, "nothing runs on a canary")
    return replace(state, plan=replace(plan, consumed=True, consumed_at=rec.at))


def _approved(state: RunState, kind: str, request_id: str) -> Plan:
    plan = state.plan
    ok = state.phase is Phase.EXECUTING and plan is not None and plan.request is not None
    need(ok, state, kind, "nothing is approved")
    assert plan is not None and plan.request is not None
    need(plan.request.request_id == request_id, state, kind, "that is another request")
    need(not plan.consumed and not plan.voided, state, kind, "the approval was used or voided before")
    return plan
