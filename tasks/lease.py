"""The right to run a run: a lease in the ledger's database, renewed while the process lives.

A lease works across hosts by its expiry and its growing token. On one host a holder that is provably dead loses it
at once. A process that lost its lease stops: its appends are refused by the token.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bq_copilot.errors import LedgerUnavailable
from bq_copilot.identity import short_hash
from bq_copilot.ledger import Lease, Ledger

SECONDS = 15.0
"""How long a lease holds without being renewed."""

PATIENCE = 5.0
"""Seconds that a new process waits for the one before it to give the run back."""


def holder() -> str:
    """Name this process so that anybody on its host can tell whether it still lives: host:pid:start time."""
    return f"{_host()}:{os.getpid()}:{_started(os.getpid())}"


def is_dead(name: str) -> bool:
    """True only when the holder ran on this host and its process is provably gone."""
    host, _, rest = name.partition(":")
    pid, _, started = rest.partition(":")
    if host != _host() or not pid.isdigit() or not Path("/proc/self/stat").exists():
        return False
    return _started(int(pid)) != started


@cache
def _host() -> str:
    """Name what pids are unique in: two containers may share a host name, two boots a machine."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - its target is no path
    except OSError:
        boot = space = ""
    return f"{socket.gethostname()}/{short_hash(boot, space, length=8)}"


def _started(pid: int) -> str:
    """Return the kernel's start time of a process, empty when there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


async def take(
    ledger: Ledger, run_id: str, seconds: float = SECONDS, patience: float = PATIENCE
) -> tuple[Lease | None, bool]:
    """Take the run: (lease, whether the last holder died with it). None when a live process keeps it.

    The process before may be about to give it back: it said that it sleeps, and was answered at once.
    """
    give_up = time.monotonic() + patience
    while True:
        before = ledger.lease_of(run_id)
        if before is not None and is_dead(before.holder):
            ledger.release_lease(run_id, before.token)
        lease = ledger.take_lease(run_id, holder(), seconds)
        if lease is not None or time.monotonic() > give_up:
            return lease, before is not None
        await asyncio.sleep(0.05)


UNFIT = 75
"""Exit code of a process that gave itself up because its step hung."""


def _always() -> bool:
    return True


@contextmanager
def kept(ledger: Ledger, lease: Lease, seconds: float = SECONDS, fit: Callable[[], bool] = _always) -> Generator[Lease]:
    """Renew the lease in the background while the process is `fit`; give the run back at the end.

    A process that is not fit has hung where nothing can interrupt it: it ends itself, and another one takes over.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(ledger, lease, seconds, stop, fit), daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        thread.join(timeout=seconds)
        _release(ledger, lease)


def _release(ledger: Ledger, lease: Lease) -> None:
    try:
        ledger.release_lease(lease.run_id, lease.token)
    except LedgerUnavailable:
        return  # it ends by itself


def _renew(ledger: Ledger, lease: Lease, seconds: float, stop: threading.Event, fit: Callable[[], bool]) -> None:
    while not stop.wait(seconds / 3):
        if not fit():
            print(f"a step of {lease.run_id} hangs; this process gives up", file=sys.stderr, flush=True)
            os._exit(UNFIT)
        try:
            if not ledger.renew_lease(lease, seconds):
                return
        except LedgerUnavailable:
            continue
