"""L3: exactly which leaves a statement reads."""

from __future__ import annotations

import pytest

from bq_copilot.gate import Gate

T = "acme.shop.orders"
U = "acme.shop.products"
CASES = [
    (f"SELECT COUNT(*) FROM `{T}`", set()),
    (f"SELECT shipping.method FROM `{T}`", {f"{T}.shipping.method"}),
    (f"SELECT items[SAFE_OFFSET(0)].sku FROM `{T}`", {f"{T}.items.sku"}),
    (f"SELECT i.quantity FROM `{T}` AS o, o.items AS i", {f"{T}.items.quantity"}),
    (f"SELECT quantity FROM `{T}`, UNNEST(items)", {f"{T}.items.quantity"}),
    (f"SELECT 1 FROM `{T}` WHERE EXISTS (SELECT 1 FROM UNNEST(items) AS i WHERE i.sku = 'a')", {f"{T}.items.sku"}),
    (f"SELECT dimensions FROM `{U}`", {f"{U}.dimensions.{n}" for n in ("width", "height", "depth", "weight")}),
    (f"SELECT * EXCEPT (tags, attributes, dimensions, created_at, cost) FROM `{U}`",
     {f"{U}.{n}" for n in ("product_id", "sku", "name", "category", "brand", "price")}),
    (f"SELECT p.attributes.color.name FROM `{U}` AS p", {f"{U}.attributes"}),
    (f"SELECT price FROM `{U}` ORDER BY cost", {f"{U}.price", f"{U}.cost"}),
    (f"WITH w AS (SELECT sku, price AS cost FROM `{U}`) SELECT cost FROM w", {f"{U}.sku", f"{U}.price"}),
    (f"FROM `{U}` |> EXTEND price - cost AS margin |> SELECT margin", {f"{U}.price", f"{U}.cost"}),
    (f"SELECT k FROM `{U}` UNPIVOT (v FOR k IN (price, cost))", {f"{U}.price", f"{U}.cost"}),
    ("SELECT platform FROM `acme.web.events_2025*` WHERE _TABLE_SUFFIX = '0101'", {"acme.web.events_*.platform"}),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "leaves"), CASES)
def test_the_read_set_is_exact(gate: Gate, sql: str, leaves: set[str]) -> None:
    """Facts list every leaf that is read, and no other, and both engines agree on it."""
    verdict = gate.rule(sql)
    assert not verdict.denied, verdict.findings
    assert set(verdict.facts.columns) == leaves


def test_a_view_lists_its_base_table_and_column(gate: Gate) -> None:
    """Reading a view reads what is behind it."""
    facts = gate.rule("SELECT revenue FROM `acme.shop.v_daily_sales`").facts
    assert facts.tables == (T, "acme.shop.v_daily_sales")
    assert facts.columns == (f"{T}.total", "acme.shop.v_daily_sales.revenue")


def test_a_tagged_filter_is_read_but_not_put_out(gate: Gate) -> None:
    """Facts tell a tagged column in a filter from one in the output."""
    inside = gate.rule("SELECT country FROM `acme.shop.customers` WHERE email IS NULL").facts
    outside = gate.rule("SELECT LOWER(email) AS e FROM `acme.shop.customers`").facts
    assert inside.tagged_read == outside.tagged_read == ("acme.shop.customers.email",)
    assert (inside.tagged_in_output, outside.tagged_in_output) == (False, True)


def test_time_dependence_and_parameters_are_facts(gate: Gate) -> None:
    """A result that changes with the day, and the values it needs, are known before it runs."""
    facts = gate.rule("SELECT refund_id FROM `acme.shop.refunds` WHERE refund_date > CURRENT_DATE AND sku = @sku").facts
    assert facts.time_dependent
    assert facts.parameters == ("@sku",)


def test_an_unfiltered_partition_asks(gate: Gate) -> None:
    """A scan over all partitions is allowed only after somebody looked."""
    verdict = gate.rule(f"SELECT COUNT(*) FROM `{T}`")
    assert verdict.ruling == "ask"
    assert [found.rule for found in verdict.findings] == ["L6"]
