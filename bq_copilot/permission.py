"""Who may decide about a request, and whether those who did were allowed to.

Decides by the request alone: it carries the policy's tier, roles, people and keys as they were when it was made,
so that the same question has the same answer years later. Never asks who somebody is: that is `identities`.
"""

from __future__ import annotations

from datetime import datetime

from bq_copilot import codes
from bq_copilot.approval import ApprovalRequest, Approvers, Decision, Person, escalates_at
from bq_copilot.errors import Damaged, Refused
from bq_copilot.identities import OF_PEOPLE, How
from bq_copilot.spelling import plain
from bq_copilot.state import Plan


def person(rule: Approvers, name: str) -> Person | None:
    """Return the listed person whom this spelling names."""
    wanted = plain(name)
    known = (p for p in rule.people if wanted in {plain(p.name), *map(plain, p.aliases)})
    return next(known, None)


def name_of(rule: Approvers, name: str) -> str:
    """Return the one name under which this person is recorded."""
    known = person(rule, name)
    return known.name if known else " ".join(name.split())


def same(rule: Approvers, one: str, other: str) -> bool:
    """Say whether two spellings name one person."""
    return plain(name_of(rule, one)) == plain(name_of(rule, other))


def is_among(rule: Approvers, name: str, names: tuple[str, ...]) -> bool:
    """Say whether this person is one of `names`."""
    return any(same(rule, name, other) for other in names)


def deciders(plan: Plan, now: datetime) -> tuple[str, ...]:
    """Return who may decide now, by name; empty for anybody whom the tier allows."""
    request = _request(plan)
    rule, at = request.approvers, escalates_at(request)
    if not rule.allowed:
        return ()
    later = rule.escalate_to if at is not None and now >= at else ()
    names = dict.fromkeys((*rule.allowed, *(d.delegate_to for d in plan.delegations), *later))
    return tuple(n for n in names if not is_among(rule, n, _away(plan)))


def check(plan: Plan, decision: Decision, now: datetime) -> Decision:
    """Return the decision as it is recorded: one name for the person, the key of their code.

    Raises Refused with the reason why this person may not decide this now.
    """
    request = _request(plan)
    _check_identity(request, decision, now)
    if decision.identity == How.CODE:
        signer = person(request.approvers, decision.by)
        claim = codes.check(request, decision, signer, now)
        assert signer is not None
        decision = decision.model_copy(update={"key": codes.fingerprint(signer.key), "valid_until": claim.expires_at})
    decision = decision.model_copy(update={"by": name_of(request.approvers, decision.by)})
    _check_person(plan, decision.by, now)
    if request.approvers.require_code and decision.identity != How.CODE:
        raise Refused(
            f"Tier {request.approvers.tier} asks for an approval code.",
            code="code_required",
            next=f"Make one with `bq-copilot sign {request.request_id}`.",
        )
    return _delegation(plan, decision) if decision.verdict == "delegate" else decision


def _check_identity(request: ApprovalRequest, decision: Decision, now: datetime) -> None:
    rule, how = request.approvers, decision.identity
    if how == How.CODE and not decision.by:
        raise Refused("That is not an approval code.", code="code_invalid")
    if not plain(decision.by) or how not in OF_PEOPLE:
        raise Refused("A decision needs a name that was established.", code="no_identity")
    if how == How.FORM and (rule.tier > 1 or not (request.sandbox or rule.trust_form)):
        raise Refused(
            "The form does not say who filled it.",
            code="form_unverified",
            next=f"Put a code from `bq-copilot sign {request.request_id}` into its field approval_code.",
        )
    if how == How.FORM and decision.verdict == "delegate":
        raise Refused("Nobody knows who delegates.", code="form_unverified", next="Use `bq-copilot approve`.")
    trusted = request.sandbox or rule.trust_local_user
    if (how == How.LOCAL_USER and not trusted) or (how == How.PROXY and not rule.trust_proxy):
        raise Refused(
            f"The policy does not take the word of {how} outside the sandbox.",
            code="identity_not_trusted",
            next=f"Use a code from `bq-copilot sign {request.request_id}`, or let the policy trust it.",
        )
    if how == How.PROXY and (decision.valid_until is None or now > decision.valid_until):
        raise Refused("The proxy's assertion has expired.", code="assertion_expired", next="Sign in again.")


