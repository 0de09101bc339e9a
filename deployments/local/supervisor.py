"""The supervisor: starts the processes of a stack, watches them, heals them, and stops them.

Decides: what is written to `stack.json`, and the order of stopping. Never does: any work of the product; no thread,
no network but health looks. Why this shape: one loop that wakes on a signal or every 100 ms and asks each child to
take one step. Its children die with it (Linux), and the next `up` sweeps what is left (everywhere).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from bq_copilot.errors import LedgerUnavailable
from bq_copilot.ledger_reader import SqliteReader, sqlite_path
from bq_copilot.ledger_schema import HEAD
from bq_copilot.version import __version__
from deployments.local.child import Child
from deployments.local.files import try_lock
from deployments.local.home import PROJECT_ROOT, Home
from deployments.local.login import login_of
from deployments.local.looping import stop_all, supervise
from deployments.local.plan import LEDGER_VARIABLE, ProcessPlan, stack_plan, urls
from deployments.local.ports import choose_ports
from deployments.local.prepared import place_certificate, place_database
from deployments.local.quiet_ui import place_ui
from deployments.local.records import StackRecord, write_record

_TICK_SECONDS = 0.1
_STOPPED_LAST = "server"  # the others say goodbye to it


class Supervisor:
    """The loop over all children of one stack."""

    def __init__(self, home: Home, ports: dict[str, int], environ: Mapping[str, str]) -> None:
        self._home, self._ports = home, ports
        self._urls = urls(ports, environ)
        self._ledger_url = environ.get(LEDGER_VARIABLE) or home.ledger_url
        self._children = [self._child(plan) for plan in stack_plan(home, ports, environ)]
        self._written: StackRecord | None = None

    def _child(self, plan: ProcessPlan) -> Child:
        return Child(plan, self._home.log(plan.name))

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        supervise(self._children, _TICK_SECONDS, self._write)
        self._shut_down()

    def _shut_down(self) -> None:
        first = [c for c in self._children if c.plan.name != _STOPPED_LAST]
        last = [c for c in self._children if c.plan.name == _STOPPED_LAST]
        for group in (first, last):
            stop_all(group)
        self._home.stack_file.unlink(missing_ok=True)

    def _write(self) -> None:
        record = self._record()
        if record != self._written:
            write_record(self._home, record)
            self._written = record

    def _record(self) -> StackRecord:
        processes = tuple(child.record() for child in self._children)
        pids = {p.name: p.pid for p in processes if p.pid is not None}
        return StackRecord(
            stack_id=self._home.stack_id,
            home=str(self._home.root),
            project=str(PROJECT_ROOT),
            version=__version__,
            ledger_url=self._ledger_url,
            results_dir=str(self._home.results),
            login_file=str(self._home.login_file) if login_of(self._home) else "",
            ports=self._ports,
            pids={"supervisor": os.getpid(), **pids},
            processes=processes,
            healthy=all(p.is_settled for p in processes),
            prefect_api_url=self._urls["prefect_api_url"],
            prefect_ui_url=self._urls["prefect_ui_url"],
            warehouse_url=self._urls["warehouse_url"],
            model_url=self._urls["model_url"],
        )


def _upgrade(url: str) -> None:
    """Bring a ledger of an older version up to date before anybody opens it; one that cannot be asked is left alone."""
    path = sqlite_path(url)
    if path is not None and (not path.exists() or SqliteReader(path).revision() == HEAD):
        return  # a new one is made with this version's tables
    from bq_copilot import migrating  # noqa: PLC0415 - a first start needs neither SQLAlchemy nor Alembic

    try:
        before, after = migrating.upgrade(url)
        print(f"ledger at revision {after} (was {before or 'none'})", flush=True)
    except LedgerUnavailable as error:
        print(error, flush=True)


def main() -> int:
    """Run the stack of `BQ_COPILOT_HOME`; 0 at once when it has a supervisor already."""
    home = Home.of(os.environ)
    home.create()
    lock = try_lock(home.supervisor_lock)
    if lock is None:
        return 0
    place_database(home)
    place_certificate(home)
    place_ui()
    _upgrade(os.environ.get(LEDGER_VARIABLE) or home.ledger_url)
    Supervisor(home, choose_ports(home), os.environ).run()
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
