"""One process under supervision: started, looked at, restarted after a growing pause.

Decides: when a process is started again, and when one that does not answer is killed. Never does: wait; every
step returns at once, so that one slow process does not delay the healing of another. Why this shape: the
supervisor is one loop over its children, and a child is a small state machine over (process, clock).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from deployments.local.home import PROJECT_ROOT
from deployments.local.liveness import die_with_parent
from deployments.local.plan import ProcessPlan
from deployments.local.records import ProcessRecord, ProcessState

LOOK_WHILE_STARTING = 0.1
LOOK_WHILE_HEALTHY = 2.0
HUNG_SECONDS = 30.0
"""A process that answered once and is silent for this long is killed."""
SLOWEST_START_SECONDS = 90.0
_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
_LONGEST_AFTER_HEALTH = 2
"""Place in them of the longest pause after a process that had answered: runs wait for it, and it can work."""
_STABLE_SECONDS = 20.0
_LOG_LIMIT = 20_000_000


class Child:
    """The present process of one plan, and what became of the earlier ones."""

    def __init__(self, plan: ProcessPlan, log: Path | None) -> None:
        self.plan = plan
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._state = ProcessState.WAITING
        self._since = 0.0
        self._answered = 0.0
        self._next_look = 0.0
        self._not_before = 0.0
        self._failures = 0
        self._restarts = 0
        self._last_exit: int | None = None

    @property
    def state(self) -> ProcessState:
        return self._state

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def record(self) -> ProcessRecord:
        return ProcessRecord(
            name=self.plan.name,
            state=self._state,
            pid=self.pid,
            restarts=self._restarts,
            last_exit=self._last_exit,
            since=self._since,
            needed=self.plan.needed,
        )

    def step(self, settled: set[str]) -> None:
        """Do what is due now: start, reap, or look."""
        now = time.time()
        if self._state is ProcessState.DONE:
            return
        if self._process is None:
            if now >= self._not_before and settled.issuperset(self.plan.after):
                self._start(now)
        elif (code := self._process.poll()) is not None:
            self._ended(code, now)
        elif now >= self._next_look and not self.plan.once:
            self._look(now)

    def _start(self, now: float) -> None:
        log = self._open_log()
        self._process = subprocess.Popen(
            self.plan.argv,
            env=dict(self.plan.environ),
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal of `up` is not meant for it
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the supervisor has one thread
        )
        os.close(log)
        self._state, self._since, self._answered = ProcessState.STARTING, now, now
        self._next_look = now + LOOK_WHILE_STARTING

    def _open_log(self) -> int:
        """The process's log, else our own output; a big log is put aside first."""
        if self._log is None:
            return os.dup(1)
        if self._log.exists() and self._log.stat().st_size > _LOG_LIMIT:
            self._log.replace(self._log.with_suffix(".old.log"))
        return os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _ended(self, code: int, now: float) -> None:
        self._process, self._last_exit = None, code
        if self.plan.once and code == 0:
            self._state = ProcessState.DONE
            return
        longest = _LONGEST_AFTER_HEALTH if self._state is not ProcessState.STARTING else len(_PAUSES) - 1
        self._failures = 0 if now - self._since > _STABLE_SECONDS else self._failures + 1
        self._restarts += 1
        self._state = ProcessState.WAITING
        self._not_before = now + _PAUSES[min(max(self._failures - 1, 0), longest)]

    def _look(self, now: float) -> None:
        if self.plan.probe.healthy(self._since):
            self._state, self._answered = ProcessState.HEALTHY, now
        elif self._state in (ProcessState.HEALTHY, ProcessState.FAILING):
            self._state = ProcessState.FAILING
        limit = SLOWEST_START_SECONDS if self._state is ProcessState.STARTING else HUNG_SECONDS
        if now - self._answered > limit:
            self.signal(signal.SIGKILL)
        calm = self._state is ProcessState.HEALTHY
        self._next_look = time.time() + (LOOK_WHILE_HEALTHY if calm else LOOK_WHILE_STARTING)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the present process, if there is one."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stopped(self) -> None:
        """The supervisor is going down and will not start it again."""
        self._state, self._process = ProcessState.STOPPED, None
