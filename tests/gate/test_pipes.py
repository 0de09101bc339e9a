"""Notations that are rewritten before parsing: pipes, element offsets, ranges."""

from __future__ import annotations

import pytest

from bq_copilot.gate import Gate
from bq_copilot.gate.notation import plain_text
from bq_copilot.gate.rendering import Unparsed

T = "`acme.shop.products`"


def test_a_text_without_such_notations_is_returned_as_it_is() -> None:
    """Nothing is touched that the parser understands."""
    sql = "SELECT  a,b FROM `p.d.t`"
    assert plain_text(sql) is sql


def test_comments_become_blanks_of_the_same_size() -> None:
    """No parser sees a comment, and positions still point into the original text."""
    assert plain_text("SELECT /* a\nb */ 1 -- x") == "SELECT     \n     1     "


@pytest.mark.parametrize(
    "sql",
    [
        f"FROM {T} |> WHERE price > 1 |> SELECT sku",
        f"FROM {T} |> EXTEND price - cost AS m |> SET m = m * 2 |> AGGREGATE SUM(m) AS s GROUP BY brand",
        f"FROM {T} |> DROP tags, attributes |> RENAME name AS title |> ORDER BY price DESC |> LIMIT 3",
        f"FROM {T} AS p |> JOIN `acme.shop.refunds` AS r ON r.sku = p.sku |> SELECT p.name, r.amount |> DISTINCT",
        f"SELECT brand, price FROM {T} |> AGGREGATE AVG(price) AS a GROUP AND ORDER BY brand |> AS x |> WHERE a > 1",
        f"FROM {T} |> SELECT brand, category, price |> PIVOT (SUM(price) FOR category IN ('a', 'b'))",
        f"FROM {T} |> SELECT sku |> UNION ALL (SELECT sku FROM `acme.shop.refunds`) |> LIMIT 5",
        f"SELECT * FROM (FROM {T} |> SELECT sku |> LIMIT 2) AS s",
        f"WITH w AS (FROM {T} |> SELECT sku, price) FROM w |> AGGREGATE MAX(price) AS m",
    ],
)
def test_both_engines_agree_on_piped_queries(gate: Gate, sql: str) -> None:
    """A piped query passes, and its canonical form has no pipe left."""
    verdict = gate.rule(sql)
    assert not verdict.denied, verdict.findings
    assert "|>" not in verdict.sql


@pytest.mark.parametrize(
    "step", ["CALL acme.shop.tvf(1)", "ASSERT TRUE", "TEE", "AGGREGATE COUNT(*) GROUP BY ROLLUP(a)"]
)
def test_unknown_steps_are_refused(step: str) -> None:
    """A pipe operator that is not known is not guessed."""
    with pytest.raises(Unparsed):
        plain_text(f"FROM {T} |> {step}")


def test_a_filter_after_a_limit_stays_after_it() -> None:
    """Steps keep their order: a limit is taken before a later filter."""
    text = plain_text(f"FROM {T} |> LIMIT 3 |> WHERE price > 1")
    assert text.index("LIMIT 3") < text.index("WHERE")


@pytest.mark.parametrize(
    ("sql", "plain"),
    [
        ("SELECT 1 FROM o, o.items AS i WITH OFFSET AS p", "UNNEST ( o.items ) AS i WITH OFFSET AS p"),
        ("SELECT RANGE<DATE> '[2025-01-01, UNBOUNDED)'", "RANGE ( DATE '2025-01-01' , NULL )"),
        ("SELECT @`City`", "@City"),
    ],
)
def test_other_notations_keep_their_meaning(sql: str, plain: str) -> None:
    """Array paths with an offset, range literals and quoted parameters get their long form."""
    assert " ".join(plain.split()) in " ".join(plain_text(sql).split())
