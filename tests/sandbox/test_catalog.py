"""Datasets, tables, views, DDL, DML, scripts and uploads."""

from __future__ import annotations

import io

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.process import SandboxProcess, dry_run, finished, new_id, rows_of, submit
from tests.sandbox.seed import ORDERS, PER_DAY, PII, PROJECT


def test_health(sandbox: SandboxProcess) -> None:
    """`/health` says ok and counts the tables."""
    answer = httpx.get(f"{sandbox.url}/health").json()
    assert answer["status"] == "ok" and answer["tables"] >= 2


def test_seeded_table(client: bigquery.Client) -> None:
    """A seeded table shows its rows, bytes, description, partitioning and policy tags."""
    orders, customers = client.get_table("shop.orders"), client.get_table("shop.customers")
    assert (orders.num_rows, orders.description) == (ORDERS, "One row per order.")
    assert orders.num_bytes > 60 * ORDERS
    assert orders.time_partitioning.field == "order_date"
    assert orders.schema[0].description == "The order_id."
    assert list(customers.schema[1].policy_tags.names) == PII


def test_dataset_life(client: bigquery.Client) -> None:
    """A dataset is made once, listed, not removed while it has tables, and removed with them."""
    name = new_id("ds")
    client.create_dataset(name)
    with pytest.raises(exceptions.Conflict):
        client.create_dataset(name)
    assert name in {d.dataset_id for d in client.list_datasets()}
    rows_of(client, f"CREATE TABLE {name}.t AS SELECT 1 a")
    with pytest.raises(exceptions.BadRequest):
        client.delete_dataset(name, retry=None)
    client.delete_dataset(name, delete_contents=True)
    with pytest.raises(exceptions.NotFound):
        client.get_dataset(name, retry=None)


def test_table_life(client: bigquery.Client, scratch: str) -> None:
    """A table is made from a schema, patched, listed and deleted."""
    table = client.create_table(bigquery.Table(scratch, [bigquery.SchemaField("a", "INT64")]))
    table.description, table.labels = "mine", {"k": "v"}
    client.update_table(table, ["description", "labels"])
    assert (client.get_table(scratch).description, client.get_table(scratch).labels) == ("mine", {"k": "v"})
    with pytest.raises(exceptions.Conflict):
        client.create_table(table)
    client.delete_table(scratch)
    client.delete_table(scratch, not_found_ok=True)
    assert scratch.rsplit(".", 1)[1] not in {t.table_id for t in client.list_tables("copilot_scratch")}


def test_view(client: bigquery.Client, scratch: str) -> None:
    """A view is queried like a table and costs what its tables cost; its rows cannot be listed."""
    view = bigquery.Table(scratch)
    view.view_query = "SELECT order_id, total FROM shop.orders WHERE order_date = '2026-01-01'"
    made = client.create_table(view)
    assert (made.table_type, [f.name for f in made.schema]) == ("VIEW", ["order_id", "total"])
    sql = f"SELECT COUNT(*) n, SUM(v.total) > 0 p FROM `{scratch}` v"
    assert rows_of(client, sql) == [(PER_DAY, True)]
    assert dry_run(client, sql).total_bytes_processed == 16 * PER_DAY
    with pytest.raises(exceptions.BadRequest):
        list(client.list_rows(scratch, selected_fields=made.schema, retry=None))


def test_list_rows(client: bigquery.Client) -> None:
    """`tabledata.list` reads a window of a table, of some columns."""
    table = client.get_table("shop.customers")
    rows = client.list_rows(table, selected_fields=table.schema[:1], start_index=5, max_results=2)
    assert [tuple(row.values()) for row in rows] == [(5,), (6,)]


def test_information_schema(client: bigquery.Client) -> None:
    """INFORMATION_SCHEMA.COLUMNS and TABLES show a dataset's tables."""
    sql = "SELECT column_name, data_type FROM shop.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'customers'"
    assert rows_of(client, f"{sql} ORDER BY ordinal_position")[:2] == [
        ("customer_id", "INT64"),
        ("email", "STRING"),
    ]
    tables = rows_of(client, "SELECT table_name FROM shop.INFORMATION_SCHEMA.TABLES ORDER BY 1")
    assert tables == [("customers",), ("orders",)]


