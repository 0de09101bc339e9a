"""One look of the recovery service as a flow: for places where no process of ours runs all the time.

The service (`python -m deployments.recovery`) looks every second and knows which processes of its host died; this
looks once, whenever its schedule says so, and rests on leases alone. Both may run beside each other, on any number of
hosts: every remedy may be repeated. It is the one flow outside `flows/`: it is about deployments, not questions.
"""

from __future__ import annotations

import asyncio
import os

from prefect import flow, get_run_logger
from prefect.settings import PREFECT_API_URL
from pydantic import Field

from bq_copilot.installation import find
from deployments.notifying import LIMIT, Notifier
from deployments.recovery import sweep


@flow(name="recover", retries=0)
async def recover(
    environment: str = Field(default="default", description="Name of the blocks whose runs are looked after."),
) -> dict[str, str]:
    """Put back to work what lost its process, expire and tell what waits; return what was done, by run."""
    environ = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""}
    at = find(environ, environment)
    done = {run_id: str(remedy) for run_id, remedy in (await asyncio.to_thread(sweep, at))}
    for key in await asyncio.to_thread(Notifier(at).look, LIMIT):
        get_run_logger().info("told: %s", key)
    for run_id, remedy in done.items():
        get_run_logger().info("%s %s", remedy, run_id)
    return done
