"""Flow runs of a test stack, over the plain HTTP API: what a person's client would do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from deployments.local.home import Home
from deployments.local.login import login_of
from tests.waiting import until

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Runs:
    """One server's runs."""

    api_url: str
    home: Home

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON; repeated while SQLite says 503, as Prefect's own client does."""
        answers: list[httpx.Response] = []

        def answered() -> bool:
            user, _, password = login_of(self.home).partition(":")
            asked = {"json": body, "auth": (user, password) if user else None, "timeout": 20}
            answers.append(httpx.request(method, f"{self.api_url}{path}", **asked))
            return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        until(answered, 20, every=0.2)
        answers[-1].raise_for_status()
        return answers[-1].json() if answers[-1].content else None

    def start(self, flow: str, variables: dict[str, Any] | None = None, **parameters: Any) -> str:
        deployment = self.call("GET", f"/deployments/name/{flow}/probe")
        body = {"parameters": parameters, "job_variables": variables or {}, "state": {"type": "SCHEDULED"}}
        return self.call("POST", f"/deployments/{deployment['id']}/create_flow_run", body)["id"]

    def read(self, run: str) -> dict[str, Any]:
        return self.call("GET", f"/flow_runs/{run}")

    def state(self, run: str) -> str:
        return self.read(run)["state"]["name"]

    def states(self, run: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/flow_run_states/?flow_run_id={run}")

    def ended(self, run: str, seconds: float = 30) -> dict[str, Any]:
        """The run's final state."""
        until(lambda: self._final(run), seconds)
        return self.read(run)["state"]

    def _final(self, run: str) -> bool:
        return self.read(run)["state"]["type"] in FINAL

    def trace(self, run: str) -> list[dict[str, Any]]:
        """What the flow wrote down about itself."""
        path = self.home.root / "traces" / run
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def begun(self, run: str, seconds: float = 20) -> dict[str, Any]:
        """The first thing that the flow wrote down."""
        return until(lambda: self.trace(run), seconds)[0]

    def launcher(self, run: str) -> int:
        """Pid of the worker's child that stands for the run."""
        return int(until(lambda: self.read(run)["infrastructure_pid"], 10))

    def set_state(self, run: str, kind: str) -> None:
        self.call("POST", f"/flow_runs/{run}/set_state", {"state": {"type": kind}})