def test_script_has_child_jobs(client: bigquery.Client, scratch: str) -> None:
    """A script's statements are child jobs, its variables work, and its last query is its result."""
    sql = f"""DECLARE x INT64 DEFAULT 3;
    CREATE TABLE `{scratch}` AS SELECT x AS a;
    SET x = x + 1;
    INSERT INTO `{scratch}` VALUES (x);
    SELECT SUM(a) AS s FROM `{scratch}`;"""
    job_id = new_id()
    submit(client, sql, job_id)
    job = finished(client, job_id)
    assert (job.statement_type, job.num_child_jobs) == ("SCRIPT", 3)
    children = list(client.list_jobs(parent_job=job_id))
    assert sorted(c.statement_type for c in children) == ["CREATE_TABLE_AS_SELECT", "INSERT", "SELECT"]
    assert [row.s for row in job.result()] == [7]


def test_script_commits_statement_by_statement(client: bigquery.Client, scratch: str) -> None:
    """A script that fails keeps the effects of the statements before."""
    job_id = new_id()
    submit(client, f"CREATE TABLE `{scratch}` AS SELECT 1 a; SELECT nope FROM `{scratch}`", job_id)
    assert finished(client, job_id).error_result is not None
    assert rows_of(client, f"SELECT a FROM `{scratch}`") == [(1,)]


def test_dml_counts_rows(client: bigquery.Client, scratch: str) -> None:
    """INSERT, UPDATE, MERGE, DELETE and TRUNCATE report what they touched."""
    rows_of(client, f"CREATE TABLE `{scratch}` (a INT64, b STRING)")
    statements = [
        (f"INSERT INTO `{scratch}` (a, b) VALUES (1, 'x'), (2, 'y'), (3, NULL)", 3),
        (f"UPDATE `{scratch}` SET b = 'z' WHERE a > 1", 2),
        (
            f"MERGE `{scratch}` t USING (SELECT 1 a UNION ALL SELECT 9) s ON t.a = s.a "
            "WHEN MATCHED THEN UPDATE SET b = 'm' WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)",
            2,
        ),
        (f"DELETE FROM `{scratch}` WHERE a = 9", 1),
    ]
    for sql, touched in statements:
        job = client.query(sql)
        job.result()
        assert job.num_dml_affected_rows == touched
    assert client.get_table(scratch).num_rows == 3
    rows_of(client, f"TRUNCATE TABLE `{scratch}`")
    assert client.get_table(scratch).num_rows == 0


def test_ddl_options(client: bigquery.Client, scratch: str) -> None:
    """CREATE TABLE keeps columns, partitioning, clustering, labels, description and expiration."""
    sql = f"""CREATE TABLE `{scratch}` (a INT64 NOT NULL OPTIONS(description='x'), d DATE,
      s ARRAY<STRUCT<c STRING>>) PARTITION BY d CLUSTER BY a
      OPTIONS(description='tt', expiration_timestamp=TIMESTAMP '2040-01-01 00:00:00+00', labels=[('k','v')])"""
    rows_of(client, sql)
    table = client.get_table(scratch)
    assert [(f.name, f.mode) for f in table.schema] == [("a", "REQUIRED"), ("d", "NULLABLE"), ("s", "REPEATED")]
    assert (table.time_partitioning.field, table.clustering_fields) == ("d", ["a"])
    assert (table.description, table.labels, table.expires.year) == ("tt", {"k": "v"}, 2040)


@pytest.mark.parametrize("form", ["NEWLINE_DELIMITED_JSON", "CSV"])
def test_upload(client: bigquery.Client, scratch: str, form: str) -> None:
    """An uploaded file becomes rows."""
    data = {"CSV": b"1,x,2026-01-02\n", "NEWLINE_DELIMITED_JSON": b'{"a": 1, "b": "x", "d": "2026-01-02"}\n'}
    schema = [bigquery.SchemaField(n, t) for n, t in (("a", "INT64"), ("b", "STRING"), ("d", "DATE"))]
    config = bigquery.LoadJobConfig(schema=schema, source_format=form)
    job = client.load_table_from_file(io.BytesIO(data[form]), scratch, job_config=config)
    assert job.result().output_rows == 1
    assert rows_of(client, f"SELECT a, b, CAST(d AS STRING) d FROM `{scratch}`") == [(1, "x", "2026-01-02")]


def test_other_projects_are_denied(sandbox: SandboxProcess) -> None:
    """Another project answers 403 `accessDenied`."""
    answer = httpx.get(f"{sandbox.url}/bigquery/v2/projects/elsewhere/datasets")
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (403, "accessDenied")


def test_unknown_route_has_the_error_shape(sandbox: SandboxProcess) -> None:
    """Whatever is not there answers 404 in BigQuery's error shape."""
    error = httpx.get(f"{sandbox.url}/bigquery/v2/projects/{PROJECT}/nothing").json()["error"]
    assert (error["code"], error["status"], error["errors"][0]["reason"]) == (404, "NOT_FOUND", "notFound")
