"""Who may decide: tiers, other spellings, roles, quorum, delegation, escalation, expiry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot.errors import Conflict, Refused
from bq_copilot.identities import FORM_USER, How, Identity
from bq_copilot.phases import Phase
from bq_copilot.policy import Policy
from bq_copilot.spelling import plain
from bq_copilot.standing import standing
from tests.approvals.stage import OWNERS, TIER_2, TIER_3, Stage, local, policy

TIER_3_OPEN = {**TIER_3, "require_code": False}


def refusal(stage: Stage, who: str | Identity, verdict: str = "approve", **more: Any) -> str:
    """Return the code with which this decision is refused."""
    with pytest.raises(Refused) as refused:
        stage.decide(who, verdict, **more)
    assert stage.refusals()[-1].failure.code == refused.value.code
    return refused.value.code


def test_tier_1_may_be_approved_by_the_requester():
    """One person is enough, the requester included."""
    assert Stage().decide("ana").phase is Phase.EXECUTING


def test_tier_2_may_not_be_approved_by_the_requester():
    """Above tier 1 somebody else must look."""
    stage = Stage(policy(TIER_2))
    assert refusal(stage, "ana") == "own_request"
    assert stage.decide("ben").phase is Phase.EXECUTING


@pytest.mark.parametrize(
    "spelling",
    [
        "ALOPEZ",
        "Ana.Lopez@Example.COM",
        "\uff21\uff2e\uff21",
        "a\u200bna",
        " ana ",
        "ana\u00ad",
        "\U0001d41a\U0001d427\U0001d41a",
    ],
)
def test_the_requester_is_recognised_under_another_spelling(spelling: str):
    """Case, width, invisible characters and listed aliases do not make two people of one."""
    stage = Stage(policy(TIER_2, proxy=PROXY))
    assert refusal(stage, stage.proxied(spelling)) == "own_request"


def test_the_requester_who_asked_under_an_alias_is_recognised():
    """Asking under one name and approving under the other is still approving one's own question."""
    stage = Stage(policy(TIER_2), requester="ana.lopez@example.com")
    assert refusal(stage, "ana") == "own_request"


