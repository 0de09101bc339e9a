"""Small files that other processes read while they are written, and the locks that die with their process.

Decides: how a file is replaced (all or nothing) and how a lock is held (flock, dropped by the kernel on any
death). Never does: wait for a lock for ever. Why this shape: a pid in a file can be stale, a flock cannot.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.local.waiting import wait_until


def write_atomically(path: Path, text: str) -> None:
    """Replace the file in one step: a reader sees the old text or the new one."""
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w") as stream:
            stream.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def try_lock(path: Path) -> int | None:
    """Take the lock and give its file descriptor, or None when another process holds it."""
    fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def is_locked(path: Path) -> bool:
    """Whether a live process holds the lock."""
    if not path.exists():
        return False
    fd = try_lock(path)
    if fd is None:
        return True
    os.close(fd)
    return False


@contextmanager
def exclusive(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock for the block; TimeoutError when another process keeps it longer than `seconds`."""
    taken: list[int] = []

    def take() -> bool:
        fd = try_lock(path)
        taken.extend([] if fd is None else [fd])
        return fd is not None

    if not wait_until(take, seconds):
        raise TimeoutError(f"another `up` or `down` has held {path} for {seconds:.0f} s; is it stuck?")
    try:
        yield
    finally:
        os.close(taken[0])
