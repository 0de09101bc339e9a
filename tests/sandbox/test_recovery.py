"""kill -9: what was accepted is done once, what was done stays done."""

from __future__ import annotations

from google.cloud import bigquery

from tests.sandbox.process import ENDLESS, SandboxProcess, finished, new_id, rows_of, submit
from tests.sandbox.seed import PROJECT
from tests.waiting import until

TABLE = f"{PROJECT}.copilot_scratch.effects"


def _running(client: bigquery.Client, job_id: str) -> None:
    until(lambda: client.get_job(job_id, location="US").state == "RUNNING", 15)


def test_running_job_is_run_again_once(mortal: SandboxProcess) -> None:
    """A job that was RUNNING at a kill -9 ends under its own id with exactly one effect."""
    client, job_id = mortal.client(), new_id()
    rows_of(client, f"CREATE TABLE `{TABLE}` (a INT64)")
    mortal.arm("slow_job", seconds=60)
    submit(client, f"INSERT INTO `{TABLE}` VALUES (1)", job_id)
    _running(client, job_id)
    mortal.kill()
    client = mortal.start().client()
    assert finished(client, job_id).error_result is None
    assert rows_of(client, f"SELECT a FROM `{TABLE}`") == [(1,)]


def test_done_job_is_not_run_again(mortal: SandboxProcess) -> None:
    """A job that was DONE at a kill -9 keeps its effect, its row count and its result."""
    client, job_id, query_id = mortal.client(), new_id(), new_id()
    rows_of(client, f"CREATE TABLE `{TABLE}` AS SELECT 0 a")
    submit(client, f"INSERT INTO `{TABLE}` VALUES (1)", job_id).result()
    submit(client, "SELECT 'kept' v", query_id).result()
    mortal.kill()
    client = mortal.start().client()
    assert rows_of(client, f"SELECT COUNT(*) n FROM `{TABLE}`") == [(2,)]
    assert client.get_job(job_id, location="US").num_dml_affected_rows == 1
    assert [row.v for row in client.get_job(query_id, location="US").result()] == ["kept"]


def test_cancelled_job_stays_cancelled(mortal: SandboxProcess) -> None:
    """A job whose cancellation was asked for before a kill -9 ends as `stopped` and has no effect."""
    client, job_id = mortal.client(), new_id()
    submit(client, ENDLESS, job_id)
    _running(client, job_id)
    client.cancel_job(job_id, location="US")
    mortal.kill()
    error = finished(mortal.start().client(), job_id).error_result
    assert error is not None and error["reason"] == "stopped"


def test_script_goes_on_where_it_was(mortal: SandboxProcess) -> None:
    """A script that was cut by a kill -9 does not repeat the statements that were done."""
    client, job_id = mortal.client(), new_id()
    rows_of(client, f"CREATE TABLE `{TABLE}` (a INT64)")
    slow = f"INSERT INTO `{TABLE}` SELECT 2 FROM ({ENDLESS}) WHERE n < 0"
    submit(client, f"INSERT INTO `{TABLE}` VALUES (1); {slow}", job_id)
    until(lambda: rows_of(client, f"SELECT a FROM `{TABLE}`") == [(1,)], 15)
    mortal.kill()
    client = mortal.start().client()
    _running(client, job_id)
    client.cancel_job(job_id, location="US")
    finished(client, job_id)
    assert rows_of(client, f"SELECT a FROM `{TABLE}`") == [(1,)]


def test_stop_does_not_wait_for_jobs(mortal: SandboxProcess) -> None:
    """SIGTERM ends the process while a job runs, and the job is taken up at the next start."""
    client, job_id = mortal.client(), new_id()
    submit(client, ENDLESS, job_id)
    _running(client, job_id)
    assert mortal.stop() == 0
    client = mortal.start().client()
    _running(client, job_id)
    client.cancel_job(job_id, location="US")
    assert finished(client, job_id).error_result is not None
