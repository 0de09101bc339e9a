"""The verbs of a local stack: `up`, `down`, `status`.

Decides: whether a supervisor has to be started, and when a stack counts as up. Never does: start a process of the
stack itself (the supervisor does), or touch a process without the stack's mark. Why this shape: plain functions
with typed results, which the command line, the tests and the demo call alike; a lock makes two `up` one.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bq_copilot.errors import CopilotError
from deployments.local.environment import inherited
from deployments.local.files import exclusive, is_locked
from deployments.local.home import BEGIN, HOME_VARIABLE, PROJECT_ROOT, Home
from deployments.local.liveness import STACK_MARK, is_alive, members, signal_all
from deployments.local.login import ask_for_login
from deployments.local.prepared import database_template
from deployments.local.records import ProcessRecord, ProcessState, StackRecord, read_record
from deployments.local.waiting import wait_until

UP_SECONDS = 120.0
DOWN_SECONDS = 40.0
_GIVE_UP_RESTARTS = 4
Progress = Callable[[str], None]


class StackDown(CopilotError):
    """The local stack did not come up; `bq-copilot doctor` says what is wrong and how to mend it."""

    code = "stack_down"


@dataclass(frozen=True)
class StackStatus:
    """What is running now, checked against the live processes and not only against the record."""

    running: bool
    healthy: bool
    home: str
    processes: tuple[ProcessRecord, ...] = ()
    record: StackRecord | None = None


def up(
    home: Home | None = None,
    environ: Mapping[str, str] | None = None,
    tell: Progress = lambda _line: None,
    *,
    auth: bool | None = None,
) -> StackRecord:
    """Start the stack, or find it running, and return when all of it answers; raises StackDown otherwise.

    `auth` says from now on whether its Prefect API asks for a login; None leaves that as it was. Raises Refused when
    the running stack has it otherwise.
    """
    environ = os.environ if environ is None else environ
    home = home or Home.of(environ)
    home.create()
    if not home.prefect_database.exists():
        tell("preparing the Prefect database (once per machine, up to 20 s)")
        database_template()
    with exclusive(home.up_lock, UP_SECONDS):
        if auth is not None:
            ask_for_login(home, wanted=auth, running=is_locked(home.supervisor_lock))
        if not is_locked(home.supervisor_lock):
            _sweep(home)
            _start_supervisor(home, environ)
        return _wait_until_healthy(home, tell)


def down(home: Home | None = None, *, hard: bool = False) -> list[int]:
    """Stop the stack and nothing else; `hard` kills without a goodbye. The pids that had to be killed."""
    home = home or Home.of(os.environ)
    if not home.root.exists():
        return []
    with exclusive(home.up_lock, DOWN_SECONDS):
        if not hard:
            _ask_to_stop(home)
        killed = _sweep(home)
        home.stack_file.unlink(missing_ok=True)
    return killed


def status(home: Home | None = None) -> StackStatus:
    """The stack's processes as they are now."""
    home = home or Home.of(os.environ)
    record = read_record(home)
    running = is_locked(home.supervisor_lock)
    if record is None:
        return StackStatus(running, healthy=False, home=str(home.root))
    processes = tuple(_as_seen(process, running) for process in record.processes)
    return StackStatus(running, running and record.healthy, str(home.root), processes, record)


def _as_seen(process: ProcessRecord, running: bool) -> ProcessRecord:
    """A record is history: what it calls alive may have died with its supervisor."""
    if process.pid is None or (running and is_alive(process.pid)):
        return process
    state = ProcessState.WAITING if running else ProcessState.STOPPED
    return process.model_copy(update={"state": state, "pid": None})


def _start_supervisor(home: Home, environ: Mapping[str, str]) -> None:
    home.stack_file.unlink(missing_ok=True)
    marked = {**inherited(environ), HOME_VARIABLE: str(home.root), STACK_MARK: home.stack_id}
    with home.log("supervisor").open("ab") as log:
        subprocess.Popen(
            [*BEGIN, "deployments.local.supervisor"],
            cwd=PROJECT_ROOT,
            env=marked,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_healthy(home: Home, tell: Progress) -> StackRecord:
    """Return the first record that says so: a process may die the moment after, and then it is seen to."""
    told: set[str] = set()
    found: list[StackRecord] = []
    before = _restarts(home)

    def settled() -> bool:
        record = read_record(home)
        for process in record.processes if record else ():
            if process.is_good and process.name not in told:
                told.add(process.name)
                tell(f"{process.name} is {process.state}")
        if record is not None and record.healthy and is_locked(home.supervisor_lock):
            found.append(record)
        return bool(found) or _hopeless(home, before)

    if not wait_until(settled, UP_SECONDS) or not found:
        raise StackDown(_why(home), next="run `bq-copilot doctor`")
    return found[0]


def _restarts(home: Home) -> dict[str, int]:
    record = read_record(home)
    return {p.name: p.restarts for p in record.processes} if record else {}


def _hopeless(home: Home, before: Mapping[str, int]) -> bool:
    """Some process has ended again and again since we began to look, and does not answer."""
    record = read_record(home)
    return record is not None and any(
        p.restarts - before.get(p.name, 0) >= _GIVE_UP_RESTARTS and not p.is_settled for p in record.processes
    )


def _why(home: Home) -> str:
    record = read_record(home)
    if record is None:
        return f"the supervisor did not start; its log is {home.log('supervisor')}"
    bad = [p.name for p in record.processes if not p.is_settled]
    logs = ", ".join(str(home.log(name)) for name in bad)
    return f"not healthy: {', '.join(bad)}; the reason is in {logs}"


def _ask_to_stop(home: Home) -> None:
    record = read_record(home)
    if record is None or not is_locked(home.supervisor_lock):
        return
    supervisor = record.pids["supervisor"]
    if supervisor in members(home.stack_id):
        signal_all([supervisor], signal.SIGTERM)
        wait_until(lambda: not is_alive(supervisor), DOWN_SECONDS)


def _sweep(home: Home) -> list[int]:
    """Kill every process that carries this stack's mark, until none is left."""
    swept: set[int] = set()

    def empty() -> bool:
        left = members(home.stack_id)
        swept.update(left)
        signal_all(left, signal.SIGKILL)
        return not left

    wait_until(empty, 10)
    return sorted(swept)
