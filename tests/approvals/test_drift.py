"""Which changes between approval and use void an approval."""

from __future__ import annotations

from typing import Any

import pytest

from bq_copilot import drift, permission
from bq_copilot import events as ev
from bq_copilot.approval import Approvers
from bq_copilot.catalog import Column, Table
from bq_copilot.errors import Refused
from bq_copilot.identities import FORM_USER
from bq_copilot.phases import Phase
from bq_copilot.requests import approvers_for, versions
from bq_copilot.steps import ConsumeApproval, ProposePlan, RulePlan, next_step
from bq_copilot.values import TableVersion
from tests.approvals.stage import CATALOG, CUSTOMERS, ORDERS, SHELF, TIER_2, TIER_2_CODE, Stage, key, people, policy

REQUEST = Stage().request
FACTS = REQUEST.queries[0]


def lines(**now: Any) -> str:
    """Return what is said when these facts of the query are other ones now."""
    return "\n".join(drift.changes(REQUEST, {"q1": FACTS.model_copy(update=now)}))


OTHER = TableVersion(table=ORDERS, fingerprint="sha256:other")
SQL = "SELECT region FROM `p.shop.orders`"
CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"tables": (OTHER,)}, "schema of p.shop.orders changed"),
    ({"tables": ()}, "p.shop.orders is not read any more"),
    ({"tables": (*FACTS.tables, TableVersion(table="p.shop.x", fingerprint="f"))}, "reads p.shop.x as well"),
    ({"sql": SQL}, "+SELECT region FROM"),
    ({"parameters": (("day", "DATE", "2026-01-01"),)}, "other parameters"),
    ({"destination": "p.public.t"}, "writes to p.public.t instead of p.copilot_scratch"),
    ({"bytes": FACTS.bytes + 1}, "reads 5,000,001 bytes instead of 5,000,000"),
    ({"accuracy": "LOWER_BOUND"}, "its size is LOWER_BOUND now"),
    ({"usd": FACTS.usd + 1}, "costs 1."),
    ({"columns": (f"{ORDERS}.total",)}, "reads other columns (p.shop.orders.total)"),
    ({"tagged": (f"{ORDERS}.region",)}, "p.shop.orders.region is tagged"),
    ({"tagged_in_output": True}, "tagged data reaches the result"),
    ({"notes": ("P12: no partition filter",)}, "the gate says now: P12"),
)


@pytest.mark.parametrize(("now", "said"), CHANGES)
def test_a_changed_fact_voids(now: dict[str, Any], said: str):
    """Each fact that is another one is named with what it was."""
    assert said in lines(**now)


@pytest.mark.parametrize("now", [{}, {"bytes": 1}, {"usd": 0.0}, {"notes": ()}])
def test_the_same_or_less_does_not_void(now: dict[str, Any]):
    """Fewer bytes and a lower price are no reason to ask again."""
    assert lines(**now) == ""


def test_a_query_that_is_gone_voids():
    """Nothing is run in the place of what was approved."""
    assert drift.changes(REQUEST, {}) == ("q1: gone",)


def test_sql_that_does_not_fit_its_own_digest_voids():
    """The runner hashes the bytes that it is about to send."""
    wrong = REQUEST.model_copy(update={"queries": (FACTS.model_copy(update={"sql_digest": "sha256:0"}),)})
    assert "is not what its digest names" in drift.changes(wrong, {"q1": FACTS})[0]


def test_another_account_voids():
    """The jobs would run with other rights than those that were shown."""
    assert "run as root" in drift.changes(REQUEST, {"q1": FACTS}, None, "root")[0]


def changed(**fields: Any) -> Table:
    """Return the orders with other fields; built anew, because a copy would keep what was computed before."""
    return Table.model_validate({**{k: getattr(ORDERS_TABLE, k) for k in Table.model_fields}, **fields})


def _now(table: Table) -> str:
    fresh = drift.refreshed(CATALOG, {ORDERS: table})
    return lines(tables=versions((ORDERS,), fresh))


ORDERS_TABLE = CATALOG.tables[0]
REGION = ORDERS_TABLE.columns[0]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "view", "view_sql": "SELECT 1"},
        {"columns": (REGION, Column(name="total", type="STRING"))},
        {"columns": (REGION.model_copy(update={"tags": ("pii",)}), ORDERS_TABLE.columns[1])},
        {"tags": ("label:contains=personal-data",)},
        {"columns": (*ORDERS_TABLE.columns, Column(name="email", type="STRING"))},
    ],
)
def test_a_table_that_became_another_one_voids(change: dict[str, Any]):
    """A view in its place, another type, a new tag on a column or the table, a new column."""
    assert "schema of p.shop.orders changed" in _now(changed(**change))


def test_a_view_whose_text_changed_voids():
    """The name is the same, what it reads is not."""
    one = drift.refreshed(CATALOG, {ORDERS: changed(kind="view", view_sql="SELECT 1")})
    two = drift.refreshed(CATALOG, {ORDERS: changed(kind="view", view_sql="SELECT 2")})
    assert versions((ORDERS,), one) != versions((ORDERS,), two)


