"""One sandbox for the folder's tests, and a fresh one for those that kill it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from tests.sandbox.process import SandboxProcess, new_id
from tests.sandbox.seed import PROJECT, write_seed


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seed folder."""
    return write_seed(tmp_path_factory.mktemp("seed"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, seed: Path) -> Iterator[SandboxProcess]:
    """The process that most tests share."""
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"), seed).start()
    process.client().create_dataset("copilot_scratch")
    yield process
    process.stop()


@pytest.fixture
def sandbox(shared: SandboxProcess) -> Iterator[SandboxProcess]:
    """The shared process, with no fault left armed afterwards."""
    yield shared
    shared.disarm()


@pytest.fixture
def client(sandbox: SandboxProcess) -> bigquery.Client:
    """The official client on the shared process."""
    return sandbox.client()


@pytest.fixture
def mortal(tmp_path: Path, seed: Path) -> Iterator[SandboxProcess]:
    """A process of the test's own, to be killed and started again."""
    process = SandboxProcess(tmp_path / "data", seed).start()
    process.client().create_dataset("copilot_scratch")
    yield process
    process.kill()


@pytest.fixture
def scratch() -> str:
    """The full name of a table that does not exist yet."""
    return f"{PROJECT}.copilot_scratch.{new_id()}"
