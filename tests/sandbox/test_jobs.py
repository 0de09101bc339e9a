"""Job semantics: ids, states, cancellation, deadlines, caps, destinations, labels, identity."""

from __future__ import annotations

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.process import ENDLESS, SandboxProcess, finished, new_id, rows_of, submit
from tests.sandbox.seed import ORDERS, PROJECT
from tests.waiting import until


def test_duplicate_id_conflicts(client: bigquery.Client) -> None:
    """A second insert of a job id answers 409 `duplicate` and runs nothing."""
    job_id = new_id()
    submit(client, "SELECT 1", job_id)
    with pytest.raises(exceptions.Conflict) as refused:
        submit(client, "SELECT 2", job_id)
    assert refused.value.errors[0]["reason"] == "duplicate"
    assert "SELECT 1" in client.get_job(job_id, location="US").query


def test_insert_does_not_wait(client: bigquery.Client) -> None:
    """`jobs.insert` answers before the job ends, and other requests go on while it runs."""
    job_id = new_id()
    job = submit(client, ENDLESS, job_id)
    assert job.state in {"PENDING", "RUNNING"}
    until(lambda: client.get_job(job_id, location="US").state == "RUNNING", 10)
    assert rows_of(client, "SELECT 1") == [(1,)]
    assert job_id in {j.job_id for j in client.list_jobs(state_filter="running")}
    client.cancel_job(job_id, location="US")
    finished(client, job_id)


def test_cancel_interrupts_the_engine(client: bigquery.Client) -> None:
    """A cancelled job ends within seconds with reason `stopped`."""
    job_id = new_id()
    submit(client, ENDLESS, job_id)
    until(lambda: client.get_job(job_id, location="US").state == "RUNNING", 10)
    client.cancel_job(job_id, location="US")
    job = finished(client, job_id)
    assert job.error_result is not None and job.error_result["reason"] == "stopped"


def test_cancel_of_a_done_job_changes_nothing(client: bigquery.Client) -> None:
    """Cancelling a finished job is accepted and leaves it a success."""
    job_id = new_id()
    submit(client, "SELECT 1", job_id).result()
    client.cancel_job(job_id, location="US")
    assert client.get_job(job_id, location="US").error_result is None


def test_job_timeout_stops_the_job(client: bigquery.Client) -> None:
    """`jobTimeoutMs` ends a job that runs longer."""
    job_id = new_id()
    submit(client, ENDLESS, job_id, job_timeout_ms=300)
    error = finished(client, job_id).error_result
    assert error is not None and "timed out" in error["message"]


def test_byte_cap_refuses_before_running(client: bigquery.Client, scratch: str) -> None:
    """A job over `maximumBytesBilled` fails with its reason, and its destination does not appear."""
    job_id = new_id()
    sql = "SELECT order_id FROM shop.orders"
    submit(client, sql, job_id, maximum_bytes_billed=1_000_000, destination=scratch)
    error = finished(client, job_id).error_result
    assert error is not None and error["reason"] == "bytesBilledLimitExceeded"
    assert "10485760 or higher" in error["message"]
    with pytest.raises(exceptions.NotFound):
        client.get_table(scratch)


def test_statistics(client: bigquery.Client) -> None:
    """A finished job reports bytes, the minimum charge, its statement type and its times."""
    job_id = new_id()
    submit(client, "SELECT SUM(total) s FROM shop.orders", job_id, use_query_cache=False)
    job = finished(client, job_id)
    assert (job.total_bytes_processed, job.total_bytes_billed) == (8 * ORDERS, 10 * 1024 * 1024)
    assert job.statement_type == "SELECT" and job.cache_hit is False
    assert job.created <= job.started <= job.ended


def test_minimum_charge_is_per_table(client: bigquery.Client) -> None:
    """Every table that a query reads is charged at least 10 MiB."""
    job_id = new_id()
    sql = "SELECT COUNT(o.order_id) n FROM shop.orders o JOIN shop.customers c USING (customer_id)"
    submit(client, sql, job_id, use_query_cache=False)
    assert finished(client, job_id).total_bytes_billed == 2 * 10 * 1024 * 1024


def test_second_identical_query_hits_the_cache(client: bigquery.Client) -> None:
    """The same query over unchanged tables is answered from the first one's result, at no bytes."""
    sql = f"SELECT COUNT(*) n, '{new_id()}' tag FROM shop.orders"
    first = client.query(sql)
    assert next(iter(first.result())).n == ORDERS
    second = client.query(sql)
    assert next(iter(second.result())).n == ORDERS
    assert (second.cache_hit, second.total_bytes_billed) == (True, 0)


