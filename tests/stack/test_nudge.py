"""The worker of the local stack looks into its queues when the server says so, and claims what it takes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings import Settings, get_current_settings
from prefect.workers.process import ProcessWorker
from starlette.types import Message, Receive, Scope, Send

from deployments.claims import Claims
from deployments.local.home import HOME_VARIABLE, Home
from deployments.local.nudged_worker import NudgedWorker
from deployments.local.nudging import Nudging

RUN = "/api/flow_runs/11111111-1111-4111-8111-111111111111"


async def nothing(*_arguments: object) -> None:
    """What Prefect's own worker does is not looked at here."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The folder of a stack without processes."""
    home = Home(tmp_path)
    home.create()
    return home


@pytest.fixture
async def worker(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NudgedWorker]:
    """A worker that listens and has no server."""
    monkeypatch.setenv(HOME_VARIABLE, str(home.root))
    monkeypatch.setattr(ProcessWorker, "setup", nothing)
    monkeypatch.setattr(ProcessWorker, "teardown", nothing)
    worker = NudgedWorker(work_pool_name="pool", name="here")
    await worker.setup()
    yield worker
    await worker.teardown()


def tell(home: Home) -> None:
    """Send what the server sends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(b"look", str(home.worker_socket))


async def test_a_nudge_makes_the_worker_look(home: Home, worker: NudgedWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look for a nudge, without waiting for the next poll; one more for a nudge that comes during a look."""
    looks = 0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def look() -> list[object]:
        nonlocal looks
        looks += 1
        begun.set()
        await go_on.wait()
        return []

    monkeypatch.setattr(worker, "get_and_submit_flow_runs", look)
    tell(home)
    await asyncio.wait_for(begun.wait(), 5)
    tell(home)
    await asyncio.sleep(0.05)
    assert looks == 1
    begun.clear()
    go_on.set()
    await asyncio.wait_for(begun.wait(), 5)
    await asyncio.sleep(0.05)
    assert looks == 2


async def test_what_is_taken_is_claimed_until_its_process_is_there(
    home: Home, worker: NudgedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its labels are written only where they are new, after the start and not before it."""
    order: list[str] = []
    names = []

    async def submit(self: NudgedWorker, flow_run: Any) -> None:
        names.append([path.name for path in home.claims.iterdir()])
        await self._propose_submitting_state(flow_run)
        await self._give_worker_labels_to_flow_run(flow_run.id)
        order.append("started")

    async def label(_self: NudgedWorker, _flow_run_id: object) -> None:
        order.append("labelled")

    monkeypatch.setattr(ProcessWorker, "_submit_run", submit)
    monkeypatch.setattr(ProcessWorker, "_give_worker_labels_to_flow_run", label)
    for labels in ({}, {"prefect.worker.name": "here"}):
        flow_run: Any = SimpleNamespace(id=uuid4(), labels=labels)
        await worker._submit_run(flow_run)
        await asyncio.sleep(0)
        assert names.pop() == [str(flow_run.id)]
        assert not Claims(home.claims).is_lost(str(flow_run.id), "PENDING")
    assert list(home.claims.iterdir()) == []
    assert order == ["started", "labelled", "started"]


def test_the_worker_type_is_prefects_own() -> None:
    """The work pool stays an ordinary process pool, and what is done otherwise is there to be done otherwise."""
    assert NudgedWorker.type == ProcessWorker.type
    assert issubclass(NudgedWorker, ProcessWorker)
    for name in ("_submit_run", "_propose_submitting_state", "_give_worker_labels_to_flow_run"):
        assert asyncio.iscoroutinefunction(getattr(ProcessWorker, name))


def test_settings_are_told_once_and_nobody_can_change_what_was_told() -> None:
    """Each caller has a copy; another question and other settings have another answer."""
    settings = get_current_settings()
    first = settings.to_environment_variables()
    before = dict(first)
    first["PREFECT_API_URL"] = "changed"
    assert settings.to_environment_variables() == before
    assert settings.to_environment_variables(exclude_unset=True) != before
    assert Settings().to_environment_variables(exclude_unset=True) != before


async def asked(app: Nudging, method: str, path: str, body: bytes = b"") -> None:
    """Send one request through."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message: Message) -> None: ...

    await app({"type": "http", "method": method, "path": path}, receive, send)


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", f"{RUN}/resume", b"{}", True),
        ("POST", "/api/deployments/11111111-1111-4111-8111-111111111111/create_flow_run", b"{}", True),
        ("POST", f"{RUN}/set_state", b'{"state":{"type":"SCHEDULED"}}', True),
        ("POST", f"{RUN}/set_state", b'{"state":{"type":"RUNNING"}}', False),
        ("GET", RUN, b"", False),
        ("POST", "/api/flow_runs/filter", b'{"type":"SCHEDULED"}', False),
    ],
)
async def test_the_server_tells_the_worker_of_what_is_in_a_queue(
    home: Home, method: str, path: str, body: bytes, told: bool
) -> None:
    """After the request and not before it; of nothing else; and a worker that is not there is not missed."""
    order: list[str] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        order.append("done")

    nudging = Nudging(app, home.worker_socket)
    await asked(nudging, method, path, body)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(home.worker_socket))
        line.setblocking(False)
        await asked(nudging, method, path, body)
        try:
            heard = line.recv(10)
        except BlockingIOError:
            heard = b""
    assert heard == (b"look" if told else b"")
    assert order == ["done", "done"]
