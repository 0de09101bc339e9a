"""The canonical text keeps calls, fields and formats as they were written."""

from __future__ import annotations

import pytest

from bq_copilot.gate import Gate
from bq_copilot.gate.verbatim import KEPT_CALLS

KEPT = [
    "SELECT LOG10(total) AS a FROM `acme.shop.orders`",
    "SELECT SAFE.LOG10(total) AS a FROM `acme.shop.orders`",
    "SELECT STRPOS(status, 'a') AS a FROM `acme.shop.orders`",
    "SELECT REGEXP_SUBSTR(status, 'a') AS a FROM `acme.shop.orders`",
    "SELECT OCTET_LENGTH(status) AS a FROM `acme.shop.orders`",
    "SELECT JSON_EXTRACT_STRING_ARRAY(attributes, '$.a') AS a FROM `acme.shop.orders`",
    "SELECT FORMAT_DATE('%-d %e %Y-%m-%d', order_date) AS a FROM `acme.shop.orders`",
    "SELECT attributes.`list`[0] AS a FROM `acme.shop.orders`",
    "SELECT attributes.`array`[0].b AS a FROM `acme.shop.orders`",
]
EXCHANGED = [
    "SELECT MAX(price, cost) FROM `acme.shop.products`",
    "SELECT LENGTH(name, 2) FROM `acme.shop.products`",
    "SELECT SPLIT(name, 'a', 'b') FROM `acme.shop.products`",
    "SELECT kept__LOG10(price) FROM `acme.shop.products`",
    "SELECT p.kept__list FROM `acme.shop.products` AS p",
    "SELECT CAST(name AS TIMESTAMP FORMAT 'MM/DD/YYYY HH12:MI AM') FROM `acme.shop.products`",
]


@pytest.mark.parametrize("sql", KEPT)
def test_what_was_written_is_what_runs(gate: Gate, sql: str) -> None:
    """A call, a field or a time format is not exchanged for one that only looks the same."""
    verdict = gate.rule(sql)
    assert not verdict.denied, verdict.findings
    written = " ".join(verdict.sql.split())
    assert written.startswith(sql.split(" FROM ", maxsplit=1)[0])


@pytest.mark.parametrize("sql", EXCHANGED)
def test_a_text_that_would_change_its_meaning_is_denied(gate: Gate, sql: str) -> None:
    """What the generator would mend, drop or exchange is refused instead of run as something else."""
    assert gate.rule(sql).denied


@pytest.mark.parametrize("field", ["list", "array"])
def test_a_field_with_the_name_of_a_constructor_is_read(gate: Gate, field: str) -> None:
    """`x.list[0]` reads x; it does not make an array."""
    verdict = gate.rule(f"SELECT attributes.{field}[0] AS a FROM `acme.shop.products`")
    assert verdict.facts.columns == ("acme.shop.products.attributes",)


def test_an_array_constructor_stays_one(gate: Gate) -> None:
    """`ARRAY[…]` without a path before it is still an array."""
    assert not gate.rule("SELECT ARRAY[1, 2][OFFSET(0)] AS a, ARRAY<INT64>[3] AS b").denied


def test_a_safe_cast_format_is_kept_in_meaning(gate: Gate) -> None:
    """Formats whose elements mean the same in PARSE_DATE pass."""
    verdict = gate.rule("SELECT CAST('2025-01-31' AS DATE FORMAT 'YYYY-MM-DD') AS d")
    assert "PARSE_DATE('%Y-%m-%d', '2025-01-31')" in verdict.sql


def test_kept_calls_are_on_the_list_of_known_functions() -> None:
    """Keeping a name must not let an unknown function through."""
    from bq_copilot.gate.functions import rule_against

    assert [name for name in sorted(KEPT_CALLS) if rule_against(name) is not None] == []