def test_labels_are_kept(client: bigquery.Client) -> None:
    """A job's labels come back from `jobs.get`."""
    job_id = new_id()
    submit(client, "SELECT 1", job_id, labels={"app": "copilot", "step": "s1"})
    assert client.get_job(job_id, location="US").labels == {"app": "copilot", "step": "s1"}


def test_wrong_location_is_not_found(client: bigquery.Client) -> None:
    """A job is found in its own location only."""
    job_id = new_id()
    submit(client, "SELECT 1", job_id)
    with pytest.raises(exceptions.NotFound):
        client.get_job(job_id, location="EU", retry=None)


def test_caller_identity(sandbox: SandboxProcess) -> None:
    """A job carries its caller's address, SESSION_USER() is it, and a listing shows only one's own jobs."""
    ann, bob = sandbox.client("ann@example.org"), sandbox.client("bob@example.org")
    job_id = new_id()
    job = submit(ann, "SELECT SESSION_USER() u", job_id)
    assert next(iter(job.result())).u == "ann@example.org"
    assert ann.get_job(job_id, location="US").user_email == "ann@example.org"
    assert job_id in {j.job_id for j in ann.list_jobs()}
    assert job_id not in {j.job_id for j in bob.list_jobs()}
    assert job_id in {j.job_id for j in bob.list_jobs(all_users=True)}


def test_default_identity(client: bigquery.Client) -> None:
    """A caller without a name is `sandbox@localhost`."""
    assert rows_of(client, "SELECT SESSION_USER() u") == [("sandbox@localhost",)]


def test_bearer_token_names_the_caller(sandbox: SandboxProcess) -> None:
    """A bearer token that is an address is the caller's address."""
    body = {"query": "SELECT SESSION_USER() u", "useLegacySql": False}
    answer = httpx.post(
        f"{sandbox.url}/bigquery/v2/projects/{PROJECT}/queries",
        json=body,
        headers={"Authorization": "Bearer eve@example.org"},
    ).json()
    assert answer["rows"][0]["f"][0]["v"] == "eve@example.org"


def test_request_id_runs_once(sandbox: SandboxProcess) -> None:
    """Two `jobs.query` calls with one `requestId` are one job."""
    body = {"query": "SELECT RAND() r", "useLegacySql": False, "requestId": new_id()}
    url = f"{sandbox.url}/bigquery/v2/projects/{PROJECT}/queries"
    first, second = (httpx.post(url, json=body).json() for _ in range(2))
    assert first["jobReference"] == second["jobReference"]
    assert first["rows"] == second["rows"]


def test_failed_query_is_done_with_invalid_query(client: bigquery.Client) -> None:
    """A query that cannot be understood ends DONE with `invalidQuery` and the place of the mistake."""
    job_id = new_id()
    submit(client, "SELECT nosuch FROM shop.orders", job_id)
    error = finished(client, job_id).error_result
    assert error is not None and error["reason"] == "invalidQuery"
    assert "Unrecognized name: nosuch" in error["message"] and "[1:8]" in error["message"]


def test_failed_job_refuses_its_results(client: bigquery.Client) -> None:
    """Asking a failed job for rows answers 400 with the job's reason, never 500."""
    with pytest.raises(exceptions.BadRequest) as refused:
        client.query_and_wait("SELECT 1 / 0 x", retry=None, job_retry=None)
    assert refused.value.errors[0]["reason"] == "invalidQuery"


def test_job_can_be_deleted(client: bigquery.Client) -> None:
    """A deleted job is gone with its rows."""
    job_id = new_id()
    submit(client, "SELECT 1", job_id).result()
    client.delete_job_metadata(job_id, location="US")
    with pytest.raises(exceptions.NotFound):
        client.get_job(job_id, location="US", retry=None)


def test_listing_pages(client: bigquery.Client) -> None:
    """A listing longer than a page comes in pages, newest first."""
    ids = [new_id() for _ in range(3)]
    for job_id in ids:
        submit(client, "SELECT 1", job_id)
    listed = [j.job_id for j in client.list_jobs(page_size=2, max_results=20)]
    assert [i for i in listed if i in ids] == ids[::-1]
