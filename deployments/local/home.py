"""The state folder of one local stack, and where each thing lies in it.

Decides: names and places of files. Never does: start, stop or read anything. Why this shape: two stacks live
side by side because everything that a stack owns is below one folder, and this file is the only one that knows
the layout of that folder.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "BQ_COPILOT_HOME"
PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds prefect.yaml, flows/, tasks/, blocks/ and deployments/."""
LAUNCHER = PROJECT_ROOT / "deployments" / "warm" / "launch.py"
LAUNCH = (sys.executable, "-I", "-S", str(LAUNCHER))
"""The launcher's command: without site packages, because it needs none (20 ms)."""
BEGIN = (sys.executable, str(LAUNCHER.with_name("begin.py")))
"""Before the name of a module: starts it as `python -m` does, only faster."""

_LONGEST_SOCKET_PATH = 100  # Linux allows 107 bytes, other systems 103


@dataclass(frozen=True)
class Home:
    """Paths below the state folder of one stack."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Home:
        """The stack that `BQ_COPILOT_HOME` names, else the user's own one in `~/.bq-copilot`."""
        named = environ.get(HOME_VARIABLE)
        return cls((Path(named) if named else Path.home() / ".bq-copilot").expanduser().absolute())

    @property
    def stack_id(self) -> str:
        """Marks every process of this stack; a pure function of the folder."""
        return hashlib.sha256(str(self.root).encode()).hexdigest()[:16]

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def up_lock(self) -> Path:
        """Held while `up` or `down` works: two of them never overlap."""
        return self.root / "up.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor for as long as it lives; the kernel drops it when the process dies."""
        return self.root / "supervisor.lock"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def prefect(self) -> Path:
        """PREFECT_HOME of the stack: the server's database, profiles, concurrency leases."""
        return self.root / "prefect"

    @property
    def prefect_database(self) -> Path:
        return self.prefect / "prefect.db"

    @property
    def certificate(self) -> Path:
        """One certificate, in place of the hundred and more that every new API client would load."""
        return self.prefect / "one-certificate.pem"

    @property
    def login_file(self) -> Path:
        """User and password of the Prefect API; there is none unless somebody asked for it."""
        return self.root / "prefect.login"

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.root / 'ledger.db'}"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def seed(self) -> Path:
        """The generated sample tables, as Parquet."""
        return self.root / "seed"

    @property
    def sandbox(self) -> Path:
        """The sandbox warehouse's own data."""
        return self.root / "sandbox"

    @property
    def run_log(self) -> Path:
        """What flow processes print; a file, so that a run outlives the worker that started it."""
        return self.logs / "runs.log"

    @property
    def warm_socket(self) -> Path:
        """Where the warm runner listens: in the folder, or in a private one when that path is too long."""
        inside = self.root / "warm.sock"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
            return inside
        return Path(tempfile.gettempdir()) / f"bq-copilot-{os.getuid()}-{self.stack_id}" / "warm.sock"

    @property
    def claims(self) -> Path:
        """What the worker has taken out of its queue and not yet started."""
        return self.root / "claims"

    @property
    def worker_socket(self) -> Path:
        """Where the worker hears that a run has something to do."""
        return self.warm_socket.with_name("worker.sock")

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Make the folders; readable by their owner only, because results and logs are in them."""
        for folder in (self.root, self.logs, self.prefect, self.results, self.warm_socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
