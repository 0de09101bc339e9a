"""Provisioning: what is there, what changes, and what is left to its owner."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from deployments.local.home import Home
from deployments.local.login import login_of
from deployments.local.records import StackRecord
from deployments.provision import ProvisionPlan, load_plan, provision
from tests.stack.conftest import PROJECT
from tests.stack.runs import Runs

COMPARED = ("entrypoint", "description", "tags", "parameter_openapi_schema", "work_queue_name")
COMPARED += ("work_pool_name", "pull_steps", "path", "version", "parameters", "enforce_parameter_schema")


@pytest.fixture
def plan(running: StackRecord, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProvisionPlan]:
    """The test project's plan, with the shared server as the one to provision."""
    monkeypatch.setenv("BQ_COPILOT_PREFECT_FILE", str(PROJECT / "prefect.yaml"))
    login = login_of(Home(Path(running.home)))
    with temporary_settings({PREFECT_API_URL: running.prefect_api_url, PREFECT_API_AUTH_STRING: login}):
        yield load_plan(running)


def documents(runs: Runs) -> list[dict[str, Any]]:
    return [runs.call("GET", f"/deployments/name/{flow}/probe") for flow in ("nap", "question")]


def test_second_provisioning_changes_nothing(plan: ProvisionPlan) -> None:
    """The worker has provisioned already; everything agrees, and looking costs little."""
    started = time.process_time()
    assert provision(plan) == []
    assert time.process_time() - started < 2


def test_a_deployment_changed_by_hand_is_put_right(plan: ProvisionPlan, runs: Runs) -> None:
    """Deployments belong to prefect.yaml."""
    nap = runs.call("GET", "/deployments/name/nap/probe")
    runs.call("PATCH", f"/deployments/{nap['id']}", {"tags": ["other"]})
    assert provision(plan) == ["updated deployment nap/probe"]


def test_queues_have_their_priorities(plan: ProvisionPlan, runs: Runs) -> None:
    """Interactive work goes before follow-ups."""
    queues = runs.call("POST", "/work_pools/bq-copilot/queues/filter", {})
    order = [q["name"] for q in sorted(queues, key=lambda q: q["priority"])]
    assert order[-2:] == ["interactive", "follow-ups"]


def test_a_block_edited_by_hand_is_kept(plan: ProvisionPlan) -> None:
    """A new default does not overwrite what a person wrote; it does follow when nobody wrote."""
    name, block = plan.blocks[0]
    moved = block.model_copy(update={"endpoint": "http://127.0.0.1:1"})
    again = dataclasses.replace(plan, blocks=((name, moved),))
    assert provision(again) == [f"updated block {block.get_block_type_slug()}/{name}"]
    block.model_copy(update={"endpoint": "http://mine"}).save(name, overwrite=True)
    kept = provision(dataclasses.replace(plan, blocks=((name, block),)))
    assert kept == [f"kept block {block.get_block_type_slug()}/{name}: it was edited by hand"]


def test_prefect_deploy_makes_the_same_deployments(plan: ProvisionPlan, runs: Runs) -> None:
    """`prefect deploy --all` reads the same file and comes to the same result."""
    provision(plan)
    ours = documents(runs)
    login = {"PREFECT_API_AUTH_STRING": login_of(runs.home)}
    environ = {**os.environ, **login, "PREFECT_API_URL": runs.api_url, "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    subprocess.run(command, cwd=PROJECT, env=environ, check=True, capture_output=True, timeout=60)
    theirs = documents(runs)
    assert [{k: d[k] for k in COMPARED} for d in ours] == [{k: d[k] for k in COMPARED} for d in theirs]
    assert provision(plan) == []


def test_the_shared_limits_are_there_and_stay_as_the_operator_sets_them(plan: ProvisionPlan, runs: Runs) -> None:
    """Jobs at once and calls of the model are Prefect's own limits; provisioning creates them and changes none."""
    found = {x["name"]: x for x in runs.call("POST", "/v2/concurrency_limits/filter", {})}
    assert found["bq-copilot-jobs"]["slot_decay_per_second"] == 0
    assert found["bq-copilot-model"]["slot_decay_per_second"] == 2
    runs.call("PATCH", "/v2/concurrency_limits/bq-copilot-jobs", {"limit": 7})
    assert provision(plan) == []
    assert runs.call("GET", "/v2/concurrency_limits/bq-copilot-jobs")["limit"] == 7
