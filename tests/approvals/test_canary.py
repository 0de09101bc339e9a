"""Canaries: decided like any request, executed never."""

from __future__ import annotations

from typing import Any

import pytest

from bq_copilot import canary, deciding
from bq_copilot import events as ev
from bq_copilot.card import card_markdown
from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.errors import Conflict, Refused
from bq_copilot.gate.verdict import Facts, Ruling, Verdict
from bq_copilot.phases import Phase
from bq_copilot.policy import Policy
from bq_copilot.steps import AwaitDecision, RequestApproval, next_step
from tests.approvals.stage import CATALOG, CUSTOMERS, ORDERS, Stage, estimate, policy

ALWAYS = {"canary_rate": 0.2, "canary_seed": "s"}


def rule(sql: str) -> Verdict:
    """Allow what reads the customers."""
    known = {"policy_fingerprint": "p", "gate_fingerprint": "g", "schema_fingerprint": "s", "digest": "sha256:c"}
    return Verdict(ruling=Ruling.ALLOW, sql=sql, facts=Facts(tables=(CUSTOMERS,), columns=()), **known)


def due_run(rules: Policy) -> str:
    """Return the id of a run that gets a canary."""
    return next(f"r-{i}" for i in range(1_000) if canary.is_due(f"r-{i}", rules))


class Canaried(Stage):
    """A stage that asks what the flow would ask: the canary first, where there is one."""

    def ask(self, request: Any = None) -> None:
        real = self.built()
        super().ask(canary.instead_of(real, self.state, CATALOG, self.policy, rule) or real)


def canaried() -> Canaried:
    """Return a run whose canary waits for a decision."""
    rules = policy(**ALWAYS)
    return Canaried(rules, run_id=due_run(rules))


def test_without_a_rate_there_are_none():
    """The default policy switches them off."""
    assert not any(canary.is_due(f"r-{i}", Policy()) for i in range(500))


def test_the_rate_is_about_kept_and_the_choice_repeatable():
    """The same runs for the same seed, other ones for another."""
    rules, other = policy(**ALWAYS), policy(canary_rate=0.2, canary_seed="t")
    drawn = [canary.is_due(f"r-{i}", rules) for i in range(2_000)]
    assert drawn == [canary.is_due(f"r-{i}", rules) for i in range(2_000)]
    assert 0.15 < sum(drawn) / 2_000 < 0.25
    assert drawn != [canary.is_due(f"r-{i}", other) for i in range(2_000)]


def test_a_canary_looks_like_a_request():
    """The same question and people, one query over a table that the question is not about; no word gives it away."""
    stage = canaried()
    assert stage.request.canary
    assert [t.table for t in stage.request.queries[0].tables] == [CUSTOMERS]
    text = card_markdown(stage.plan)
    assert "How many orders per region" in text and "canary" not in text.lower()


@pytest.mark.parametrize("verdict", ["approve", "reject", "edit"])
def test_whatever_is_decided_leads_back_to_the_real_request(verdict: str):
    """An approved canary is not executed, a rejected one does not end the run."""
    stage = canaried()
    stage.decide("ben", verdict, **({"sql": (("q1", "SELECT 1"),)} if verdict == "edit" else {}))
    assert stage.reload().state.phase is Phase.RULING
    assert isinstance(next_step(stage.state), RequestApproval)
    assert stage.plan.canary is not None and stage.plan.canary.verdict == verdict
    stage.ask()
    assert not stage.request.canary
    assert [t.table for t in stage.request.queries[0].tables] == [ORDERS]


def test_an_approved_canary_cannot_be_used():
    """Neither through the front door nor by appending the event."""
    stage = canaried()
    digest, request_id = stage.plan.digest, stage.request.request_id
    stage.decide("ben")
    with pytest.raises(Refused):
        deciding.consume(stage.reload().journal, request_id, digest)
    with pytest.raises(Refused, match="nothing is approved"):
        stage.journal.append(ev.ApprovalConsumed(request_id=request_id, digest=digest))


def test_no_job_can_be_intended_after_a_canary():
    """The transitions know no way from a canary's decision to a job."""
    stage = canaried()
    stage.decide("ben")
    job = ev.JobIntended(
        query="q1",
        job_id="j",
        attempt=1,
        project="p",
        location="US",
        fingerprint="f",
        destination="d",
        maximum_bytes_billed=1,
    )
    with pytest.raises(Refused, match="no approval covers"):
        stage.reload().journal.append(job)


def test_approving_the_canary_does_not_approve_the_real_request():
    """The real request has its own digest; the canary's decision and code do not fit it."""
    stage = canaried()
    decision = stage.decision("ben")
    deciding.decide(stage.journal, decision)
    stage.ask()
    with pytest.raises(Conflict, match="ben approved it before"):
        deciding.decide(stage.journal, decision)
    assert isinstance(next_step(stage.reload().state), AwaitDecision)
    moved = decision.model_copy(update={"request_id": stage.request.request_id, "digest": stage.plan.digest})
    with pytest.raises(Refused) as refused:
        deciding.decide(stage.journal, moved)
    assert refused.value.code == "code_forged"


def test_the_next_card_says_that_it_was_a_check():
    """Whoever decided learns at once what the request before was."""
    stage = canaried()
    stage.decide("ben")
    stage.reload().ask()
    assert "a check of attention; ben took it for real" in card_markdown(stage.plan)


def test_a_run_has_one_canary_at_the_most():
    """After it, and after any request, there is none."""
    stage = canaried()
    stage.decide("ben", "reject")
    stage.reload().ask()
    stage.decide("ana", "edit", sql=(("q1", "SELECT 1"),))
    stage.reload().propose(by="ana")
    stage.ask()
    assert not stage.request.canary and stage.request.revision == 2


def test_a_plan_that_nobody_is_asked_about_gets_none():
    """Tier 0 has no approver whose attention could be measured."""
    tier_0 = {"tier": 0, "always": True, "approvers": 0, "up_to_bytes": 10**9}
    rules = policy(tier_0, **ALWAYS)
    stage = Canaried(rules, run_id=due_run(rules), priced=estimate(size=10))
    assert stage.request.approvers.tier == 0 and not stage.request.canary


def test_a_canary_reads_nothing_that_policy_watches():
    """A table whose columns are tagged, partitioned, or read by the plan is not used."""
    stage = canaried()
    column = Column(name="segment", type="STRING", tags=("pii",))
    tables = (
        Table(id="p.shop.tagged", columns=(column,)),
        Table(id="p.shop.parted", columns=(Column(name="day", type="DATE"),), partition_by="day"),
        CATALOG.tables[0],
    )
    asking = Stage(stage.policy, run_id=stage.state.run_id)
    assert canary.instead_of(asking.request, asking.state, CATALOG, stage.policy, rule) is not None
    assert canary.instead_of(asking.request, asking.state, Catalog(tables=tables), stage.policy, rule) is None
