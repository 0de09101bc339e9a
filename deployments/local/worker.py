"""`python -m deployments.local.worker`: provision the server, then become Prefect's process worker.

Decides: nothing about runs. Never does: start before the server answers and its work pool, queues, blocks and
deployments are in place. Why this shape: imports take longer than anything else here, so they happen while the server
starts, and provisioning rides in the same process for the same reason.
"""

from __future__ import annotations

import os
import sys

from prefect.cli import app as prefect_cli

from deployments.local import nudged_worker  # noqa: F401 - takes the place of Prefect's class
from deployments.local.environment import WORK_POOL, WORKER_NAME
from deployments.local.home import Home
from deployments.local.probes import request
from deployments.local.records import read_record
from deployments.local.waiting import wait_until
from deployments.provision import load_plan, provision

_SERVER_SECONDS = 120.0


def main() -> None:
    """Does not return before the worker ends."""
    plan = load_plan(read_record(Home.of(os.environ)))
    api = os.environ["PREFECT_API_URL"]
    if not wait_until(lambda: request("GET", f"{api}/health") is not None, _SERVER_SECONDS):
        sys.exit(f"no answer from {api} for {_SERVER_SECONDS:.0f} s")
    for change in provision(plan):
        print(change)
    sys.argv = ["prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process", "--name", WORKER_NAME]
    prefect_cli()


if __name__ == "__main__":
    main()
