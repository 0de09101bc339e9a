"""Figures about approvers, from the events alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bq_copilot import events as ev
from bq_copilot.approval_stats import ApprovalFigures, figures
from bq_copilot.errors import Refused
from bq_copilot.identities import FORM_USER, How, Identity
from bq_copilot.testing import MemoryLedger
from tests.approvals.stage import Stage, local, policy
from tests.approvals.test_canary import Canaried, canaried, due_run
from tests.approvals.test_requests import TIER_0


def decided(ledger: MemoryLedger, number: int, who: str, seconds: float, verdict: str = "approve") -> Stage:
    """Return a run that this person decided after that many seconds."""
    stage = Stage(sandbox=True, ledger=ledger, run_id=f"r-{number}")
    ledger.advance(seconds)
    stage.decide(local(who), verdict, **({"sql": (("q1", "SELECT 1"),)} if verdict == "edit" else {}))
    return stage


def of(ledger: MemoryLedger) -> ApprovalFigures:
    """Return the figures of everything in the ledger."""
    return figures(ledger.read(head.run_id) for head in ledger.heads())


@pytest.fixture
def ledger() -> MemoryLedger:
    """An empty ledger."""
    return MemoryLedger()


def test_no_runs_give_no_rates(ledger: MemoryLedger):
    """Nothing is divided by nothing."""
    found = of(ledger)
    assert (found["runs"], found["asked"], found["asked_per_100_runs"]) == (0, 0, None)
    assert found["all"]["approval_rate"] is None and found["all"]["seconds_median"] is None


def test_rates_and_times_are_counted_by_approver(ledger: MemoryLedger):
    """Three approvals and a rejection of two people, with their medians."""
    for number, (who, seconds, verdict) in enumerate(
        [("ana", 1, "approve"), ("ana", 1.5, "approve"), ("ana", 30, "reject"), ("ben", 60, "approve")]
    ):
        decided(ledger, number, who, seconds, verdict)
    found = of(ledger)
    ana, ben = found["by_approver"]["ana"], found["by_approver"]["ben"]
    assert (found["asked"], found["asked_per_100_runs"]) == (4, 100.0)
    assert (ana["decided"], ana["approval_rate"], ana["seconds_median"], ana["seconds_p95"]) == (3, 0.667, 1.5, 30.0)
    assert (ana["approved_under_2s"], ben["approved_under_2s"]) == (2, 0)
    assert found["all"]["approval_rate"] == 0.75


def test_an_edit_is_a_decision_that_did_not_approve(ledger: MemoryLedger):
    """It counts against the approval rate."""
    decided(ledger, 1, "ana", 5, "edit")
    assert (of(ledger)["all"]["edited"], of(ledger)["all"]["approval_rate"]) == (1, 0.0)


def test_what_the_policy_approved_is_automatic(ledger: MemoryLedger):
    """Nobody was asked, so nobody's figures change."""
    stage = Stage(policy(TIER_0), ledger=ledger)
    stage.journal.append(ev.ApprovalDecided(decision=stage.decision(Identity("policy", How.POLICY))))
    found = of(ledger)
    assert (found["automatic"], found["asked"], found["by_approver"]) == (1, 0, {})


def test_an_expired_request_is_counted(ledger: MemoryLedger):
    """Asked, and decided by nobody."""
    stage = Stage(ledger=ledger)
    stage.journal.append(ev.RunEnded(phase="expired"))
    assert (of(ledger)["expired"], of(ledger)["all"]["decided"]) == (1, 0)


def test_refused_attempts_are_counted_by_reason(ledger: MemoryLedger):
    """Two forms without a code, under their code."""
    stage = Stage(ledger=ledger)
    for _ in range(2):
        with pytest.raises(Refused):
            stage.decide(FORM_USER)
    assert of(ledger)["refused_attempts"] == {"form_unverified": 2}


@pytest.mark.parametrize(("verdict", "caught"), [("approve", 0), ("reject", 1)])
def test_canaries_are_counted_apart(verdict: str, caught: int):
    """A canary is no approval that was asked; who approves it has missed it."""
    stage = canaried()
    stage.decide("ben", verdict)
    found = figures([stage.ledger.read(stage.state.run_id)])
    ben = found["by_approver"]["ben"]
    assert (ben["canaries_shown"], ben["canaries_caught"], ben["canaries_missed"]) == (1, caught, 1 - caught)
    assert (found["asked"], ben["decided"]) == (0, 0)
    assert isinstance(stage, Canaried) and due_run(stage.policy) == stage.state.run_id


def test_older_requests_are_left_out(ledger: MemoryLedger):
    """`since` counts what was asked from then on."""
    decided(ledger, 1, "ana", 5)
    ledger.advance(86_400)
    decided(ledger, 2, "ben", 5)
    found = figures((ledger.read(h.run_id) for h in ledger.heads()), ledger.now() - timedelta(hours=1))
    assert (found["runs"], list(found["by_approver"])) == (1, ["ben"])
