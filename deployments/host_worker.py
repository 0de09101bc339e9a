"""`python -m deployments.host_worker`: wait for the provisioned work pool, then become Prefect's process worker.

Decides: the worker's name, which says on which host it runs. Never does: provision; a host that joins with older code
must not take a newer deployment back. Why this shape: Prefect's own worker would create a missing pool with its own
defaults, so it is not started before the pool is there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import httpx
from prefect.cli import app as prefect_cli
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.local import nudged_worker  # noqa: F401 - takes the place of Prefect's class
from deployments.local.environment import WORK_POOL

PAUSE_SECONDS = 1.0


def name() -> str:
    """The worker's name in Prefect: the operator's word, else the host's name."""
    return os.environ.get("BQ_COPILOT_WORKER_NAME") or f"bq-copilot-{socket.gethostname()}"


async def provisioned(pool: str = WORK_POOL) -> None:
    """Return when the server answers and has the work pool; says once what it waits for."""
    told = ""
    while why := await _missing(pool):
        if why != told:
            print(why, flush=True)
        told = why
        await asyncio.sleep(PAUSE_SECONDS)


async def _missing(pool: str) -> str:
    try:
        async with get_client() as client:
            await client.read_work_pool(pool)
    except ObjectNotFound:
        return f"waiting for the work pool {pool}: run `python -m deployments.provision` once"
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        return f"waiting for the Prefect server: {error}"
    return ""


def main() -> None:
    """Does not return before the worker ends."""
    asyncio.run(provisioned())
    sys.argv = ["prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process", "--name", name()]
    prefect_cli()


if __name__ == "__main__":
    main()