def test_rows_that_were_added_do_not_void():
    """Tables grow by the hour; what counts is the bytes that the query reads."""
    assert _now(changed(rows=10**9, bytes=10**12, description="new")) == ""


def test_a_table_that_is_gone_is_not_in_the_fresh_schemas():
    """The gate then refuses the name, and the model is told."""
    assert drift.refreshed(CATALOG, {ORDERS: None}).table(ORDERS) is None
    assert drift.refreshed(CATALOG, {ORDERS: None}).table(CUSTOMERS) is not None


# -- policy ----------------------------------------------------------------------------------------------


def asked_now(stage: Stage, *tiers: dict[str, Any], **approvals: Any) -> tuple[str, ...]:
    """Return what is said when the policy is another one at the use of the approval."""
    now = approvers_for(stage.request.queries, stage.plan.verdicts, policy(*tiers, **approvals))
    facts = {q.id: q for q in stage.request.queries}
    return (*drift.changes(stage.request, facts, now), *permission.withdrawn(stage.plan, now))


def test_a_policy_that_asks_a_higher_tier_voids():
    """An approval of tier 1 does not hold where tier 2 is asked today."""
    assert "tier 2" in asked_now(Stage(), TIER_2)[0]


def test_a_policy_that_loosened_changes_nothing():
    """The approval was given under the stricter rule."""
    assert asked_now(Stage(policy(TIER_2_CODE))) == ()


def approved_with(**approvals: Any) -> Stage:
    """Return a stage that ben approved with his code."""
    stage = Stage(policy(TIER_2_CODE, **approvals))
    stage.decide("ben")
    return stage.reload()


def test_a_key_that_was_replaced_voids_what_it_signed():
    """A lost key is taken out of the policy, and with it the approvals that have not been used."""
    changed = {**people(), "ben": {"key": people()["cora"]["key"]}}
    assert "the key that ben signed with" in asked_now(approved_with(), TIER_2_CODE, people=changed)[0]
    assert asked_now(approved_with(), TIER_2_CODE) == ()
    assert key("ben") != key("cora")


def test_a_form_that_is_not_trusted_any_more_voids():
    """The policy closed the form after somebody used it."""
    stage = Stage(policy(trust_form=True))
    stage.decide(FORM_USER)
    assert "the word of form" in asked_now(stage.reload())[0]


# -- asking again ----------------------------------------------------------------------------------------


def test_a_void_asks_again_with_fresh_schemas():
    """The next revision is judged by what drifted, so it does not drift for the same reason again."""
    stage = Stage()
    stage.decide("ben")
    fresh = drift.refreshed(CATALOG, {ORDERS: changed(kind="view", view_sql="SELECT 1")})
    stored = SHELF.put(fresh.model_dump_json())
    more = {"catalog": stored, "schema_fingerprint": fresh.fingerprint, "changes": ("q1: schema changed",)}
    stage.reload().journal.append(ev.ApprovalVoided(request_id="r-stage.1", reason="drift", **more))
    assert stage.state.pinned is not None
    assert (stage.state.pinned.catalog, stage.state.pinned.schema_fingerprint) == (stored, fresh.fingerprint)
    step = next_step(stage.state)
    assert isinstance(step, ProposePlan) and step.by == "platform"


def test_a_voided_approval_cannot_be_used():
    """The request is gone; only a new approval of the new revision leads on."""
    from bq_copilot import deciding

    stage = Stage()
    stage.decide("ben")
    assert isinstance(next_step(stage.reload().state), ConsumeApproval)
    stage.journal.append(ev.ApprovalVoided(request_id="r-stage.1", reason="drift"))
    with pytest.raises(Refused):
        deciding.consume(stage.journal, "r-stage.1", stage.plan.digest)


def test_an_edit_is_judged_by_the_gate_before_it_is_asked_about():
    """The person's SQL is proposed as a revision of its own and ruled on like the model's."""
    stage = Stage()
    stage.decide("ana", "edit", sql=(("q1", SQL),))
    step = next_step(stage.reload().state)
    assert isinstance(step, ProposePlan)
    assert (step.by, step.queries[0].sql, step.revision) == ("ana", SQL, 2)
    stage.journal.append(ev.PlanProposed(revision=2, queries=step.queries, rationale="", by="ana"))
    assert isinstance(next_step(stage.state), RulePlan)
    assert stage.state.phase is Phase.RULING


@pytest.mark.parametrize("sql", [(), (("q7", SQL),), (("q1", "  "),)])
def test_an_edit_names_a_query_and_its_sql(sql: tuple[tuple[str, str], ...]):
    """Nothing, an unknown query, or empty SQL is no edit."""
    with pytest.raises(Refused) as refused:
        Stage().decide("ana", "edit", sql=sql)
    assert refused.value.code == "edit_invalid"


def test_more_than_one_approver_is_compared():
    """Two approvers instead of one is a reason to ask again."""
    assert "2 of" in drift.changes(REQUEST, {"q1": FACTS}, Approvers(needed=2))[0]
