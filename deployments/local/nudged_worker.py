"""Prefect's process worker, which also looks into its queues when somebody on this machine says so.

Decides: nothing about runs; the worker is Prefect's own, and looks when Prefect's does. A nudge saves the person who
waits half a poll. Why this shape: a nudge is a datagram without content, so a lost or forged one changes nothing;
and a module of its own, because the worker's module is executed as a program and a class can be registered once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import warnings
from typing import Any

import httpx
from prefect.workers.process import ProcessWorker

from deployments.local.home import Home

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
