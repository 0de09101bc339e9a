"""A forked child on its way to becoming the process of one flow run.

Decides: what it takes over from its launcher (environment, folder, streams) and how it dies with it. Never does: run
flow code itself; it hands over to the module, for a flow run `prefect.engine`, as `python -m` would. Why this shape:
the child waits for the launcher's go before anything can have an effect, so that a run is never begun twice.
"""

from __future__ import annotations

import atexit
import os
import random
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

import prefect.context
from prefect.logging.configuration import setup_logging
from prefect.settings import get_current_settings

from deployments.warm import launch
from deployments.warm.wire import Request, message

_prepared_for: list[dict[str, str]] = []
"""The settings that this process is prepared for, in each spelling that a request may have."""


@dataclass
class Job:
    """One run, between fork and exit."""

    link: socket.socket
    request: Request
    code: int = 1

    def run(self) -> None:
        """Become the run; ends the process by SystemExit with the engine's exit code."""
        if not self._await_go():
            os._exit(0)
        atexit.register(self._report)  # first in, last out: after Prefect has flushed logs and events
        threading.Thread(target=self._die_with_launcher, name="launcher-watch", daemon=True).start()
        self._take_over()
        self.code = _run_module(self.request.module)
        sys.exit(self.code)

    def _await_go(self) -> bool:
        try:
            self.link.sendall(message(launch.READY, os.getpid()))
            return self.link.recv(1) == launch.GO
        except OSError:
            return False

    def _die_with_launcher(self) -> None:
        """The warm runner does this too, and at once; this covers a runner that died before the launcher."""
        try:
            self.link.recv(1)
        except OSError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def _report(self) -> None:
        try:
            self.link.send(message(launch.REPORTED, self.code))
        except OSError:
            return

    def _take_over(self) -> None:
        for source, target in zip(self.request.streams, launch.STREAMS, strict=True):
            os.dup2(source, target)
        self.request.close()
        os.environ.clear()
        os.environ.update(self.request.environ)
        os.chdir(self.request.cwd)
        sys.path[0] = self.request.cwd
        random.seed()
        _reseed_numpy()
        if _settings_in(self.request.environ) not in _prepared_for:
            prepare_prefect()


def prepare_prefect() -> None:
    """Read Prefect's settings from the environment and configure its logging: a tenth of a second."""
    prefect.context.refresh_global_settings_context()
    flows = get_current_settings().flows
    if "heartbeat_frequency" not in flows.model_fields_set:
        flows.heartbeat_frequency = None  # nobody listens: a lease says that it lives; the first costs six requests
    setup_logging()
    _prepared_for[:] = [_settings_in(os.environ), _as_a_worker_tells_them()]


def _settings_in(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that Prefect's settings come from; those with two underscores belong to one run."""
    return {k: v for k, v in environ.items() if k.startswith("PREFECT_") and not k.startswith("PREFECT__")}


def _as_a_worker_tells_them() -> dict[str, str]:
    """The same settings in the spelling in which a worker hands them to its processes (`False` for `false`)."""
    return _settings_in({**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)})


def _reseed_numpy() -> None:
    """Otherwise every run would draw the same numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()


def _run_module(name: str) -> int:
    sys.argv = [name]
    sys.modules.pop(name, None)  # imported for its imports; runpy would warn about the second copy
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter's own last line of defence, done here
        traceback.print_exc()
        return 1
    return 0
