"""What stands in a request: who must approve, what is billed at most, and what counts as stricter."""

from __future__ import annotations

from typing import Any

import pytest

from bq_copilot import events as ev
from bq_copilot import requests
from bq_copilot.approval import Approvers
from bq_copilot.gate.verdict import Finding, Ruling
from bq_copilot.policy import Policy
from tests.approvals.stage import TIER_2, Stage, estimate, policy, verdict

MIB, GIB = 2**20, 2**30
TIER_0 = {"tier": 0, "always": True, "approvers": 0, "up_to_bytes": 100 * MIB}
ASK = Finding(rule="P12", severity=Ruling.ASK, message="no partition filter")


def tier(rules: Policy, size: int = 5 * MIB, **more: Any) -> int:
    """Return the tier of a plan of this size."""
    return Stage(rules, priced=estimate(size=size), **more).request.approvers.tier


def test_tier_0_ends_at_its_bound():
    """Up to the stated bytes nobody is asked; one byte above, somebody is."""
    rules = policy(TIER_0)
    assert tier(rules, 100 * MIB) == 0
    assert tier(rules, 100 * MIB + 1) == 1


def test_what_the_gate_wants_seen_is_never_automatic():
    """An ask or a tagged column brings a person in, however small the plan is."""
    rules = policy(TIER_0)
    assert tier(rules, judged=verdict("SELECT 1", ASK)) == 1
    assert tier(rules, judged=verdict("SELECT 1", tagged=("p.shop.orders.region",))) == 1


def test_the_highest_tier_that_applies_is_asked():
    """Bytes raise the tier."""
    rules = policy({"tier": 1, "always": True}, {"tier": 2, "above_bytes": GIB})
    assert (tier(rules, GIB), tier(rules, GIB + 1)) == (1, 2)


def test_a_request_after_a_void_is_asked_of_a_person():
    """What drifted once is not approved by policy the second time, and nothing runs in circles."""
    stage = Stage(policy(TIER_0))
    stage.journal.append(_auto(stage))
    stage.journal.append(ev.ApprovalVoided(request_id="r-stage.1", reason="drift"))
    stage.propose(by="platform")
    assert stage.built().approvers.tier == 1


def _auto(stage: Stage) -> ev.ApprovalDecided:
    from bq_copilot.identities import How, Identity

    return ev.ApprovalDecided(decision=stage.decision(Identity("policy", How.POLICY)))


def test_a_request_after_a_void_is_never_easier():
    """A policy that loosened in between does not lower the tier of what was asked before."""
    stage = Stage(policy({**TIER_2, "require_code": True}))
    stage.decide("ben")
    stage.reload().journal.append(ev.ApprovalVoided(request_id="r-stage.1", reason="drift"))
    stage.propose(by="platform")
    stage.policy = policy()
    rule = stage.built().approvers
    assert (rule.tier, rule.exclude_requester, rule.require_code) == (2, True, True)


STRICTER: tuple[dict[str, Any], ...] = (
    {"tier": 2},
    {"needed": 2},
    {"exclude_requester": True},
    {"require_code": True},
    {"allowed": ("ben",)},
)


@pytest.mark.parametrize("change", STRICTER)
def test_what_is_stricter(change: dict[str, Any]):
    """A higher tier, more people, no requester, a code, fewer people: each is stricter, its reverse is not."""
    before, now = Approvers(), Approvers(**change)
    assert requests.is_stricter(now, before)
    assert not requests.is_stricter(before, now)


def test_losing_an_approver_is_stricter_and_gaining_one_is_not():
    """Ben, who may have approved, is no owner any more."""
    two, three = Approvers(allowed=("ana", "ben")), Approvers(allowed=("ana", "ben", "cora"))
    assert requests.is_stricter(two, three)
    assert not requests.is_stricter(three, two)


def test_the_ceiling_is_part_of_the_facts():
    """The number that the job gets as its maximum is the one that was shown: at least the minimum charge a table."""
    assert Stage(priced=estimate(size=1)).request.queries[0].maximum_bytes_billed == 10 * MIB
    assert Stage(priced=estimate(size=GIB)).request.queries[0].maximum_bytes_billed == GIB


def test_the_price_is_what_is_billed():
    """Even a small read is billed with the minimum."""
    facts = Stage(priced=estimate(size=1)).request.queries[0]
    assert facts.usd == pytest.approx(policy().price(10 * MIB), abs=1e-6)
