"""The phase of a run as a tag of its flow run, so that Prefect's list can be read and filtered by it.

Decides when it is written: beside the run's work and never before it; phases that last less than a moment are left
out, the one that a process ends in is not. Never decides anything about the run: a tag that cannot be written is left
as it is, and the next one says more anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from bq_copilot.phases import Phase
from bq_copilot.safe_text import clip
from bq_copilot.state import RunState
from bq_copilot.waking import NAME_LENGTH

PHASE, REQUESTER = "phase:", "by:"

SETTLED = 0.3
"""Seconds that a phase lasts before it is worth a call."""

PATIENCE = 2.0
"""Seconds that the last tag may take: a run is given back whether Prefect shows its phase or not."""

Write = Callable[[str, list[str], str], Awaitable[None]]


async def write_tags(flow_run_id: str, tags: list[str], name: str) -> None:
    """Put these tags in the place of the flow run's own ones; others' tags stay. An empty name changes nothing."""
    others = [tag for tag in flow_run.tags if not tag.startswith((PHASE, REQUESTER))]
    named: dict[str, Any] = {"name": name} if name else {}
    async with get_client() as client:
        await client.update_flow_run(UUID(flow_run_id), tags=[*others, *tags], **named)


class PhaseTag:
    """Keeps the tag of one flow run up with its run."""

    def __init__(self, flow_run_id: str, write: Write = write_tags, settled: float = SETTLED) -> None:
        self._flow_run_id, self._write, self._settled = flow_run_id, write, settled
        self._wanted: list[str] = []
        self._shown: list[str] = []
        self._name = ""
        self._moving = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def hear(self, state: RunState) -> None:
        """Take in where the run stands; returns at once."""
        self._wanted = tags_of(state.phase, state.requester)
        self._name = clip(state.question, NAME_LENGTH)  # in Prefect it may have its series, or a name that was drawn
        if self._flow_run_id and self._wanted != self._shown and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Write what is left to write."""
        self._moving.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=PATIENCE)
            if self._task is not None:
                self._task.cancel()

    async def _follow(self) -> None:
        while self._wanted != self._shown:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moving.wait(), self._settled)
            self._shown = self._wanted
            with suppress(PrefectException, httpx.HTTPError):
                await self._write(self._flow_run_id, self._shown, self._name)
        self._task = None


def tags_of(phase: Phase, requester: str) -> list[str]:
    """Return the tags of a run that stands there."""
    return [f"{PHASE}{phase}", *([f"{REQUESTER}{clip(requester, 60)}"] if requester else [])]
