"""Faults: each kind strikes where it says, as often as it says."""

from __future__ import annotations

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.sandbox.process import SandboxProcess, dry_run, finished, new_id, rows_of, submit

BEFORE = [
    ("rate_limit", 429, "rateLimitExceeded"),
    ("rate_limit_403", 403, "rateLimitExceeded"),
    ("quota_exceeded", 403, "quotaExceeded"),
    ("500", 500, "internalError"),
    ("502", 502, "badGateway"),
    ("503", 503, "backendError"),
]


@pytest.mark.parametrize(("kind", "code", "reason"), BEFORE, ids=[kind for kind, _, _ in BEFORE])
def test_refused_before_anything_happened(
    sandbox: SandboxProcess, client: bigquery.Client, kind: str, code: int, reason: str
) -> None:
    """The request fails with its code and reason, and no job exists."""
    job_id = new_id()
    sandbox.arm(kind, match={"method": "jobs.insert"})
    with pytest.raises(exceptions.GoogleAPICallError) as refused:
        submit(client, "SELECT 1", job_id)
    assert (refused.value.code, refused.value.errors[0]["reason"]) == (code, reason)
    with pytest.raises(exceptions.NotFound):
        client.get_job(job_id, location="US", retry=None)
    submit(client, "SELECT 1", job_id)


def test_fault_strikes_as_often_as_armed(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """Two times means two, the count shows, and a method that is not matched goes through."""
    sandbox.arm("503", times=2, match={"method": "jobs.get"})
    job_id = new_id()
    submit(client, "SELECT 1", job_id)
    for _ in range(2):
        with pytest.raises(exceptions.ServiceUnavailable):
            client.get_job(job_id, location="US", retry=None)
    client.get_job(job_id, location="US", retry=None)
    assert [(f["hits"], f["left"]) for f in sandbox.faults()] == [(2, 0)]


def test_fault_can_be_for_one_job(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """A job id prefix keeps a fault away from other jobs."""
    sandbox.arm("503", match={"job_id_prefix": "victim"})
    submit(client, "SELECT 1", new_id("other"))
    with pytest.raises(exceptions.ServiceUnavailable):
        submit(client, "SELECT 1", new_id("victim"))


def test_error_after_accept(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """The caller sees 503, and yet the job is there and runs."""
    job_id = new_id()
    sandbox.arm("error_after_accept")
    with pytest.raises(exceptions.ServiceUnavailable):
        submit(client, "SELECT 7 x", job_id)
    assert [row.x for row in finished(client, job_id).result()] == [7]


def test_reset_after_accept(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """The caller's connection is reset, and yet the job is there and runs."""
    job_id = new_id()
    sandbox.arm("reset_after_accept")
    with pytest.raises((exceptions.GoogleAPIError, OSError)):
        submit(client, "SELECT 7 x", job_id)
    assert finished(client, job_id).error_result is None


def test_lost_job(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """The job is accepted with 200 and then unknown; its id can be used again."""
    job_id = new_id()
    sandbox.arm("lost_job")
    assert submit(client, "SELECT 1", job_id).state == "PENDING"
    with pytest.raises(exceptions.NotFound):
        client.get_job(job_id, location="US", retry=None)
    submit(client, "SELECT 1", job_id)
    assert finished(client, job_id).error_result is None


def test_slow_job_is_running_and_can_be_cancelled(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """A slow job stays RUNNING for its seconds, unless it is cancelled."""
    job_id = new_id()
    sandbox.arm("slow_job", seconds=60)
    submit(client, "SELECT 1", job_id)
    assert client.get_job(job_id, location="US").state != "DONE"
    client.cancel_job(job_id, location="US")
    error = finished(client, job_id).error_result
    assert error is not None and error["reason"] == "stopped"


def test_fail_after_commit(sandbox: SandboxProcess, client: bigquery.Client, scratch: str) -> None:
    """The job reports `backendError` although its rows are in the destination."""
    job_id = new_id()
    sandbox.arm("fail_after_commit")
    submit(client, "SELECT 5 x", job_id, destination=scratch)
    error = finished(client, job_id).error_result
    assert error is not None and error["reason"] == "backendError"
    assert rows_of(client, f"SELECT x FROM `{scratch}`") == [(5,)]


def test_partial_script(sandbox: SandboxProcess, client: bigquery.Client, scratch: str) -> None:
    """The script fails after its first statement, whose effect stays."""
    job_id = new_id()
    sandbox.arm("partial_script", after=1)
    submit(client, f"CREATE TABLE `{scratch}` AS SELECT 1 a; INSERT INTO `{scratch}` VALUES (2)", job_id)
    error = finished(client, job_id).error_result
    assert error is not None and error["reason"] == "backendError"
    assert rows_of(client, f"SELECT a FROM `{scratch}`") == [(1,)]


def test_drop_field_of_a_dry_run(sandbox: SandboxProcess, client: bigquery.Client) -> None:
    """A named field is missing from the next dry run's answer, or has another value."""
    sandbox.arm("drop_field", field="statistics.query.statementType")
    sandbox.arm("drop_field", field="statistics.totalBytesProcessed", value="12")
    assert dry_run(client, "SELECT 1").statement_type is None
    changed = dry_run(client, "SELECT 1")
    assert changed._properties["statistics"]["totalBytesProcessed"] == "12"


def test_unknown_fault_is_refused(sandbox: SandboxProcess) -> None:
    """Arming a fault that does not exist answers 400 and arms nothing."""
    assert httpx.post(f"{sandbox.url}/faults", json={"kind": "gremlins"}).status_code == 400
    assert sandbox.faults() == []
