"""`python -m deployments.local.worker`: provision the server, then become Prefect's process worker that can be nudged.

Decides: nothing about runs; the worker is Prefect's own, and looks into its queues when Prefect's does. It also looks
when somebody on this machine says that there is something to do, which saves the person who waits half a poll. Never
does: start before the server answers and its work pool, queues, blocks and deployments are in place. Why this shape:
imports take longer than anything else here, so they happen while the server starts, and provisioning rides in the
same process for the same reason; a nudge is a datagram without content, so a lost or forged one changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import warnings
from typing import Any

import httpx
from prefect.cli import app as prefect_cli
from prefect.workers.process import ProcessWorker

from deployments.local.environment import WORK_POOL, WORKER_NAME
from deployments.local.home import Home
from deployments.local.probes import request
from deployments.local.records import read_record
from deployments.local.waiting import wait_until
from deployments.provision import load_plan, provision

_SERVER_SECONDS = 120.0

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # it takes the place of Prefect's class under the same name

    class NudgedWorker(ProcessWorker):
        """Prefect's process worker, which also looks into its queues when it is told to."""

        type = "process"

        async def setup(self) -> None:
            """Listen for as long as the worker lives."""
            await super().setup()
            self._looks = set[asyncio.Task[Any]]()
            loop = asyncio.get_running_loop()
            self._line, _ = await loop.create_datagram_endpoint(lambda: _Nudges(self), sock=_socket())

        async def teardown(self, *exc_info: Any) -> None:
            """Stop listening."""
            self._line.close()
            await super().teardown(*exc_info)

        def nudge(self) -> None:
            """Look once, beside the regular looks; a run that is being submitted is not submitted twice."""
            if not self._looks:
                look = asyncio.get_running_loop().create_task(self._look())
                self._looks.add(look)
                look.add_done_callback(self._looks.discard)

        async def _look(self) -> None:
            try:
                await self.get_and_submit_flow_runs()
            except httpx.HTTPError as error:
                self._logger.debug("a nudged look failed: %s", error)  # the next regular one tells


class _Nudges(asyncio.DatagramProtocol):
    """Whatever arrives means: look now."""

    def __init__(self, worker: NudgedWorker) -> None:
        self._worker = worker

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Look; what the datagram says does not matter."""
        self._worker.nudge()


def _socket() -> socket.socket:
    path = Home.of(os.environ).worker_socket
    path.unlink(missing_ok=True)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    old = os.umask(0o177)
    line.bind(str(path))
    os.umask(old)
    return line


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
