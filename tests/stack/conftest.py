"""One stack for the folder: server, warm runner and worker, behind a login, started by two racing `up`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployments.local import stack
from deployments.local.home import Home
from tests.resting import may_rest
from tests.stack.runs import Runs

PROJECT = Path(__file__).parent / "project"


def environ_for(root: Path, parts: str) -> dict[str, str]:
    """The environment of a test stack in its own folder."""
    return {
        **os.environ,
        "BQ_COPILOT_HOME": str(root),
        "BQ_COPILOT_STACK_PARTS": parts,
        "BQ_COPILOT_PREFECT_FILE": str(PROJECT / "prefect.yaml"),
        "PROBE_VARIABLE": "seen",
    }


@pytest.fixture(scope="session")
def environ() -> Iterator[dict[str, str]]:
    """The shared stack's environment."""
    with tempfile.TemporaryDirectory(prefix="bqc-") as folder:
        yield environ_for(Path(folder) / "home", "server,warm,worker")


@pytest.fixture(scope="session")
def home(environ: dict[str, str]) -> Home:
    return Home.of(environ)


@pytest.fixture(scope="session")
def both_ups(request: pytest.FixtureRequest, home: Home, environ: dict[str, str]) -> Iterator[list[stack.StackRecord]]:
    """What two `up` at the same moment reported."""
    with ThreadPoolExecutor(2) as pool:
        ups = [pool.submit(stack.up, home, environ, auth=True) for _ in range(2)]
        try:
            may_rest(request.config, lambda: stack.down(home, hard=True))
            yield [up.result() for up in ups]
        finally:
            stack.down(home, hard=True)


@pytest.fixture
def running(both_ups: list[stack.StackRecord], home: Home, environ: dict[str, str]) -> stack.StackRecord:
    """The shared stack, healthy again after whatever the last test did to it."""
    return stack.up(home, environ)


@pytest.fixture
def runs(running: stack.StackRecord, home: Home) -> Runs:
    """Starts and watches flow runs on the shared stack."""
    return Runs(running.prefect_api_url, home)
