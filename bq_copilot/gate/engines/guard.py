"""L0: the gate in a child process that is reused while it behaves and killed when it does not.

Decides that no verdict means no: a timeout, a crash, too much memory or an unreadable answer refuses the statement
that caused it, and the next statement gets a new child. It never retries a statement. The limits are per statement:
2 seconds of the child's processor time, at most 10 seconds in all on a busy machine, 512 MB of data. Where a warm
runner is at hand the child is forked from it, which saves half a second of processor time: its launcher stands for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from bq_copilot.catalog import Catalog
from bq_copilot.gate.gate import refusal
from bq_copilot.gate.verdict import Parameter, Verdict
from bq_copilot.policy import Policy

SECONDS = 2.0
BUSY_FACTOR = 5.0
"""How many times its processor time a statement may take when others use the machine too."""
START_SECONDS = 30.0
BYTES = 512 * 2**20
"""What it may allocate for its work."""
CHILD = "bq_copilot.gate.engines.child"


class _Unanswered(Exception):
    """The child did not answer in time, or not at all."""


class GuardedGate:
    """The gate with the same `rule` as `Gate`; safe to share between threads; close it when done."""

    def __init__(
        self,
        catalog: Catalog,
        policy: Policy,
        *,
        seconds: float = SECONDS,
        memory_bytes: int = BYTES,
        launcher: Sequence[str] = (sys.executable, "-m"),
    ) -> None:
        self.catalog, self.policy = catalog, policy
        self._seconds, self._bytes = seconds, memory_bytes
        self._launcher = launcher
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0
        """The process that analyses: the child itself, or what its launcher stands for."""
        self._rest: bytes = b""
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self._stop()

    def start(self) -> None:
        """Start the child now, so that the first verdict does not wait for it."""
        with self._turn, contextlib.suppress(_Unanswered):
            self._started()

    def rule(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> Verdict:
        """Return the verdict on one statement; never raises for a bad statement."""
        try:
            sql.encode("utf-8")
        except UnicodeEncodeError:
            return self._refusal("the text is not UTF-8")
        if len(sql) > self.policy.limits.characters:
            sql = sql[: self.policy.limits.characters + 1]
        with self._turn:
            return self._ruled(sql, parameters)

    def close(self) -> None:
        """End the child."""
        with self._turn:
            self._stop()

    def _ruled(self, sql: str, parameters: tuple[Parameter, ...]) -> Verdict:
        request = {"sql": sql, "parameters": [p.model_dump(mode="json") for p in parameters]}
        try:
            self._started()
            return Verdict.model_validate_json(self._ask(request, self._seconds))
        except (_Unanswered, ValidationError) as fault:
            self._stop()
            reason = str(fault) if isinstance(fault, _Unanswered) else "its answer was unreadable"
            return self._refusal(f"the analysis was stopped: {reason}")

    def _refusal(self, reason: str) -> Verdict:
        return refusal(self.catalog, self.policy, reason)

    def _started(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        command = [*self._launcher, CHILD]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._rest, self._pid = b"", self._child.pid
        about = {"catalog": self.catalog.model_dump(mode="json"), "policy": self.policy.model_dump(mode="json")}
        try:
            self._pid = int(json.loads(self._ask({**about, "bytes": self._bytes}, START_SECONDS))["pid"])
        except (ValueError, KeyError, TypeError) as error:
            raise _Unanswered("the analysis process did not begin") from error

    def _ask(self, request: object, seconds: float) -> bytes:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise _Unanswered("there is no analysis process")
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
        except OSError as error:
            raise _Unanswered("the analysis process ended") from error
        return self._line(child.stdout.fileno(), seconds)

    def _line(self, answers: int, seconds: float) -> bytes:
        began, used_before = time.monotonic(), _processor_seconds(self._pid)
        while b"\n" not in self._rest:
            used = _processor_seconds(self._pid) - used_before
            left = min(seconds - used, began + seconds * BUSY_FACTOR - time.monotonic())
            if left <= 0:
                raise _Unanswered("it took too long")
            if not select.select([answers], [], [], left)[0]:
                continue
            more = os.read(answers, 65536)
            if not more:
                raise _Unanswered("the analysis process ended")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        child.wait()


def _processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used; wall time where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic()
