"""Results: values on the wire, paging, destinations and their dispositions."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.process import SandboxProcess, finished, new_id, rows_of, submit
from tests.sandbox.seed import ORDERS, PER_DAY
from tests.waiting import until

VALUES = [
    ("1", 1),
    ("'é'", "é"),
    ("1.5", 1.5),
    ("TRUE", True),
    ("NUMERIC '123456789.000000001'", Decimal("123456789.000000001")),
    ("b'ab'", b"ab"),
    ("DATE '2026-01-02'", date(2026, 1, 2)),
    ("TIME '10:00:00.5'", time(10, 0, 0, 500000)),
    ("DATETIME '2026-01-02 03:04:05'", datetime(2026, 1, 2, 3, 4, 5)),
    (
        "TIMESTAMP '2026-01-02 03:04:05.123456+00'",
        datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
    ),
    ("CAST(NULL AS STRING)", None),
    ("[1, 2]", [1, 2]),
    ("STRUCT(1 AS a, ['x'] AS b)", {"a": 1, "b": ["x"]}),
    ("[STRUCT(DATE '2026-01-02' AS d)]", [{"d": date(2026, 1, 2)}]),
    ("CAST('inf' AS FLOAT64)", float("inf")),
]


@pytest.mark.parametrize(("expression", "value"), VALUES, ids=[e for e, _ in VALUES])
def test_value(client: bigquery.Client, expression: str, value: object) -> None:
    """The client reads each type as the right Python value."""
    assert rows_of(client, f"SELECT {expression} v") == [(value,)]


def test_stored_nested_values(client: bigquery.Client) -> None:
    """Nested and repeated columns of a seeded table come back whole."""
    row = next(iter(client.query("SELECT * FROM shop.orders WHERE order_id = 1").result()))
    assert row["items"] == [{"product_id": 1, "category": "b", "quantity": 2}]
    assert row["shipping"] == {"method": "post", "address": {"city": "Rome"}}
    assert row["order_ts"] == datetime(2026, 1, 2, 0, 0, 1, tzinfo=UTC)


def test_paging_loses_nothing(client: bigquery.Client) -> None:
    """Pages of any size add up to the whole result in its order."""
    job = client.query("SELECT order_id FROM shop.orders ORDER BY order_id")
    pages = job.result(page_size=7000).pages
    sizes, ids = [], []
    for page in pages:
        rows = list(page)
        sizes.append(len(rows))
        ids += [row.order_id for row in rows]
    assert ids == list(range(ORDERS))
    assert max(sizes) == 7000 and len(sizes) == 5


def test_write_empty_makes_the_table(client: bigquery.Client, scratch: str) -> None:
    """A destination is made with the result's schema and rows, and can be queried."""
    job_id = new_id()
    sql = "SELECT order_id, items FROM shop.orders WHERE order_date = '2026-01-03'"
    submit(client, sql, job_id, destination=scratch, write_disposition="WRITE_EMPTY").result()
    table = client.get_table(scratch)
    assert table.num_rows == PER_DAY
    assert [(f.name, f.field_type, f.mode) for f in table.schema] == [
        ("order_id", "INTEGER", "NULLABLE"),
        ("items", "RECORD", "REPEATED"),
    ]
    assert rows_of(client, f"SELECT COUNT(*) n FROM `{scratch}`") == [(PER_DAY,)]


def test_write_empty_refuses_a_full_table(client: bigquery.Client, scratch: str) -> None:
    """WRITE_EMPTY into a table with rows fails with `duplicate` and leaves the rows alone."""
    submit(client, "SELECT 1 a", new_id(), destination=scratch).result()
    job_id = new_id()
    submit(client, "SELECT 2 a", job_id, destination=scratch, write_disposition="WRITE_EMPTY")
    error = finished(client, job_id).error_result
    assert error is not None and error["reason"] == "duplicate"
    assert rows_of(client, f"SELECT a FROM `{scratch}`") == [(1,)]


def test_write_truncate_replaces(client: bigquery.Client, scratch: str) -> None:
    """WRITE_TRUNCATE replaces rows and schema at completion."""
    submit(client, "SELECT 1 a", new_id(), destination=scratch).result()
    sql = "SELECT 'x' b"
    submit(client, sql, new_id(), destination=scratch, write_disposition="WRITE_TRUNCATE").result()
    assert rows_of(client, f"SELECT * FROM `{scratch}`") == [("x",)]


def test_write_append_adds(client: bigquery.Client, scratch: str) -> None:
    """WRITE_APPEND adds to what is there."""
    for number in (1, 2):
        config = {"destination": scratch, "write_disposition": "WRITE_APPEND"}
        submit(client, f"SELECT {number} a", new_id(), **config).result()
    assert sorted(rows_of(client, f"SELECT a FROM `{scratch}`")) == [(1,), (2,)]


def test_expired_table_is_gone(client: bigquery.Client, scratch: str) -> None:
    """A table past its `expirationTime` is not found, by the catalog or by a query."""
    submit(client, "SELECT 1 a", new_id(), destination=scratch).result()
    table = client.get_table(scratch)
    table.expires = datetime.now(UTC) + timedelta(milliseconds=200)
    client.update_table(table, ["expires"])
    name = scratch.rsplit(".", 1)[1]
    until(lambda: name not in {t.table_id for t in client.list_tables("copilot_scratch")}, 5)
    with pytest.raises(exceptions.NotFound):
        client.get_table(scratch)


def test_results_need_their_destination(client: bigquery.Client, scratch: str) -> None:
    """A job's rows are not found once its destination table was deleted."""
    job = submit(client, "SELECT 1 a", new_id(), destination=scratch)
    job.result()
    client.delete_table(scratch)
    with pytest.raises(exceptions.NotFound):
        list(client.get_job(job.job_id, location="US").result(retry=None, job_retry=None))


def test_clean_restart_keeps_results(mortal: SandboxProcess) -> None:
    """Jobs, rows and tables survive SIGTERM and a new start, and the seed is not loaded twice."""
    client, job_id = mortal.client(), new_id()
    submit(client, "SELECT 42 answer", job_id, labels={"a": "b"}).result()
    client.query("DELETE FROM shop.orders WHERE order_id = 0").result()
    assert mortal.stop() == 0
    client = mortal.start().client()
    job = client.get_job(job_id, location="US")
    assert [row.answer for row in job.result()] == [42]
    assert job.labels == {"a": "b"}
    assert client.get_table("shop.orders").num_rows == ORDERS - 1
