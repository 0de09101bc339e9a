"""`python -m deployments.host`: one worker host of several: a warm runner, a Prefect worker, a recovery service.

Decides: what runs on a host and in which order it starts; a process that dies is started again. Never does: provision
a server (`deployments.provision` does, once), or keep anything that another host would miss. Why this shape: hosts
share the Prefect API, the ledger and the result storage and know nothing of each other, so one more is one more of
the same command; it is also what a container runs (`--output` sends every log to its output).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from deployments.local.child import Child
from deployments.local.environment import host_environment
from deployments.local.files import try_lock
from deployments.local.home import Home
from deployments.local.looping import bury_strangers, stop_all, supervise
from deployments.local.plan import ProcessPlan, forked, warm_runner
from deployments.local.prepared import place_certificate

TICK_SECONDS = 0.2
SHARED = ("PREFECT_RESULTS_LOCAL_STORAGE_PATH", "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK")
"""Either says where Prefect keeps the results of tasks: a folder that all hosts mount, or a block."""


def host_plan(home: Home, environ: Mapping[str, str]) -> list[ProcessPlan]:
    """The processes of a host."""
    env = host_environment(home, environ)
    if env["PREFECT_API_URL"].startswith("http://"):
        env.setdefault("PREFECT_API_SSL_CERT_FILE", str(home.certificate))  # no TLS: see `local.environment`
    return [
        warm_runner(env, home),
        ProcessPlan("worker", forked("deployments.host_worker"), env, after=("warm",), stop_seconds=8),
        ProcessPlan("recovery", forked("deployments.recovery"), env, after=("warm",)),
    ]


class Host:
    """The loop over the host's processes, until it is told to stop."""

    def __init__(self, home: Home, environ: Mapping[str, str], *, output: bool = False) -> None:
        self._children = [Child(p, None if output else home.log(p.name)) for p in host_plan(home, environ)]

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        supervise(self._children, TICK_SECONDS, self._bury)
        stop_all(self._children)

    def _bury(self) -> None:
        bury_strangers({child.pid for child in self._children if child.pid is not None})


def missing(environ: Mapping[str, str]) -> str:
    """What keeps this process from being a host, in words; empty when nothing does."""
    if not environ.get("PREFECT_API_URL"):
        return "PREFECT_API_URL is not set: name the Prefect server that all hosts share"
    if not any(environ.get(name) for name in SHARED):
        return f"the results of tasks would lie on this host alone: set {' or '.join(SHARED)}"
    return ""


def main(arguments: list[str]) -> int:
    """Run the host of `BQ_COPILOT_HOME`; 2 when something is missing, 0 at once when one runs already."""
    if why := missing(os.environ):
        print(why, file=sys.stderr)
        return 2
    home = Home.of(os.environ)
    home.create()
    lock = try_lock(home.supervisor_lock)
    if lock is None:
        return 0
    place_certificate(home)
    Host(home, os.environ, output="--output" in arguments).run()
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
