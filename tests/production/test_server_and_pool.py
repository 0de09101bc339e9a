"""What the production doctor says of a Prefect server and its work pool: answers in, verdicts out."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bq_copilot.errors import Refused, Unreachable
from deployments.pools.make import HERE
from deployments.production import deployed, pool, server
from deployments.specification import LIMITS, DeploymentEntry, DeploymentSpec, PoolSpec
from deployments.verdicts import Severity, Verdict

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
FAR = "https://prefect.example/api"
TEMPLATE = {"variables": {"properties": {"command": {"default": "here"}, "working_dir": {"default": "/work"}}}}
OPEN = {"is_paused": False, "concurrency_limit": None}
QUEUES = [{"name": queue.name, "priority": queue.priority, **OPEN} for queue in PoolSpec().queues]
ENTRY = DeploymentEntry.model_validate(
    {"name": "analyze", "entrypoint": "flows/analysis.py:analyze", "work_pool": {"name": "bq-copilot"}}
)
SPEC = DeploymentSpec(ENTRY, "analyze", None, "v1", {"type": "object"}, [])
PRESENT = {
    "work_pool_name": "bq-copilot",
    "entrypoint": ENTRY.entrypoint,
    "version": "v1",
    "parameter_openapi_schema": {"type": "object"},
    "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": "/app"}}],
}


def said(verdict: Verdict) -> tuple[str, str]:
    """How bad it is, and what to do."""
    return str(verdict.severity), verdict.mend


def a_pool(**other: Any) -> dict[str, Any]:
    return {"type": "process", "is_paused": False, "concurrency_limit": 8, "base_job_template": TEMPLATE} | other


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("error", "environ", "check", "mend"),
    [
        (Refused("", code="not_authorised"), {}, "login", "set PREFECT_API_AUTH_STRING"),
        (Refused("", code="not_authorised"), {"PREFECT_API_AUTH_STRING": "a:b"}, "login", "correct PREFECT_API_AUTH"),
        (Refused("", code="not_authorised"), {"PREFECT_API_KEY": "k"}, "login", "correct PREFECT_API_KEY"),
        (Refused("", code="not_a_prefect_api"), {}, "server", "ends in /api"),
        (Unreachable("down"), {}, "server", "start the server"),
    ],
)
def test_each_way_of_not_being_answered_has_its_remedy(error: Any, environ: Any, check: str, mend: str) -> None:
    """A 401 without a login, with a wrong one, something else at the address, nothing there."""
    verdict = server.trouble(error, FAR, environ)
    assert (verdict.check, verdict.severity) == (check, Severity.BAD) and mend in verdict.mend


@pytest.mark.parametrize(
    ("theirs", "severity"),
    [("3.8.8", "good"), ("3.8.10", "good"), ("3.8.2", "warning"), ("3.9.0", "bad"), ("2.20.1", "bad")],
)
def test_the_server_is_of_the_supported_series_and_not_older(theirs: str, severity: str) -> None:
    """Numbers are compared, not texts."""
    assert server.release(theirs, "3.8.8", FAR).severity == severity


@pytest.mark.parametrize(
    ("asks", "url", "severity"),
    [
        (False, "http://127.0.0.1:4200/api", "good"),
        (False, FAR, "warning"),
        (True, "http://prefect.example/api", "warning"),
        (True, FAR, "good"),
    ],
)
def test_an_api_for_everybody_or_in_clear_is_told(asks: bool, url: str, severity: str) -> None:
    """No login is for this machine alone; a login belongs behind TLS."""
    assert server.login(asks, url, {"PREFECT_API_AUTH_STRING": "a:b"}).severity == severity


def test_a_pool_that_stands_still_is_wrong_with_the_command_that_starts_it() -> None:
    """Paused, or with no place."""
    assert said(pool.template(a_pool(is_paused=True), TEMPLATE)) == ("bad", "prefect work-pool resume bq-copilot")
    closed = pool.template(a_pool(concurrency_limit=0), TEMPLATE)
    assert said(closed) == ("bad", "prefect work-pool clear-concurrency-limit bq-copilot")


def test_a_process_template_is_compared_without_what_is_the_machine_s_own() -> None:
    """Another folder is no difference; another default is."""
    other = deepcopy(TEMPLATE)
    other["variables"]["properties"]["working_dir"]["default"] = "/app"
    assert pool.template(a_pool(base_job_template=other), TEMPLATE).severity is Severity.GOOD
    assert "/app" in pool.template(a_pool(base_job_template=other), TEMPLATE).found
    other["variables"]["properties"]["stream_output"] = {"default": True}
    assert said(pool.template(a_pool(base_job_template=other), TEMPLATE)) == ("warning", pool.PROVISION)


def test_containers_that_would_be_started_again_by_themselves_are_told() -> None:
    """Our own template is right; with a back-off of Kubernetes' own it is not."""
    ours = json.loads((HERE / "kubernetes.json").read_text())
    assert pool.template(a_pool(type="kubernetes", base_job_template=ours), {}).severity is Severity.GOOD
    ours["variables"]["properties"]["backoff_limit"]["default"] = 6
    verdict = pool.template(a_pool(type="kubernetes", base_job_template=ours), {})
    assert verdict.severity is Severity.WARNING and "backoff_limit is 6" in verdict.found


