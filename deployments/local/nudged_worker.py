"""Prefect's process worker, made quick for somebody who waits on this machine.

Decides: nothing about runs; the worker is Prefect's own, and does what Prefect's does. It also looks into its queues
when the server of this machine says so, which saves half a poll; it claims what it takes, so that a run whose worker
dies in that moment goes on at once; and nobody waits for what only the Prefect UI shows (the state Submitting, which
would last a tenth of a second, is left out; the worker's labels are written beside the start, where they are new), nor
for Prefect's settings to be told as variables, twice a start, although they stay what they are.
Why this shape: a nudge is a datagram without content, so a lost or forged one changes nothing; and a module of its own,
because the worker's module is executed as a program and a class can be registered once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import warnings
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
from prefect.settings import Settings
from prefect.workers.process import ProcessWorker

from deployments.claims import Claims
from deployments.local.home import Home

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # it takes the place of Prefect's class under the same name

    class NudgedWorker(ProcessWorker):
        """Prefect's process worker, which also looks into its queues when it is told to."""

        type = "process"

        async def setup(self) -> None:
            """Listen for as long as the worker lives."""
            await super().setup()
            self._beside = set[asyncio.Task[None]]()
            self._looking = self._wanted = False
            self._labels = dict[UUID, Mapping[str, Any]]()
            self._claims = Claims(Home.of(os.environ).claims)
            loop = asyncio.get_running_loop()
            self._line, _ = await loop.create_datagram_endpoint(lambda: _Nudges(self), sock=_socket())

        async def teardown(self, *exc_info: Any) -> None:
            """Stop listening."""
            self._line.close()
            await super().teardown(*exc_info)

        def nudge(self) -> None:
            """Look, beside the regular looks; a run that is being submitted is not submitted twice.

            A nudge during a look leads to one more: what it is about may have come after that look's question.
            """
            self._wanted = True
            if not self._looking:
                self._looking = True
                self._do_beside(self._look())

        async def _look(self) -> None:
            try:
                while self._wanted:
                    self._wanted = False
                    await self.get_and_submit_flow_runs()
            finally:
                self._looking = False

        async def _submit_run(self, flow_run: FlowRun) -> None:
            self._labels[flow_run.id] = flow_run.labels
            try:
                with self._claims.held(str(flow_run.id)):
                    await super()._submit_run(flow_run)
            finally:
                del self._labels[flow_run.id]

        async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
            """It is Pending until its process calls it Running."""

        async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
            if self._labels.get(flow_run_id, {}).get("prefect.worker.name") != self.name:
                self._do_beside(super()._give_worker_labels_to_flow_run(flow_run_id))

        def _do_beside(self, work: Coroutine[Any, Any, None]) -> None:
            task = asyncio.get_running_loop().create_task(self._quietly(work))
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)

        async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
            try:
                await work
            except httpx.HTTPError as error:
                self._logger.debug("not done beside the start: %s", error)  # the next regular look tells


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


def _tell_settings_once() -> None:
    """Keep what Prefect's settings are as variables of a process: 20 ms each time, and nothing changes them here."""
    tell = Settings.to_environment_variables
    told: list[tuple[Settings, tuple[bool, ...], dict[str, str]]] = []

    def to_environment_variables(
        self: Settings, exclude_unset: bool = False, include_secrets: bool = True, include_aliases: bool = False
    ) -> dict[str, str]:
        how = (exclude_unset, include_secrets, include_aliases)
        known = next((found for settings, asked, found in told if settings is self and asked == how), None)
        if known is None:
            known = tell(self, *how)
            told.append((self, how, known))
        return known.copy()

    Settings.to_environment_variables = to_environment_variables


_tell_settings_once()
