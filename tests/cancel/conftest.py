"""A sandbox and an offline model for the runs that are performed without Prefect."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.sandbox.process import SandboxProcess
from tests.sandbox.seed import write_seed


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """The process that the tests of a module share."""
    seed = write_seed(tmp_path_factory.mktemp("seed"))
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"), seed).start()
    yield process
    process.stop()


@pytest.fixture
def sandbox(shared_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The shared process, with no fault left armed afterwards."""
    yield shared_sandbox
    shared_sandbox.disarm()


@dataclass(frozen=True)
class ModelProcess:
    """The offline model's address, and how its faults are armed."""

    url: str

    def arm(self, kind: str, **settings: Any) -> None:
        """Arm one fault."""
        httpx.post(f"{self.url}/faults", json={"kind": kind, **settings}).raise_for_status()


@pytest.fixture(scope="module")
def shared_model() -> Iterator[ModelProcess]:
    """An offline model of the module's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "deployments.local.offline_model", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield ModelProcess(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def offline_model(shared_model: ModelProcess) -> Iterator[ModelProcess]:
    """The shared model, with no fault left armed afterwards."""
    yield shared_model
    httpx.delete(f"{shared_model.url}/faults")