@pytest.mark.parametrize(
    ("change", "severity", "mend"),
    [
        ({}, "good", ""),
        ({"is_paused": True}, "bad", "prefect work-queue resume interactive --pool bq-copilot"),
        ({"concurrency_limit": 0}, "bad", "prefect work-queue clear-concurrency-limit interactive --pool bq-copilot"),
        ({"priority": 9_000_000}, "warning", pool.PROVISION),
        ({"name": "other"}, "bad", pool.PROVISION),
    ],
)
def test_queues_must_be_there_open_and_in_order(change: dict[str, Any], severity: str, mend: str) -> None:
    """Each fault of one queue is found."""
    found = [QUEUES[0] | change, *QUEUES[1:]]
    assert said(pool.queues(found, PoolSpec().queues)) == (severity, mend)


def test_nobody_who_takes_runs_is_wrong_and_a_silent_one_is_told() -> None:
    """Online is what the server says; a worker that fell silent long ago was taken away."""
    on = {"name": "a", "status": "ONLINE", "last_heartbeat_time": ago(3)}
    off = {"name": "b", "status": "OFFLINE", "last_heartbeat_time": ago(600)}
    nobody = pool.workers([off], NOW)
    assert nobody.severity is Severity.BAD and "b, 10 min ago" in nobody.found and "deployments.host" in nobody.mend
    assert "never" in pool.workers([], NOW).found
    assert "prefect worker start" in pool.workers([], NOW, "kubernetes").mend
    assert pool.workers([on, off], NOW).severity is Severity.WARNING
    assert pool.workers([on, off | {"last_heartbeat_time": ago(90_000)}], NOW).severity is Severity.GOOD


def test_runs_are_late_when_they_wait_for_more_than_a_moment() -> None:
    """The oldest one is named by its age."""
    assert pool.late([{"expected_start_time": ago(20)}], NOW).severity is Severity.GOOD
    verdict = pool.late([{"expected_start_time": ago(900)}, {"expected_start_time": ago(90)}], NOW)
    assert verdict.severity is Severity.WARNING and "2 should have begun, the first one 15 min ago" in verdict.found


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({}, "good"),
        ({"work_pool_name": None}, "bad"),
        ({"entrypoint": "elsewhere.py:analyze"}, "bad"),
        ({"parameter_openapi_schema": {}}, "bad"),
        ({"version": "v0"}, "warning"),
    ],
)
def test_a_deployment_must_be_of_this_code(change: dict[str, Any], severity: str) -> None:
    """Entry and parameters must fit; another version alone is told."""
    assert deployed.deployment(PRESENT | change, SPEC).severity == severity
    assert deployed.deployment(None, SPEC).severity is Severity.BAD


def test_series_of_older_code_are_told() -> None:
    """Follow-ups run the code of the deployment that they were made like."""
    stale = PRESENT | {"name": "s", "version": "v0"}
    assert said(deployed.series([stale, PRESENT | {"name": "t"}], PRESENT)) == ("warning", pool.PROVISION)
    assert deployed.series([], PRESENT).severity is Severity.GOOD


def test_limits_types_and_the_automation_must_be_there_and_on() -> None:
    """What is missing is provisioned; what somebody switched off is named."""
    there: dict[str, Any] = {limit.name: {"limit": 5, "active": True} for limit in LIMITS}
    first = LIMITS[0].name
    assert deployed.limits(there, LIMITS).severity is Severity.GOOD
    assert said(deployed.limits(there | {first: None}, LIMITS)) == ("warning", pool.PROVISION)
    assert deployed.limits(there | {first: {"limit": 0, "active": True}}, LIMITS).severity is Severity.BAD
    off = deployed.limits(there | {first: {"limit": 5, "active": False}}, LIMITS)
    assert said(off) == ("warning", f"prefect gcl enable {first}")
    assert said(deployed.types(["a", "b"], ["a"])) == ("warning", pool.PROVISION)
    assert deployed.automation([{"enabled": True}]).severity is Severity.GOOD
    assert "automation resume" in deployed.automation([{"enabled": False}]).mend
    assert pool.PROVISION in deployed.automation([]).mend
