"""Changes that keep the meaning keep the ruling; wrapping an unsafe query never makes it safe."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bq_copilot.gate import Gate
from bq_copilot.gate.lexer import TokenKind, tokenize

UNSAFE = [
    "SELECT email FROM `acme.shop.customers`",
    "SELECT c.country FROM `acme.shop.customers` AS c WHERE c.phone IS NULL",
    "SELECT i.gift_message FROM `acme.shop.orders` AS o, UNNEST(o.items) AS i",
    "SELECT COUNT(c) FROM `acme.shop.customers` AS c",
    "SELECT dept FROM `acme.hr.employees`",
    "SELECT contact FROM `acme.shop.v_contact_list`",
    "SELECT shipping FROM `acme.shop.orders`",
]
SAFE = [
    "SELECT country, COUNT(*) AS n FROM `acme.shop.customers` GROUP BY country ORDER BY n DESC LIMIT 5",
    "SELECT i.sku FROM `acme.shop.orders` AS o, UNNEST(o.items) AS i WHERE o.order_date = '2025-01-01'",
    "WITH w AS (SELECT sku, price FROM `acme.shop.products`) SELECT sku FROM w WHERE price > 3",
]
WRAPS = [
    "WITH w AS ({q}) SELECT * FROM w",
    "SELECT * FROM ({q})",
    "SELECT 1 AS one FROM `acme.shop.refunds` WHERE EXISTS ({q})",
    "({q}) UNION ALL ({q})",
    "SELECT ARRAY({q}) AS many",
    "SELECT COUNT(*) FROM ({q})",
    "FROM ({q}) |> AGGREGATE COUNT(*) AS n",
    "SELECT 1 AS one |> WHERE EXISTS ({q})",
    "WITH a AS ({q}), b AS (SELECT 1 AS x) SELECT x FROM b",
]
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GAPS = st.sampled_from([" ", "\n", "\t ", " /* note */ ", " -- note\n", " # note\n", "\r\n"])


def respaced(sql: str, gaps: list[str], *, upper: bool) -> str:
    """Return the statement with other gaps between its tokens, and its bare words in another case."""
    tokens = tokenize(sql)
    pieces = []
    for at, token in enumerate(tokens):
        end = tokens[at - 1].start + len(tokens[at - 1].text) if at else 0
        gap = gaps[at % len(gaps)] if token.start > end else ""
        word = token.text.upper() if upper and token.kind is TokenKind.WORD else token.text
        pieces.append(gap + word)
    return "".join(pieces)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("sql", UNSAFE)
def test_wrapping_an_unsafe_query_never_allows_it(gate: Gate, sql: str, wrap: str) -> None:
    """CTE, subquery, EXISTS, UNION and pipe keep a denial a denial."""
    assert gate.rule(wrap.format(q=sql)).denied


@QUICK
@given(sql=st.sampled_from(UNSAFE + SAFE), gaps=st.lists(GAPS, min_size=1, max_size=6), upper=st.booleans())
def test_comments_space_and_case_keep_the_ruling(gate: Gate, sql: str, gaps: list[str], upper: bool) -> None:
    """Comments, white space and the case of keywords and columns decide nothing."""
    assert gate.rule(respaced(sql, gaps, upper=upper)).ruling == gate.rule(sql).ruling


@QUICK
@given(sql=st.sampled_from(UNSAFE), alias=st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True))
def test_renaming_an_alias_never_allows(gate: Gate, sql: str, alias: str) -> None:
    """Whatever a table is called, what it holds is still not read."""
    renamed = re.sub(r"\bc\b", alias, sql) if " AS c" in sql else f"{sql} AS {alias}"
    assert gate.rule(renamed).denied


@pytest.mark.parametrize(
    "form", ["acme.shop.customers", "`acme`.`shop`.`customers`", "`acme.shop`.customers", "shop.customers"]
)
def test_quoting_of_a_table_name_decides_nothing(gate: Gate, form: str) -> None:
    """Every way to write a full name is the same table."""
    assert "P04" in {f.rule for f in gate.rule(f"SELECT email FROM {form}").findings}
    assert gate.rule(f"SELECT city FROM {form}").facts.tables == ("acme.shop.customers",)


@pytest.mark.parametrize("sql", SAFE)
def test_the_canonical_text_is_its_own_canonical_text(gate: Gate, sql: str) -> None:
    """Ruling on what was shown gives the same text, digest and ruling."""
    first = gate.rule(sql)
    again = gate.rule(first.sql)
    assert (again.sql, again.digest, again.ruling) == (first.sql, first.digest, first.ruling)


def test_the_canonical_text_has_no_comments(gate: Gate) -> None:
    """A comment cannot reach the person who approves."""
    assert "approved" not in gate.rule("SELECT 1 AS one -- approved by the data owner\n/* approved */").sql


def test_the_same_question_gets_the_same_verdict(gate: Gate) -> None:
    """A verdict is a function of its inputs: two calls give equal values."""
    assert gate.rule(SAFE[1]) == gate.rule(SAFE[1])