@given(st.sampled_from(["ana", "ALopez", "ana.lopez@example.com"]), st.data())
def test_no_mix_of_case_and_invisible_characters_makes_a_new_person(name: str, data: st.DataObject):
    """Any sprinkling of invisible characters and case changes compares equal to the plain name."""
    invisible = st.sampled_from(["", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e"])
    spelled = "".join(data.draw(st.sampled_from([c.upper(), c.lower()])) + data.draw(invisible) for c in name)
    assert plain(spelled) == plain(name)


PROXY = {"issuer": "i", "audience": "a", "keys": {}}


def test_nobody_without_a_name_decides():
    """A decision whose identity was not established is refused."""
    stage = Stage()
    assert refusal(stage, Identity("", How.LOCAL_USER)) == "no_identity"
    assert refusal(stage, Identity("\u200b", How.LOCAL_USER)) == "no_identity"


@pytest.mark.parametrize("claimed", ["unverified", "policy", "", "root"])
def test_a_name_without_proof_is_no_identity(claimed: str):
    """`unverified`, the policy's own mark, and invented ones do not pass."""
    stage = Stage(sandbox=True)
    decision = stage.decision(local("ben")).model_copy(update={"identity": claimed})
    with pytest.raises(Refused, match="name that was established"):
        from bq_copilot import deciding

        deciding.decide(stage.journal, decision)


def test_the_local_user_is_believed_in_the_sandbox_only():
    """Outside the sandbox the policy must say that it trusts the machine's user."""
    assert Stage(sandbox=True).decide(local("ana")).phase is Phase.EXECUTING
    assert refusal(Stage(), local("ana")) == "identity_not_trusted"
    assert Stage(policy(trust_local_user=True)).decide(local("ana")).phase is Phase.EXECUTING


def test_the_proxy_is_believed_where_the_policy_names_one():
    """Without a proxy in the policy its word counts for nothing."""
    stage = Stage()
    assert refusal(stage, stage.proxied("ben")) == "identity_not_trusted"
    trusted = Stage(policy(proxy=PROXY))
    assert trusted.decide(trusted.proxied("ben")).plan.decided.identity == "proxy"  # type: ignore[union-attr]


def test_the_proxys_word_ends():
    """An assertion that has expired by the database's clock decides nothing."""
    stage = Stage(policy(proxy=PROXY))
    identity = stage.proxied("ben")
    stage.ledger.advance(301)  # type: ignore[attr-defined]
    assert refusal(stage, identity) == "assertion_expired"


def test_the_form_names_nobody():
    """Whoever fills the form in the sandbox is recorded as an unverified form user, not as the requester."""
    decided = Stage(sandbox=True).decide(FORM_USER).plan.decided  # type: ignore[union-attr]
    assert decided is not None
    assert (decided.by, decided.identity) == ("unverified form user", "form")


def test_the_form_decides_tier_1_outside_the_sandbox_only_by_policy():
    """`trust_form` opens tier 1 and nothing above it."""
    assert refusal(Stage(), FORM_USER) == "form_unverified"
    assert Stage(policy(trust_form=True)).decide(FORM_USER).phase is Phase.EXECUTING
    assert refusal(Stage(policy(TIER_2, trust_form=True)), FORM_USER) == "form_unverified"


def test_the_form_never_decides_above_tier_1():
    """Not even in the sandbox."""
    assert refusal(Stage(policy(TIER_2), sandbox=True), FORM_USER) == "form_unverified"


def test_a_role_is_closed_to_others():
    """Only members of the named role decide."""
    stage = Stage(policy(TIER_3_OPEN, roles=OWNERS))
    assert refusal(stage, "dora") == "not_allowed"


def test_a_policy_with_an_empty_role_is_refused():
    """A tier that nobody could approve is a mistake of the policy, not an open door."""
    with pytest.raises(ValueError, match="owners"):
        policy(TIER_3_OPEN)


def test_a_role_without_members_lets_nobody_decide():
    """Should such a request exist all the same, it is closed to everybody."""
    stage = Stage()
    rule = stage.request.approvers.model_copy(update={"role": "owners", "allowed": ()})
    made = stage.built().model_copy(update={"approvers": rule})
    stage.decide("ana", "edit", sql=(("q1", "SELECT 1"),))
    stage.reload().propose(by="ana")
    stage.ask(made.model_copy(update={"revision": 2}))
    assert refusal(stage, "ben") == "not_allowed"


def test_two_people_are_two_people():
    """A tier of two needs two names; the first approval does not execute, the second does."""
    stage = Stage(policy(TIER_3, roles=OWNERS))
    assert stage.decide("ben").phase is Phase.AWAITING_APPROVAL
    assert stage.decide("cora").phase is Phase.EXECUTING


@pytest.mark.parametrize("second", ["ben", "BEN", "ben@example.com", "b\u200ben"])
def test_one_person_is_not_two(second: str):
    """Approving twice under two spellings counts once and is refused."""
    stage = Stage(policy(TIER_3_OPEN, roles=OWNERS, proxy=PROXY))
    stage.decide("ben")
    assert refusal(stage, stage.proxied(second)) == "approved_before"


def test_what_is_recorded_is_the_policys_name():
    """An alias is recorded under the one name of its person."""
    stage = Stage(policy(proxy=PROXY))
    decided = stage.decide(stage.proxied("BEN@example.com")).plan.decided  # type: ignore[union-attr]
    assert decided is not None and decided.by == "ben"


def test_a_tier_that_asks_for_a_code_takes_nothing_else():
    """The word of the proxy is not enough where policy wants a code."""
    stage = Stage(policy(TIER_3, roles=OWNERS, proxy=PROXY))
    assert refusal(stage, stage.proxied("ben")) == "code_required"


# -- delegation ------------------------------------------------------------------------------------------


def delegating(**more: Any) -> Stage:
    """Return a stage whose owners are ben and cora, with two approvals needed."""
    return Stage(policy(TIER_3, roles={"owners": ("ben", "cora")}, **more))


def test_a_delegate_may_decide():
    """Who got a decision from an owner may take it; the delegation is recorded."""
    stage = delegating()
    state = stage.decide("ben", "delegate", delegate_to="dora")
    assert [(d.by, d.delegate_to) for d in state.plan.delegations] == [("ben", "dora")]  # type: ignore[union-attr]
    assert stage.reload().decide("dora").plan.approvals[0].by == "dora"  # type: ignore[union-attr]


def test_a_delegation_moves_a_vote_and_makes_none():
    """Ben cannot approve after he gave his vote away, so two approvals still need two voters."""
    stage = delegating()
    stage.decide("ben", "delegate", delegate_to="dora")
    stage.reload().decide("dora")
    assert refusal(stage.reload(), "ben") == "delegated_away"
    assert stage.decide("cora").phase is Phase.EXECUTING


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("ana", "delegate_requester"),
        ("ALOPEZ", "delegate_requester"),
        ("cora", "delegate_already"),
        ("ben", "delegate_cycle"),
        ("BEN@example.com", "delegate_cycle"),
        ("stranger", "delegate_unknown"),
        ("", "no_delegate"),
        ("\u200b", "no_delegate"),
    ],
)
def test_a_vote_does_not_go_everywhere(to: str, code: str):
    """Not to the requester, not to a voter, not back, not to nobody, not to a stranger."""
    assert refusal(delegating(), "ben", "delegate", delegate_to=to) == code


