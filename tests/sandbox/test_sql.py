"""GoogleSQL that analysts write, with BigQuery's answers; and SQL that must not reach the machine."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.process import dry_run, new_id, rows_of, submit
from tests.sandbox.seed import ORDERS, PER_DAY

D = date

# 2026-01-08 is a Thursday
ANSWERS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT DATE_TRUNC(DATE '2026-01-08', MONTH) v", [(D(2026, 1, 1),)]),
    ("SELECT DATE_TRUNC(DATE '2026-01-08', WEEK) v", [(D(2026, 1, 4),)]),
    ("SELECT DATE_TRUNC(DATE '2026-01-08', WEEK(MONDAY)) v", [(D(2026, 1, 5),)]),
    ("SELECT DATE_TRUNC(DATE '2026-01-04', WEEK(MONDAY)) v", [(D(2025, 12, 29),)]),
    ("SELECT DATE_TRUNC(DATE '2026-01-08', ISOWEEK) v", [(D(2026, 1, 5),)]),
    ("SELECT DATE_TRUNC(DATE '2026-05-08', QUARTER) v", [(D(2026, 4, 1),)]),
    ("SELECT EXTRACT(WEEK FROM DATE '2026-01-04') v", [(1,)]),
    ("SELECT EXTRACT(WEEK(MONDAY) FROM DATE '2026-01-04') v", [(0,)]),
    ("SELECT EXTRACT(DAYOFWEEK FROM DATE '2026-01-04') v, EXTRACT(YEAR FROM DATE '2026-01-04') y", [(1, 2026)]),
    ("SELECT FORMAT_DATE('%Y-Q%Q %b', DATE '2026-05-01') v", [("2026-Q2 May",)]),
    ("SELECT DATE_SUB(DATE '2026-03-31', INTERVAL 1 MONTH) v", [(D(2026, 2, 28),)]),
    ("SELECT DATE_ADD(DATE '2026-01-31', INTERVAL 1 DAY) v", [(D(2026, 2, 1),)]),
    ("SELECT DATE_DIFF(DATE '2026-03-01', DATE '2026-01-01', WEEK) v", [(9,)]),
    ("SELECT DATE_DIFF(DATE '2026-03-01', DATE '2026-01-01', WEEK(MONDAY)) v", [(8,)]),
    ("SELECT SAFE_DIVIDE(1, 0) v, SAFE_DIVIDE(1, 4) w", [(None, 0.25)]),
    ("SELECT COUNTIF(country = 'US') v FROM shop.orders", [(ORDERS // 3,)]),
    ("SELECT APPROX_COUNT_DISTINCT(country) v FROM shop.orders", [(3,)]),
    ("SELECT APPROX_QUANTILES(x, 2) v FROM UNNEST([1, 2, 3]) x", [([1, 2, 3],)]),
    ("SELECT SUM(i.quantity) v FROM shop.orders o, UNNEST(o.items) i", [(2 * ORDERS,)]),
    ("SELECT category, SUM(quantity) q FROM shop.orders, UNNEST(items) GROUP BY 1 ORDER BY 1",
     [("a", ORDERS), ("b", ORDERS)]),
    ("SELECT COUNT(*) v FROM shop.orders o WHERE EXISTS (SELECT 1 FROM UNNEST(o.items) i WHERE i.quantity = 2)",
     [(ORDERS * 2 // 3,)]),
    ("SELECT (SELECT SUM(quantity) FROM UNNEST(items)) v FROM shop.orders WHERE order_id = 2", [(4,)]),
    ("WITH a AS (SELECT items FROM shop.orders) SELECT COUNT(DISTINCT category) v FROM a, UNNEST(items)", [(2,)]),
    ("SELECT x, off FROM UNNEST(['a', 'b']) x WITH OFFSET off ORDER BY off", [("a", 0), ("b", 1)]),
    ("SELECT * FROM UNNEST([STRUCT(1 AS a, 'x' AS b), STRUCT(2, 'y')]) ORDER BY a", [(1, "x"), (2, "y")]),
    ("SELECT order_id v FROM shop.orders WHERE TRUE QUALIFY ROW_NUMBER() OVER (ORDER BY total DESC) = 1",
     [(ORDERS - 1,)]),
    ("SELECT SUM(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) v FROM UNNEST([1, 2, 3]) x "
     "ORDER BY x", [(1,), (3,), (5,)]),
    ("SELECT country, s_1, s_feb FROM (SELECT country, 1 m, 1 n FROM shop.orders) "
     "PIVOT(SUM(n) s FOR m IN (1, 2 AS feb)) ORDER BY 1 LIMIT 1", [("DE", ORDERS // 3, None)]),
    ("SELECT d FROM UNNEST(GENERATE_DATE_ARRAY('2026-01-01', '2026-03-31', INTERVAL 1 MONTH)) d ORDER BY d",
     [(D(2026, 1, 1),), (D(2026, 2, 1),), (D(2026, 3, 1),)]),
    ("SELECT ARRAY_AGG(STRUCT(order_id, country) ORDER BY order_id DESC LIMIT 1) v FROM shop.orders",
     [([{"order_id": ORDERS - 1, "country": "FR"}],)]),
    ("SELECT ARRAY_AGG(x IGNORE NULLS ORDER BY x) v FROM UNNEST([2, NULL, 1]) x", [([1, 2],)]),
    ("SELECT IF(TRUE, 'a', 'b') v, IFNULL(NULL, 2) w, COALESCE(NULL, 3) x", [("a", 2, 3)]),
    ("SELECT 7 / 2 v, DIV(7, 2) w, MOD(7, 2) x, CAST(2.5 AS INT64) y", [(3.5, 3, 1, 3)]),
    ("SELECT COUNT(*), 1 FROM shop.orders WHERE order_date = '2026-01-01'", [(PER_DAY, 1)]),
    ("SELECT items[OFFSET(0)].quantity, shipping.address.city FROM shop.orders WHERE order_id = 1", [(2, "Rome")]),
    ("SELECT PARSE_DATE('%Y%m%d', '20260102') v, REGEXP_EXTRACT('ab12', r'[0-9]+') w", [(D(2026, 1, 2), "12")]),
    ("SELECT country, COUNT(*) / SUM(COUNT(*)) OVER () share FROM shop.orders GROUP BY country "
     "ORDER BY 1 LIMIT 1", [("DE", 1 / 3)]),
    ("SELECT CAST('1.123456789' AS NUMERIC) * 2 > 2.24 v", [(True,)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), ANSWERS, ids=[sql for sql, _ in ANSWERS])
def test_answer(client: bigquery.Client, sql: str, expected: list[tuple[Any, ...]]) -> None:
    """The statement gives BigQuery's answer."""
    assert rows_of(client, sql) == expected


