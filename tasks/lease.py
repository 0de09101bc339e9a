"""The right to run a run: a lease in the ledger's database, renewed while the process lives.

A lease works across hosts by its expiry and its growing token. On one host a holder that is provably dead loses it
at once. A process that lost its lease stops: its appends are refused by the token.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bq_copilot.errors import LedgerUnavailable
from bq_copilot.ledger import Lease, Ledger

SECONDS = 15.0
"""How long a lease holds without being renewed."""


def holder() -> str:
    """Name this process so that anybody on its host can tell whether it still lives: host:pid:start time."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_dead(name: str) -> bool:
    """True only when the holder ran on this host and its process is provably gone."""
    host, _, rest = name.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit() or not Path("/proc/self/stat").exists():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return the kernel's start time of a process, empty when there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def take(ledger: Ledger, run_id: str, seconds: float = SECONDS) -> tuple[Lease | None, bool]:
    """Take the run: (lease, whether the last holder died with it). None when a live process has it."""
    before = ledger.lease_of(run_id)
    if before is not None and is_dead(before.holder):
        ledger.release_lease(run_id, before.token)
    return ledger.take_lease(run_id, holder(), seconds), before is not None


@contextmanager
def kept(ledger: Ledger, lease: Lease, seconds: float = SECONDS) -> Generator[Lease]:
    """Renew the lease in the background; give the run back at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=_renew, args=(ledger, lease, seconds, stop), daemon=True)
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


def _renew(ledger: Ledger, lease: Lease, seconds: float, stop: threading.Event) -> None:
    while not stop.wait(seconds / 3):
        try:
            if not ledger.renew_lease(lease, seconds):
                return
        except LedgerUnavailable:
            continue
