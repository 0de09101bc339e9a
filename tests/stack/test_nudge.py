"""The worker of the local stack looks into its queues when it is told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prefect.workers.process import ProcessWorker

from bq_copilot.installation import Installation
from deployments.local.home import HOME_VARIABLE, Home
from deployments.local.nudged_worker import NudgedWorker


def installation(worker_socket: str) -> Installation:
    return Installation(api_url="", ledger_url="", results="", found="a test", worker_socket=worker_socket)


async def nothing(*_arguments: object) -> None:
    """What Prefect's own worker does is not looked at here."""


async def test_a_nudge_makes_the_worker_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look for a nudge, without waiting for the next poll."""
    home = Home(tmp_path)
    home.create()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(ProcessWorker, "setup", nothing)
    monkeypatch.setattr(ProcessWorker, "teardown", nothing)
    worker, looked = NudgedWorker(work_pool_name="pool"), asyncio.Event()

    async def look() -> list[object]:
        looked.set()
        return []

    monkeypatch.setattr(worker, "get_and_submit_flow_runs", look)
    await worker.setup()
    try:
        assert not looked.is_set()
        installation(str(home.worker_socket)).nudge()
        await asyncio.wait_for(looked.wait(), 5)
    finally:
        await worker.teardown()


def test_a_worker_that_is_not_there_is_not_missed(tmp_path: Path) -> None:
    """It looks by itself when it is back: the client has nothing to say about it."""
    installation(str(tmp_path / "worker.sock")).nudge()
    installation("").nudge()
    assert list(tmp_path.iterdir()) == []


def test_the_worker_type_is_prefects_own() -> None:
    """The work pool stays an ordinary process pool."""
    assert NudgedWorker.type == ProcessWorker.type
    assert issubclass(NudgedWorker, ProcessWorker)