def test_unnamed_columns_have_bigquery_names(client: bigquery.Client) -> None:
    """Columns without a name are called f0_, f1_, and a struct member by its own name."""
    result = client.query("SELECT COUNT(*), shipping.method, 1 FROM shop.orders GROUP BY 2").result()
    assert [field.name for field in result.schema] == ["f0_", "method", "f1_"]


def test_truncation_keeps_the_type(client: bigquery.Client) -> None:
    """DATE_TRUNC of a DATE column is a DATE and TIMESTAMP_TRUNC of a TIMESTAMP a TIMESTAMP."""
    sql = "SELECT DATE_TRUNC(order_date, WEEK) d, TIMESTAMP_TRUNC(order_ts, HOUR) t FROM shop.orders LIMIT 1"
    assert [field.field_type for field in dry_run(client, sql).schema] == ["DATE", "TIMESTAMP"]


def test_named_parameters(client: bigquery.Client) -> None:
    """Named scalar, array and struct parameters arrive with their types, and never as syntax."""
    parameters = [
        bigquery.ScalarQueryParameter("day", "DATE", date(2026, 1, 2)),
        bigquery.ScalarQueryParameter("text", "STRING", "x' OR '1'='1"),
        bigquery.ScalarQueryParameter("none", "INT64", None),
        bigquery.ArrayQueryParameter("ids", "INT64", [1, 2]),
        bigquery.StructQueryParameter("s", bigquery.ScalarQueryParameter("a", "INT64", 4)),
    ]
    sql = "SELECT @day d, @text t, @none n, ARRAY_LENGTH(@ids) l, @s.a a, '@day' literal, 2 IN UNNEST(@ids) i"
    expected = (date(2026, 1, 2), "x' OR '1'='1", None, 2, 4, "@day", True)
    assert rows_of(client, sql, query_parameters=parameters) == [expected]


def test_positional_parameters(client: bigquery.Client) -> None:
    """Positional parameters are taken in order."""
    parameters = [bigquery.ScalarQueryParameter(None, "INT64", n) for n in (1, 2)]
    assert rows_of(client, "SELECT ? a, ? b", query_parameters=parameters) == [(1, 2)]


ESCAPES = [
    "SELECT read_text('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM shop.`/etc/passwd`",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM duckdb_settings()",
    "SELECT current_setting('temp_directory')",
    "SELECT getenv('HOME')",
    "SELECT * FROM `_sandbox`.job_log",
    "SELECT * FROM information_schema.tables",
    "COPY shop.orders TO '/tmp/out.csv'",
    "ATTACH '/tmp/other.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "EXPORT DATA OPTIONS(uri='file:///tmp/x', format='CSV') AS SELECT 1",
    "SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')",
    "CALL pragma_version()",
]


@pytest.mark.parametrize("sql", ESCAPES)
def test_no_way_out(client: bigquery.Client, sql: str) -> None:
    """Neither the host's files nor the engine's own tables and settings can be reached; a user error, not a 500."""
    with pytest.raises((exceptions.BadRequest, exceptions.NotFound)):
        dry_run(client, sql)
    with pytest.raises((exceptions.BadRequest, exceptions.NotFound)):
        submit(client, sql, new_id()).result(retry=None, job_retry=None)
