"""A sandbox process for tests: started on a free port, killed or stopped, started again on the same folder."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from deployments.local.sandbox_environment import sandbox_command, sandbox_variables
from tests.sandbox.seed import PROJECT
from tests.waiting import until

# would take days, and the engine looks up often enough to be interrupted
ENDLESS = (
    "SELECT COUNT(*) n FROM shop.orders a, shop.orders b, shop.orders c "
    "WHERE MOD(a.order_id + b.order_id, 7) = MOD(c.order_id, 11)"
)


class SandboxProcess:
    """One sandbox on one data folder."""

    def __init__(self, data_dir: Path, seed: Path) -> None:
        self._data_dir = data_dir
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> SandboxProcess:
        """Start it and wait for the ready line."""
        port = free_port()
        self._process = subprocess.Popen(
            sandbox_command(self._data_dir, port, self._seed),
            env=sandbox_variables(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        assert ready["ready"] is True
        self.url = ready["url"]
        return self

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(20)
        finally:
            if process.stdout is not None:
                process.stdout.close()

    def client(self, user: str | None = None) -> bigquery.Client:
        """The official client, unmodified."""
        client = bigquery.Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.url},
        )
        if user is not None:
            client._http.headers["x-sandbox-user"] = user
        return client

    def arm(self, kind: str, **settings: Any) -> None:
        """Arm one fault."""
        httpx.post(f"{self.url}/faults", json={"kind": kind, **settings}).raise_for_status()

    def faults(self) -> list[dict[str, Any]]:
        """Armed faults with their hits."""
        return httpx.get(f"{self.url}/faults").json()["faults"]

    def disarm(self) -> None:
        """Forget all faults."""
        httpx.delete(f"{self.url}/faults").raise_for_status()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def new_id(prefix: str = "t") -> str:
    """A job id of this test's own."""
    return f"{prefix}_{uuid.uuid4().hex}"


def submit(client: bigquery.Client, sql: str, job_id: str, **config: Any) -> bigquery.QueryJob:
    """One `jobs.insert` with a chosen id and no retry of any kind."""
    configuration = bigquery.QueryJobConfig(**config)
    return client.query(sql, job_config=configuration, job_id=job_id, location="US", retry=None, job_retry=None)


def finished(client: bigquery.Client, job_id: str, seconds: float = 15) -> bigquery.QueryJob:
    """The job once it is DONE."""

    def done() -> bigquery.QueryJob | None:
        job = client.get_job(job_id, location="US", retry=None)
        return job if job.state == "DONE" else None

    job = until(done, seconds)
    assert job is not None
    return job


def rows_of(client: bigquery.Client, sql: str, **config: Any) -> list[tuple[Any, ...]]:
    """A query's rows as tuples."""
    configuration = bigquery.QueryJobConfig(**config)
    return [tuple(row.values()) for row in client.query(sql, job_config=configuration).result()]


def dry_run(client: bigquery.Client, sql: str, **config: Any) -> bigquery.QueryJob:
    """A dry run."""
    return client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True, **config), retry=None)