def _check_person(plan: Plan, by: str, now: datetime) -> None:
    request = _request(plan)
    rule = request.approvers
    if rule.exclude_requester and same(rule, by, request.requester):
        raise Refused(
            f"Tier {rule.tier}: {by} asked the question and may not approve it.",
            code="own_request",
            next="Somebody else must decide" + (f": {', '.join(rule.allowed)}." if rule.allowed else "."),
        )
    if is_among(rule, by, tuple(a.by for a in plan.approvals)):
        raise Refused(f"{by} has approved it before; somebody else must.", code="approved_before")
    if is_among(rule, by, _away(plan)):
        raise Refused(f"{by} gave this decision to somebody else.", code="delegated_away")
    names = deciders(plan, now)
    if (rule.allowed or rule.role) and not is_among(rule, by, names):
        raise Refused(
            f"{by} may not decide; role {rule.role or 'approver'} may: {', '.join(names) or 'nobody'}.",
            code="not_allowed",
            next="Ask one of them, or ask them to delegate it to you.",
        )


def _delegation(plan: Plan, decision: Decision) -> Decision:
    """A delegation hands over one vote; it can neither make a second one nor give it to the requester."""
    request = _request(plan)
    rule, to = request.approvers, decision.delegate_to
    if not rule.delegation:
        raise Refused("The policy allows no delegation.", code="delegation_off")
    if not plain(to):
        raise Refused("A delegation names the person it goes to.", code="no_delegate")
    if rule.exclude_requester and same(rule, to, request.requester):
        raise Refused(f"{to} asked the question and may not approve it.", code="delegate_requester")
    if rule.people and person(rule, to) is None:
        raise Refused(f"The policy lists no {to}.", code="delegate_unknown", next="Name a listed person.")
    if same(rule, to, decision.by) or is_among(rule, to, _away(plan)):
        raise Refused(f"It would come back to {to}.", code="delegate_cycle", next="Name somebody else.")
    holders = (*rule.allowed, *(d.delegate_to for d in plan.delegations), *(a.by for a in plan.approvals))
    if is_among(rule, to, holders):
        raise Refused(f"{to} may decide already.", code="delegate_already", next="Ask them.")
    return decision.model_copy(update={"delegate_to": name_of(rule, to)})


def recheck(plan: Plan) -> None:
    """Check again, from the receipts alone, that the recorded approvals were allowed and are enough.

    Raises Damaged: whoever recorded them went past the rules, and nothing may run on them.
    """
    request = _request(plan)
    rule = request.approvers
    if rule.tier == 0:
        if [a.identity for a in plan.approvals] != [How.POLICY]:
            raise _damaged(plan, "tier 0 is approved by the policy alone")
        return
    if plan.claim is not None:
        from bq_copilot import grants  # noqa: PLC0415 - it asks this module who may give one

        grants.recheck(plan, plan.claim.grant)
        return
    names = {plain(name_of(rule, a.by)) for a in plan.approvals}
    if len(names) < max(1, rule.needed):
        raise _damaged(plan, f"it has {len(names)} of {rule.needed} approvals")
    for approval in plan.approvals:
        _recheck_one(plan, approval)


def _recheck_one(plan: Plan, approval: Decision) -> None:
    request = _request(plan)
    rule, by = request.approvers, approval.by
    if approval.identity not in OF_PEOPLE or not plain(by):
        raise _damaged(plan, "nobody knows who approved it")
    if rule.exclude_requester and same(rule, by, request.requester):
        raise _damaged(plan, f"{by} approved their own question")
    holders = (*rule.allowed, *rule.escalate_to, *(d.delegate_to for d in plan.delegations))
    if (rule.allowed or rule.role) and not is_among(rule, by, holders):
        raise _damaged(plan, f"{by} was not allowed to approve it")
    if rule.require_code or approval.identity == How.CODE:
        try:
            codes.check(request, approval, person(rule, by), None)
        except Refused as error:
            raise _damaged(plan, f"the code of {by} does not verify: {error}") from error


def withdrawn(plan: Plan, now: Approvers) -> tuple[str, ...]:
    """Return one line for each approval whose proof today's policy does not take any more."""
    sandbox = _request(plan).sandbox
    trusted = {
        How.FORM: sandbox or now.trust_form,
        How.LOCAL_USER: sandbox or now.trust_local_user,
        How.PROXY: now.trust_proxy,
    }
    lines: list[str] = []
    for approval in plan.approvals:
        signer = person(now, approval.by)
        key = codes.fingerprint(signer.key) if signer and signer.key else ""
        if approval.identity == How.CODE and approval.key != key:
            lines.append(f"policy: the key that {approval.by} signed with is not in it any more")
        elif not trusted.get(How(approval.identity), True):
            lines.append(f"policy: it does not take the word of {approval.identity} any more")
    return tuple(lines)


def _damaged(plan: Plan, why: str) -> Damaged:
    return Damaged(
        f"approval {_request(plan).request_id} does not hold: {why}",
        next="Nothing was executed. Compare the ledger with its last backup.",
    )


def _away(plan: Plan) -> tuple[str, ...]:
    return tuple(d.by for d in plan.delegations)


def _request(plan: Plan) -> ApprovalRequest:
    assert plan.request is not None
    return plan.request
