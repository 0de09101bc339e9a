"""Places that all runs share: Prefect's global concurrency and rate limits, which provisioning creates.

Decides: what a step must have before it asks. A place that is not free is a recorded wait like any other, never a
block in silence. A limit that an operator deleted limits nothing; a server that does not answer is an outage.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from bq_copilot.errors import Transient
from tasks.run import Run

JOBS = "bq-copilot-jobs"
"""Jobs on the warehouse at once."""

MODEL = "bq-copilot-model"
"""Calls of the model in a while."""

AGAIN = 5.0
"""Seconds until a recorded wait for a place is over, where the server does not say."""

HOLD = 90.0
"""Seconds after which the place of a process that died is free again."""


@dataclass
class Place:
    """One place that a job holds."""

    lease: UUID
    kept: float
    """Monotonic time of the last renewal."""


async def for_turn() -> None:
    """Take one of the model's calls. Raises Transient when there is none now."""
    if not flow_run.id:
        return
    async with get_client() as client:
        try:
            await client.increment_concurrency_slots([MODEL], 1, "rate_limit")
        except httpx.HTTPStatusError as error:
            raise _full(error, "the model is asked as often as its limit allows") from error


async def for_job(run: Run, query: str) -> None:
    """Hold a place for a job. Raises Transient when there is none now."""
    if not flow_run.id or query in run.places:
        return
    async with get_client() as client:
        try:
            answer = await client.increment_concurrency_slots_with_lease([JOBS], 1, "concurrency", HOLD)
        except httpx.HTTPStatusError as error:
            raise _full(error, "as many jobs run as may at once") from error
    run.places[query] = Place(UUID(answer.json()["lease_id"]), time.monotonic())


async def keep(run: Run, query: str) -> None:
    """Renew the place of a job that goes on; a server that does not answer is asked again later."""
    place = run.places.get(query)
    if place is None or time.monotonic() - place.kept < HOLD / 3:
        return
    place.kept = time.monotonic()
    with suppress(httpx.HTTPStatusError, httpx.TransportError):
        async with get_client() as client:
            await client.renew_concurrency_lease(place.lease, HOLD)


async def give_back(run: Run) -> None:
    """Give back the places of jobs that are over; what cannot be given back is free again after `HOLD`."""
    live = {job.intent.query for job in run.state.live_jobs}
    for query in [q for q in run.places if q not in live]:
        place = run.places.pop(query)
        with suppress(httpx.HTTPStatusError, httpx.TransportError):
            async with get_client() as client:
                await client.release_concurrency_slots_with_lease(place.lease)


def _full(error: httpx.HTTPStatusError, reason: str) -> Exception:
    """Return the wait for a place; any other answer of the server's is what it is."""
    if error.response.status_code != httpx.codes.LOCKED:
        return error
    said = error.response.headers.get("Retry-After", "")
    seconds = float(said) if said.replace(".", "", 1).isdigit() else AGAIN
    return Transient(reason, code="no_place", retry_after=max(0.5, min(seconds, 30.0)), tried=False)
