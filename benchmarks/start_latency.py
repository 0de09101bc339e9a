"""`python -m benchmarks.start_latency [runs]`: how long a flow run waits for its process, plain and warm.

Starts a stack of its own (server, warm runner, worker) in a temporary folder. Plain is Prefect's engine as the work
pool's command, `python -m prefect.engine`; warm is the launcher and the preloaded interpreter. Times in milliseconds.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from deployments.local import stack
from deployments.local.home import PROJECT_ROOT, Home
from deployments.local.waiting import wait_until

PLAIN = {"command": shlex.join([sys.executable, "-m", "prefect.engine"])}
WARM: dict[str, str] = {}
PROJECT_FILE = PROJECT_ROOT / "tests" / "stack" / "project" / "prefect.yaml"


class Bench:
    """Flow runs of one stack, with the times of their states."""

    def __init__(self, api_url: str, home: Home) -> None:
        self._api_url = api_url
        self._home = home

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON; SQLite's 503 is tried again, on a new connection: the server closes that one."""
        answers: list[httpx.Response] = []

        def answered() -> bool:
            answers.append(httpx.request(method, self._api_url + path, json=body, timeout=30))
            return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        wait_until(answered, 20, every=0.1)
        answers[-1].raise_for_status()
        return answers[-1].json()

    def start(self, flow: str, variables: dict[str, str]) -> str:
        deployment = self.call("GET", f"deployments/name/{flow}/probe")["id"]
        body = {"job_variables": variables, "state": {"type": "SCHEDULED"}}
        return self.call("POST", f"deployments/{deployment}/create_flow_run", body)["id"]

    def reach(self, run: str, name: str) -> dict[str, float]:
        """Wait for a state; the Unix time of each state so far."""
        if not wait_until(lambda: self.call("GET", f"flow_runs/{run}")["state"]["name"] == name, 60):
            raise SystemExit(f"flow run {run} did not become {name}")
        states = self.call("GET", f"flow_run_states/?flow_run_id={run}")
        return {s["name"]: datetime.fromisoformat(s["timestamp"]).timestamp() for s in states}

    def starts(self, variables: dict[str, str]) -> tuple[float, float]:
        """Pending to Running, and created to Running, of one run."""
        at = self.reach(self.start("nap", variables), "Completed")
        return at["Running"] - at["Pending"], at["Running"] - at["Scheduled"]

    def resumes(self, variables: dict[str, str]) -> float:
        """From the answer of a person to the first line of the flow in its new process."""
        run = self.start("question", variables)
        self.reach(run, "Suspended")
        told = time.time()
        self.call("POST", f"flow_runs/{run}/resume", {"run_input": {"word": "go"}})
        self.reach(run, "Completed")
        lines = (self._home.root / "traces" / run).read_text().splitlines()
        return json.loads(lines[1])["time"] - told


def summary(values: list[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{statistics.median(values) * 1000:,.0f} / {p95 * 1000:,.0f} / {ordered[0] * 1000:,.0f}"


def measure(bench: Bench, count: int) -> Table:
    table = Table("median / p95 / best, ms", "plain process", "warm", box=None, pad_edge=False)
    both = [[bench.starts(way) for _ in range(count)] for way in (PLAIN, WARM)]
    table.add_row("Pending -> Running", *(summary([first for first, _ in runs]) for runs in both))
    table.add_row("created -> Running", *(summary([second for _, second in runs]) for runs in both))
    resumed = [[bench.resumes(way) for _ in range(count)] for way in (PLAIN, WARM)]
    table.add_row("answer -> first line, from suspended", *map(summary, resumed))
    return table


def main(count: int = 10) -> None:
    """Print the figures of so many starts of each kind."""
    with tempfile.TemporaryDirectory(prefix="bqc-bench-") as folder:
        environ = {
            **os.environ,
            "BQ_COPILOT_HOME": str(Path(folder) / "home"),
            "BQ_COPILOT_STACK_PARTS": "server,warm,worker",
            "BQ_COPILOT_PREFECT_FILE": str(PROJECT_FILE),
        }
        home = Home.of(environ)
        started = time.monotonic()
        try:
            record = stack.up(home, environ)
            console = Console()
            console.print(f"up in {time.monotonic() - started:.1f} s; load average {os.getloadavg()[0]:.1f}")
            console.print(measure(Bench(f"{record.prefect_api_url}/", home), count))
            console.print(f"load average at the end {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        finally:
            stack.down(home)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
