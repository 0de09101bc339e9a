"""The settings of a Prefect server with replicas: known to Prefect, and doing what they are for on a real Redis."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.settings.models.root import Settings

from deployments.local.home import PROJECT_ROOT
from tests.sandbox.process import free_port
from tests.waiting import until

LINES = (PROJECT_ROOT / "deployments" / "server.env").read_text().splitlines()
VARIABLES = dict(line.split("=", 1) for line in LINES if line and not line.startswith("#"))
MODULES = {
    "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": ("Publisher", "Consumer", "ephemeral_subscription"),
    "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": ("Cache",),
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": ("CausalOrdering",),
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": ("ConcurrencyLeaseStorage",),
}


def _named(settings: Any, name: str) -> Any:
    """The value of the setting that this variable sets; fails when there is none."""
    value, left = settings, name.removeprefix("PREFECT_").lower()
    while left:
        fields = sorted((f for f in type(value).model_fields if left == f or left.startswith(f"{f}_")), key=len)
        assert fields, f"{name} sets nothing"
        value, left = getattr(value, fields[-1]), left[len(fields[-1]) :].strip("_")
    return value


def test_every_variable_sets_a_setting_of_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt or renamed one would be ignored without a word, and each replica would be alone."""
    from prefect_redis.client import RedisMessagingSettings

    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    for name, value in VARIABLES.items():
        if name.startswith("PREFECT_REDIS_"):
            continue
        found = _named(settings, name)
        found = found.get_secret_value() if hasattr(found, "get_secret_value") else found
        assert str(found).lower() == value.lower(), name
    assert RedisMessagingSettings().url == VARIABLES["PREFECT_REDIS_MESSAGING_URL"]


@pytest.mark.parametrize("name", MODULES)
def test_the_modules_have_what_prefect_takes_from_them(name: str) -> None:
    """Prefect imports them by name when the server starts."""
    module = importlib.import_module(VARIABLES[name])
    assert [n for n in MODULES[name] if not hasattr(module, n)] == []


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Redis of the test's own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis server is installed (Debian: apt-get install redis-server)")
    from prefect_redis import client

    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    monkeypatch.setenv("PREFECT_REDIS_MESSAGING_URL", url)
    client._get_redis_messaging_url.cache_clear()
    try:
        until(lambda: _answers(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(20)
        client._get_redis_messaging_url.cache_clear()


def _answers(url: str) -> bool:
    import redis as library

    with suppress(library.ConnectionError):
        return bool(library.Redis.from_url(url).ping())
    return False


def test_two_replicas_share_messages_and_places(redis: str) -> None:
    """Each event is handled by one of them, and a place that one gave away is known to the other."""
    handled, holders = asyncio.run(_two_replicas(20))
    assert sorted(map(int, handled)) == list(range(20))
    assert holders == 1


async def _two_replicas(count: int) -> tuple[list[bytes], int]:
    from prefect.server.concurrency.lease_storage import ConcurrencyLimitLeaseMetadata
    from prefect_redis.client import clear_cached_clients
    from prefect_redis.lease_storage import ConcurrencyLeaseStorage
    from prefect_redis.messaging import Cache, Consumer, Publisher

    handled: list[bytes] = []
    enough = asyncio.Event()

    async def handle(message: Any) -> None:
        data = message.data
        handled.append(data.encode() if isinstance(data, str) else data)
        if len(handled) >= count:
            enough.set()

    block = timedelta(seconds=0.1)
    replicas = [Consumer("events", name=f"replica-{n}", group="one", block=block) for n in (1, 2)]
    running = [asyncio.create_task(replica.run(handle)) for replica in replicas]
    async with Publisher("events", cache=Cache()) as publisher:
        for number in range(count):
            await publisher.publish_data(str(number).encode(), {"id": str(number)})
    await asyncio.wait_for(enough.wait(), 30)
    limit = uuid4()
    await ConcurrencyLeaseStorage().create_lease([limit], timedelta(seconds=60), ConcurrencyLimitLeaseMetadata(slots=1))
    found = await ConcurrencyLeaseStorage().read_active_lease_ids()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await clear_cached_clients()
    return handled, len(found)