def test_a_vote_does_not_come_back():
    """Ben to dora to ben would be a circle."""
    stage = delegating()
    stage.decide("ben", "delegate", delegate_to="dora")
    assert refusal(stage.reload(), "dora", "delegate", delegate_to="ben") == "delegate_cycle"


def test_only_a_voter_can_delegate():
    """Somebody who may not decide cannot let somebody else decide."""
    assert refusal(delegating(), "dora", "delegate", delegate_to="ben") == "not_allowed"


def test_the_requester_cannot_delegate_their_own_request():
    """Above tier 1 the requester has no vote to give."""
    stage = Stage(policy(TIER_2))
    assert refusal(stage, "ana", "delegate", delegate_to="ben") == "own_request"


def test_who_has_approved_cannot_delegate():
    """A vote is used once, for one thing."""
    stage = delegating()
    stage.decide("ben")
    assert refusal(stage.reload(), "ben", "delegate", delegate_to="dora") == "approved_before"


def test_a_policy_can_switch_delegation_off():
    """Then nobody delegates."""
    assert refusal(delegating(delegation=False), "ben", "delegate", delegate_to="dora") == "delegation_off"


# -- escalation and expiry -------------------------------------------------------------------------------


def escalating() -> Stage:
    """Return a stage whose only owner is ben, and dora after ten minutes."""
    tier = {**TIER_2, "role": "owners"}
    return Stage(policy(tier, roles={"owners": ("ben",)}, escalate_to=("dora",), escalate_after_seconds=600))


def test_escalation_lets_somebody_else_decide_later():
    """Dora may not decide at once, and may once the request is ten minutes old."""
    stage = escalating()
    assert refusal(stage, "dora") == "not_allowed"
    stage.ledger.advance(600)  # type: ignore[attr-defined]
    assert stage.decide("dora").phase is Phase.EXECUTING


def test_escalation_shows_in_where_a_request_stands():
    """What `pending` shows follows from the request and the clock; nothing is recorded for it."""
    stage = escalating()
    before = standing(stage.plan, stage.ledger.now())
    stage.ledger.advance(600)  # type: ignore[attr-defined]
    after = standing(stage.plan, stage.ledger.now())
    assert before is not None and after is not None
    assert (before.escalated, before.deciders) == (False, ("ben",))
    assert (after.escalated, after.deciders) == (True, ("ben", "dora"))


def test_escalation_does_not_open_a_request_to_its_requester():
    """Above tier 1 the requester stays out, escalated to or not."""
    tier = {**TIER_2, "role": "owners"}
    stage = Stage(policy(tier, roles={"owners": ("ben",)}, escalate_to=("ana",), escalate_after_seconds=1))
    stage.ledger.advance(5)  # type: ignore[attr-defined]
    assert refusal(stage, "ana") == "own_request"


def test_an_expired_request_is_decided_by_nobody():
    """One second past the expiry of the database's clock an approval is refused and recorded."""
    stage = Stage(policy(expire_after_seconds=60))
    stage.ledger.advance(61)  # type: ignore[attr-defined]
    assert refusal(stage, "ben", "approve") == "expired"
    assert stage.reload().state.phase is Phase.AWAITING_APPROVAL


def test_a_decision_after_a_cancel_is_told_who_cancelled():
    """The loser of a race against a cancel learns about it."""
    from bq_copilot import deciding

    stage = Stage()
    deciding.cancel(stage.journal, "cora", "test")
    with pytest.raises(Conflict, match="cora cancelled") as lost:
        stage.decide("ben")
    assert lost.value.winner == "cora"


# -- the policy itself -----------------------------------------------------------------------------------


def test_a_name_cannot_belong_to_two_people():
    """Aliases that meet would let one person pass for another."""
    with pytest.raises(ValueError, match="two people"):
        Policy.model_validate({"approvals": {"people": {"ana": {"aliases": ["Ben"]}, "ben": {}}}})


def test_tier_0_states_its_bound():
    """Nothing is approved by policy without a number of bytes above which it is not."""
    with pytest.raises(ValueError, match="up_to_bytes"):
        Policy.model_validate({"approvals": {"tiers": [{"tier": 0, "approvers": 0, "always": True}]}})
