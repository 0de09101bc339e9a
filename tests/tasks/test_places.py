"""Places that all runs share: taken before a job is intended, kept while it lives, given back when it is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bq_copilot.errors import Transient
from tasks import places


class Client:
    """Prefect's client, over a number of places."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.renewed: list[Any] = []

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def increment_concurrency_slots_with_lease(self, *_: object) -> Any:
        """Take a place, or say 423 as the server does."""
        if self.free == 0:
            request = httpx.Request("POST", "http://prefect/api")
            answer = httpx.Response(423, request=request, headers={"Retry-After": "7"})
            raise httpx.HTTPStatusError("locked", request=request, response=answer)
        self.free -= 1
        return SimpleNamespace(json=lambda: {"lease_id": str(uuid4())})

    async def renew_concurrency_lease(self, lease: Any, _seconds: float) -> None:
        """Note which lease is kept."""
        self.renewed.append(lease)

    async def release_concurrency_slots_with_lease(self, _lease: Any) -> None:
        """Free a place."""
        self.free += 1


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Two places, inside a flow run."""
    made = Client(2)
    monkeypatch.setattr(places, "get_client", lambda: made)
    monkeypatch.setattr(places, "flow_run", SimpleNamespace(id="f"))
    return made


def run_with(*live: str) -> Any:
    """A run whose queries of these names have a job that lives."""
    jobs = tuple(SimpleNamespace(intent=SimpleNamespace(query=q)) for q in live)
    return SimpleNamespace(places={}, state=SimpleNamespace(live_jobs=jobs))


async def test_a_job_that_finds_no_place_waits_as_a_recorded_wait(client: Client) -> None:
    """It is no try, and the server says for how long."""
    run = run_with("q1", "q2")
    await places.for_job(run, "q1")
    await places.for_job(run, "q2")
    with pytest.raises(Transient, match="as many jobs run as may at once") as full:
        await places.for_job(run, "q3")
    assert (full.value.retry_after, full.value.tried) == (7.0, False)


async def test_places_of_jobs_that_are_over_are_given_back(client: Client) -> None:
    """Those of living jobs are kept, and renewed in time."""
    run = run_with("q1")
    await places.for_job(run, "q1")
    await places.for_job(run, "q2")
    await places.give_back(run)
    assert (list(run.places), client.free) == (["q1"], 1)
    await places.keep(run, "q1")
    assert client.renewed == []
    run.places["q1"].kept -= places.HOLD
    await places.keep(run, "q1")
    assert client.renewed == [run.places["q1"].lease]
