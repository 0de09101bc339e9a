"""A centre (PostgreSQL, Prefect server, sandbox, offline model) and worker hosts in namespaces of their own.

Decides: what the hosts share (the Prefect API, the ledger's address in its block, one results folder) and how one of
them dies: its first process gets a SIGKILL, and the kernel kills all others of its pid namespace with it. Why this
shape: in a namespace of its own a host has its own name and its own pids, so nobody can look at another host's
processes, and a pid that is read from a lease of another host names some other process or none.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from prefect.settings import PREFECT_API_URL, temporary_settings

from bq_copilot.client import RunHandle
from deployments.local import stack
from deployments.local.home import HOME_VARIABLE, PROJECT_ROOT, Home
from deployments.local.plan import DATABASE_VARIABLE, LEDGER_VARIABLE, PARTS_VARIABLE
from deployments.local.records import read_record
from deployments.provision import load_plan, provision
from tests import postgres
from tests.live import Live
from tests.scale_out import databases
from tests.waiting import until

NAMESPACES = ("unshare", "--pid", "--fork", "--uts", "--mount-proc", "--kill-child")
NAMED = ("sh", "-c", 'hostname "$0" && exec "$@"')
OURS = ("BQ_COPILOT_", "PREFECT_", "OPENAI_")


@cache
def namespaces() -> tuple[str, ...]:
    """The command that runs another one as a host of its own; empty where the kernel does not let us."""
    for more in ((), ("--user", "--map-root-user")):
        command = (*NAMESPACES, *more)
        if shutil.which("unshare") and _runs([*command, *NAMED, "host", "true"]):
            return command
    return ()


def _runs(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def missing() -> str:
    """Why there can be no hosts here; empty when there can."""
    if postgres.binaries() is None:
        return "no PostgreSQL server is installed (Debian: apt-get install postgresql)"
    return "" if namespaces() else "this kernel does not let us make pid namespaces"


@dataclass
class Arena:
    """The centre, and the hosts that live."""

    centre: Live
    folder: Path
    hosts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    def start(self, name: str) -> None:
        """Start a worker host; it joins when it is ready."""
        environ = _clean() | {
            HOME_VARIABLE: str(self.folder / name),
            "PREFECT_API_URL": self.centre.record.prefect_api_url,
            "PREFECT_RESULTS_LOCAL_STORAGE_PATH": self.centre.record.results_dir,
        }
        command = [*namespaces(), *NAMED, name, sys.executable, "-m", "deployments.host"]
        (self.folder / name).mkdir()
        with (self.folder / name / "host.log").open("wb") as log:
            self.hosts[name] = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environ, stdout=log, stderr=log)

    def joined(self, *names: str, seconds: float = 120.0) -> None:
        """Wait until the workers of these hosts have told the server that they are there."""
        until(lambda: self._workers() >= {f"bq-copilot-{name}" for name in names}, seconds)

    def _workers(self) -> set[str]:
        found = self.centre.prefect("POST", "/work_pools/bq-copilot/workers/filter", {})
        return {w["name"] for w in found if w["last_heartbeat_time"]}

    def host_of(self, run: RunHandle) -> str:
        """The host whose process holds the run's lease now; empty when nobody does."""
        lease = self.centre.copilot.installation.ledger.lease_of(run.run_id)
        return lease.holder.partition("/")[0] if lease else ""

    def kill(self, name: str) -> None:
        """The host dies: worker, recovery and flow processes at the same moment, without a word."""
        process = self.hosts.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(20)

    def logs(self) -> str:
        """The end of every log, for a failing test."""
        files = sorted(self.folder.glob("*/host.log")) + sorted(self.folder.glob("*/logs/*.log"))
        return "\n".join(f"--- {f}\n{f.read_text(errors='replace')[-3_000:]}" for f in files)


@contextmanager
def arena(hosts: Iterable[str] = ("host-a", "host-b")) -> Generator[Arena]:
    """Yield a provisioned centre with these hosts joined; all of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bqc-", dir="/tmp"))
    with ExitStack() as ends:
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        url = ends.enter_context(postgres.cluster())
        environ = _clean() | {
            HOME_VARIABLE: str(folder / "centre"),
            PARTS_VARIABLE: "server,sandbox,sample-data,model",
            DATABASE_VARIABLE: databases.prefect(url),
            LEDGER_VARIABLE: databases.create(url, "ledger"),
        }
        centre = Live(Home(folder / "centre"), environ)
        ends.callback(stack.down, centre.home, hard=True)
        made = Arena(centre, folder)
        ends.callback(lambda: [made.kill(name) for name in list(made.hosts)])
        up = ends.enter_context(ThreadPoolExecutor(1)).submit(centre.healthy)
        until(lambda: up.done() or read_record(centre.home), 120)
        for name in hosts:
            made.start(name)
        with temporary_settings({PREFECT_API_URL: centre.record.prefect_api_url}):
            plan = load_plan(centre.record)
            up.result()
            provision(plan)
        made.joined(*hosts)
        yield made


def _clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
