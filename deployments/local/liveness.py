"""Which processes belong to a stack, whoever is their parent now.

Decides: membership, by a mark in the environment that every process of the stack inherits. Never does: signal a
process that does not carry the mark, so a recycled pid is never hit. Why this shape: parents die (kill -9 of the
supervisor, of the worker), and a list of pids written earlier is then wrong in both directions.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

STACK_MARK = "BQ_COPILOT_STACK"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded before any fork: nothing may be loaded between fork and exec


def die_with_parent() -> None:
    """Ask the kernel (Linux) to SIGKILL this process when its parent dies; elsewhere `up` sweeps instead."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def members(stack_id: str) -> list[int]:
    """Pids of all live processes of the stack except this one and its ancestors; empty where /proc is missing."""
    mark = f"{STACK_MARK}={stack_id}".encode()
    spared = set(_lineage())
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid not in spared and mark in _environment(entry) and is_alive(pid):
            found.append(pid)
    return found


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def _lineage() -> Iterable[int]:
    pid = os.getpid()
    while pid > 1:
        yield pid
        pid = _stat(pid)[1]


def _stat(pid: int) -> tuple[str, int]:
    """State letter and parent of a process; ("X", 0) when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    if Path("/proc/self").exists():
        return _stat(pid)[0] not in "XZ"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send the signal to each; those that are gone already are no error."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
