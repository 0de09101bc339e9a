"""What stands around a run that is cancelled: a Prefect server with its button, a worker, the recovery service.

Decides: how Prefect and its worker behave, for one flow run; each of them can be dead. Everything that the product
does there is its own: command line, Python API, waking, recovery, and the executor that a worker starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bq_copilot.errors import Unreachable
from bq_copilot.ledger import Ledger
from bq_copilot.prefect_api import FlowRun
from bq_copilot.testing import MemoryLedger
from deployments.recovery import Recovery
from flows.analysis import outcome
from tests.cancel.play import Play

ID = "f"
"""The one flow run; `Play` records it as its own."""


@dataclass
class Server:
    """A Prefect server with one flow run."""

    ledger: Ledger
    key: str
    state: tuple[str, str] = ("SCHEDULED", "Scheduled")
    message: str = ""
    since: datetime | None = None
    down: bool = False

    def set(self, state_type: str, name: str = "", message: str = "") -> None:
        """Give the flow run another state."""
        self.state, self.message = (state_type, name or state_type.title()), message
        self.since = self.ledger.now()

    def press_cancel(self) -> None:
        """The button: what has no process is cancelled at once, what has one is to be stopped by its worker."""
        self._up()
        idle = self.state[0] == "SCHEDULED" or self.state[1] == "Suspended"
        self.set("CANCELLED" if idle else "CANCELLING")

    def _up(self) -> None:
        if self.down:
            raise Unreachable("The Prefect server does not answer.")

    # -- the calls of the product's client -----------------------------------------------------------------

    @property
    def clock(self) -> datetime:
        """The server's clock is the ledger's here."""
        return self.ledger.now()

    def _found(self, *types: str) -> list[FlowRun]:
        self._up()
        found = FlowRun(ID, "n", *self.state, self.since, self.key, "", {})
        return [found] if not types or self.state[0] in types else []

    def flow_run(self, _id: str) -> FlowRun | None:
        return self._found()[0]

    def flow_run_of(self, _key: str) -> FlowRun | None:
        return self._found()[0]

    def flow_runs(self, ids: Iterable[str]) -> dict[str, FlowRun]:
        found = self._found()[0]
        return {i: found for i in ids if i == ID}

    def flow_runs_of(self, keys: Iterable[str]) -> dict[str, FlowRun]:
        found = self._found()[0]
        return {k: found for k in keys if k == self.key}

    def active(self, _flows: object) -> list[FlowRun]:
        found = self._found("RUNNING", "PENDING", "PAUSED", "CANCELLING", "CRASHED")
        return [f for f in found if f.state_name != "Suspended"]

    def suspended(self, _flows: object, offset: int, _limit: int) -> list[FlowRun]:
        return [f for f in self._found("PAUSED") if f.state_name == "Suspended" and not offset]

    def ended(self, _flows: object, offset: int, _limit: int) -> list[FlowRun]:
        found = self._found("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
        return [] if offset else found

    def restart(self, _id: str, why: str) -> str:
        self._up()
        self.set("SCHEDULED", "Restarting", why)
        return ""

    def lost_a_cancel(self, _id: str) -> bool:
        return False

    def schedule(self, _id: str) -> str:
        self._up()
        self.set("SCHEDULED", "Resuming")
        return ""

    def resume(self, _id: str, _answers: object) -> str:
        return self.schedule(ID)

    def settle(self, _id: str, state_type: str, name: str, why: str) -> None:
        self._up()
        self.set(state_type, name, why)

    def cancelled(self, _id: str, why: str) -> None:
        self.settle(ID, "CANCELLED", "Cancelled", why)


@dataclass
class World:
    """An installation around one run; it is also what a client finds when it looks for one."""

    play: Play
    worker: bool = True
    api_url: str = "http://prefect"
    environment: str = "default"
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.server = Server(self.play.env.ledger, self.play.run_id)
        self.server.set("SCHEDULED")
        self.recovery = Recovery(self)  # type: ignore[arg-type]
        self.recovery._tries.clock = lambda: self.play.env.ledger.now().timestamp()

    @property
    def ledger(self) -> MemoryLedger:
        return self.play.env.ledger  # type: ignore[return-value]

    reader = ledger

    @property
    def api(self) -> Any:
        return self.server

    @property
    def shelf(self) -> Any:
        return self.play.env.shelf

    async def perform(self) -> str:
        """Let a process carry the run on, and Prefect hear what it came to."""
        self.server.set("RUNNING")
        came_to = await self.play.process()
        if came_to == "slept":
            self.server.set("PAUSED", "Suspended")
        elif came_to == "ended":
            end = outcome(self.play.state)
            self.server.set(end.type.value, end.name or "", end.message or "")
        elif self.worker:
            self.server.set("CRASHED")
        return came_to

    async def turn(self, times: int = 1) -> None:
        """Ten seconds pass: the recovery service looks, and a worker that lives does its work."""
        for _ in range(times):
            self.ledger.advance(10)
            try:
                self.recovery.sweep()
            except Unreachable:
                continue
            if self.worker and self.server.state[0] == "CANCELLING":
                self.server.set("CANCELLED")  # it has killed the process
            elif self.worker and self.server.state[0] == "SCHEDULED":
                await self.perform()
