"""Dry runs: static answers, byte estimates with pruning, errors with their place."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.process import dry_run, finished, new_id, rows_of, submit
from tests.sandbox.seed import DAYS, ORDERS, PER_DAY, PROJECT

DATE = bigquery.ScalarQueryParameter("d", "DATE", "2026-01-09")

PRUNED = [
    ("order_date = '2026-01-03'", 1),
    ("order_date >= DATE '2026-01-09'", 2),
    ("order_date BETWEEN '2026-01-02' AND '2026-01-04'", 3),
    ("order_date IN ('2026-01-01', '2026-01-10')", 2),
    ("order_date > DATE_SUB(DATE '2026-01-10', INTERVAL 2 DAY) AND country = 'US'", 2),
    ("order_date >= @d", 2),
    ("'2026-01-02' >= order_date", 2),
    ("order_date < CURRENT_DATE()", DAYS),
    ("order_date = '2026-01-03' OR country = 'US'", DAYS),
    ("FORMAT_DATE('%Y', order_date) = '2020'", DAYS),
]


def test_dry_run_reports_without_a_job(client: bigquery.Client) -> None:
    """A dry run answers type, tables, schema and bytes, and no job comes of it."""
    before = {job.job_id for job in client.list_jobs()}
    job = dry_run(client, "SELECT country, SUM(total) s FROM shop.orders GROUP BY country")
    assert (job.statement_type, job.state) == ("SELECT", "DONE")
    assert [str(table) for table in job.referenced_tables] == [f"{PROJECT}.shop.orders"]
    assert [(field.name, field.field_type) for field in job.schema] == [("country", "STRING"), ("s", "FLOAT")]
    assert job._properties["statistics"]["query"]["totalBytesProcessedAccuracy"] == "PRECISE"
    assert {job.job_id for job in client.list_jobs()} == before


def test_only_named_columns_count(client: bigquery.Client) -> None:
    """Bytes are those of the columns read: 8 per float, 2 + length per string, none for COUNT(*)."""
    assert dry_run(client, "SELECT total FROM shop.orders").total_bytes_processed == 8 * ORDERS
    assert dry_run(client, "SELECT country FROM shop.orders").total_bytes_processed == 4 * ORDERS
    assert dry_run(client, "SELECT COUNT(*) n FROM shop.orders").total_bytes_processed == 0


def test_only_named_members_count(client: bigquery.Client) -> None:
    """Of a struct or an array of structs only the members read are counted."""
    city = dry_run(client, "SELECT o.shipping.address.city FROM shop.orders o")
    assert city.total_bytes_processed == 6 * ORDERS
    quantity = dry_run(client, "SELECT SUM(i.quantity) q FROM shop.orders o, UNNEST(o.items) i")
    assert quantity.total_bytes_processed == 8 * ORDERS


def test_unread_columns_of_subqueries_do_not_count(client: bigquery.Client) -> None:
    """A star in a subquery costs only what the outer query uses, in the partitions that it keeps."""
    sql = "WITH a AS (SELECT * FROM shop.orders) SELECT SUM(total) s FROM a WHERE order_date = '2026-01-02'"
    assert dry_run(client, sql).total_bytes_processed == 16 * PER_DAY


@pytest.mark.parametrize(("predicate", "days"), PRUNED, ids=[p for p, _ in PRUNED])
def test_partition_pruning(client: bigquery.Client, predicate: str, days: int) -> None:
    """Constant predicates on the partitioning column leave out partitions; others leave out none."""
    whole = dry_run(
        client, f"SELECT total, order_date, country FROM shop.orders WHERE {predicate}", query_parameters=[DATE]
    )
    assert whole.total_bytes_processed == days * PER_DAY * 20


def test_run_reports_what_the_dry_run_said(client: bigquery.Client) -> None:
    """The run's bytes and schema are the dry run's."""
    sql = "SELECT DATE_TRUNC(order_date, WEEK(MONDAY)) w, COUNT(*) n FROM shop.orders GROUP BY w"
    promised, job_id = dry_run(client, sql), new_id()
    submit(client, sql, job_id, use_query_cache=False)
    job = finished(client, job_id)
    assert job.total_bytes_processed == promised.total_bytes_processed
    assert [f.to_api_repr() for f in job.result().schema] == [f.to_api_repr() for f in promised.schema]


def test_dry_run_executes_nothing(client: bigquery.Client, scratch: str) -> None:
    """A dry run of a script with effects leaves no trace."""
    dry_run(client, "SELECT 1 a; DELETE FROM shop.orders WHERE TRUE")
    dry_run(client, f"CREATE TABLE `{scratch}` AS SELECT 1 a")
    assert rows_of(client, "SELECT COUNT(*) n FROM shop.orders") == [(ORDERS,)]
    with pytest.raises(exceptions.NotFound):
        client.get_table(scratch)


MISTAKES = [
    ("SELECT totl FROM shop.orders", "Unrecognized name: totl; Did you mean total? at [1:8]"),
    ("SELECT *\nFROM shop.orders\nWHERE nope = 1", "Unrecognized name: nope"),
    ("SELECT shipping.nope FROM shop.orders", "Field name nope does not exist in STRUCT"),
    ("SELECT FROM WHERE", "Syntax error"),
    ("SELEC 1", "Syntax error"),
    ("SELECT foo(1) x", "Function not found: foo"),
    ("SELECT 1 a, 2 a", "Duplicate column names"),
    ("SELECT * FROM orders", "must be qualified with a dataset"),
    ("COPY shop.orders TO 'x'", "does not run COPY"),
    ("SELECT @missing x", "Query parameter 'missing' not found"),
]


@pytest.mark.parametrize(("sql", "message"), MISTAKES, ids=[s.split("\n")[0] for s, _ in MISTAKES])
def test_mistake_is_400_invalid_query(client: bigquery.Client, sql: str, message: str) -> None:
    """A mistake in the SQL answers 400 `invalidQuery` and says what is wrong."""
    with pytest.raises(exceptions.BadRequest) as refused:
        dry_run(client, sql)
    assert refused.value.errors[0]["reason"] == "invalidQuery"
    assert message in refused.value.errors[0]["message"]


def test_missing_table_is_404(client: bigquery.Client) -> None:
    """A table that does not exist answers 404 with its name."""
    with pytest.raises(exceptions.NotFound) as refused:
        dry_run(client, f"SELECT 1 FROM `{PROJECT}.shop.nope`")
    assert refused.value.errors[0]["message"] == f"Not found: Table {PROJECT}:shop.nope"


def test_missing_default_is_taken_from_the_job(client: bigquery.Client) -> None:
    """A bare table name is looked up in the default dataset."""
    job = dry_run(client, "SELECT total FROM orders", default_dataset=f"{PROJECT}.shop")
    assert job.total_bytes_processed == 8 * ORDERS
