"""P01-P20 one by one: the rule that each statement breaks."""

from __future__ import annotations

import pytest

from bq_copilot.gate import Gate

CASES = [
    ("P01", "SELECT 1; SELECT 2"),
    ("P01", "DELETE FROM `acme.shop.orders` WHERE TRUE"),
    ("P01", "ASSERT TRUE"),
    ("P01", ""),
    ("P02", "SELECT dept FROM `acme.hr.employees`"),
    ("P02", "SELECT 1 FROM orders"),
    ("P02", "WITH a AS (SELECT x FROM b), b AS (SELECT 1 AS x) SELECT x FROM a"),
    ("P03", "SELECT person_id FROM `acme.shop.v_staff_directory`"),
    ("P04", "SELECT email FROM `acme.shop.customers`"),
    ("P04", "SELECT country FROM `acme.shop.customers` AS country"),
    ("P04", "SELECT TO_JSON_STRING(c) FROM `acme.shop.customers` AS c"),
    ("P04", "SELECT contact FROM `acme.shop.v_contact_list`"),
    ("P05", "SELECT ML.ABS(1)"),
    ("P05", "SELECT * FROM EXTERNAL_QUERY('c', 'q')"),
    ("P06", "SELECT acme.shop.fn_margin(price, cost) FROM `acme.shop.products`"),
    ("P06", "SELECT * FROM acme.shop.tvf_top_customers(3)"),
    ("P07", "SELECT SESSION_USER()"),
    ("P07", "SELECT made_up(1)"),
    ("P08", "SELECT @@project_id"),
    ("P09", "SELECT 1 FROM `acme.shop.INFORMATION_SCHEMA.TABLES`"),
    ("P09", "SELECT 1 FROM `acme.shop.__TABLES__`"),
    ("P10", "SELECT event_name FROM `acme.web.e*`"),
    ("P11", "SELECT status FROM `acme.shop.orders` FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()"),
    ("P12", "WITH RECURSIVE r AS (SELECT 1 AS n) SELECT n FROM r"),
    ("P13", "SELECT x FROM UNNEST(GENERATE_ARRAY(1, 1000001)) AS x"),
    ("P13", "SELECT REPEAT('a', order_id) FROM `acme.shop.refunds`"),
    ("P14", "SELECT 1 FROM `acme.shop.refunds` AS a, `acme.shop.reviews` AS b"),
    ("P14", "SELECT 1 FROM `acme.shop.refunds` a JOIN `acme.shop.reviews` b ON a.sku = 'x' OR TRUE"),
    ("P15", "GRAPH acme.shop.shop_graph MATCH (n) RETURN n.x"),
    ("P16", "SELECT 'a\u202eb'"),
    ("P17", "SELECT nope FROM `acme.shop.orders`"),
    ("P17", "SELECT 1 FROM"),
    ("P18", "#legacySQL\nSELECT 1"),
    ("P19", "SELECT 1 FROM `acme.shop.refunds` @{force_index=x}"),
    ("P20", "SELECT " + "1, " * 10_000 + "1"),
]


@pytest.mark.parametrize(("rule", "sql"), CASES)
def test_breaking_a_rule_is_denied_by_its_id(gate: Gate, rule: str, sql: str) -> None:
    """Each rule is named in the findings of a statement that breaks it."""
    verdict = gate.rule(sql)
    assert verdict.denied
    assert rule in {found.rule for found in verdict.findings if found.severity == "deny"}


def test_a_finding_points_at_the_line(gate: Gate) -> None:
    """The person sees rule and line of the column that may not be read."""
    found = gate.rule("SELECT country,\n  c.email\nFROM `acme.shop.customers` AS c").findings[0]
    assert (found.rule, found.line, found.column) == ("P04", 2, 5)


def test_advice_to_the_model_holds_no_text_of_the_statement(gate: Gate) -> None:
    """What the statement says is not echoed to the model; names of the schema are."""
    advice = " ".join(
        f.advice for f in gate.rule("SELECT ignore_all_rules(x), email FROM `acme.shop.customers`").findings
    )
    assert "ignore" not in advice.lower()
    assert "acme.shop.customers.email" in advice


def test_all_findings_are_reported(gate: Gate) -> None:
    """One look names every broken rule, so that the model can repair all of them at once."""
    verdict = gate.rule("SELECT SESSION_USER(), email FROM `acme.shop.customers`, `acme.shop.refunds`")
    assert {"P04", "P07", "P14"} <= {found.rule for found in verdict.findings}


def test_a_forbidden_table_and_a_missing_one_look_alike(gate: Gate) -> None:
    """A refusal does not tell whether a table of a forbidden dataset exists."""
    real, made = (gate.rule(f"SELECT 1 FROM `acme.hr.{name}`").findings[0].message for name in ("payroll", "nothing"))
    assert real.replace("payroll", "") == made.replace("nothing", "")
