"""Blobs in a local folder: the shelf's default place, readable without Prefect.

Edge module. A file appears whole or not at all, and is on disk before its name is.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


class FolderBlobs:
    """Blobs as files. A name is written once, synced, and moved into place whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """Keep `data` under `name`; survives a crash once this returns."""
        path = self._folder / name
        with suppress(FileNotFoundError):
            os.utime(path)  # somebody needs it now: `remove` leaves it alone
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def remove(self, name: str, unused: float) -> int:
        """Remove what nobody has written again for `unused` seconds; return its bytes, 0 when it stays or is gone."""
        path = self._folder / name
        try:
            found = path.stat()
            if self._now() - found.st_mtime < unused:
                return 0
            path.unlink()
        except FileNotFoundError:
            return 0
        return found.st_size

    def _now(self) -> float:
        """Ask the file system that dates the files: it may be another machine's."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            return os.fstat(file.fileno()).st_mtime

    def remove_results(self, run_id: str) -> None:
        """Remove what Prefect kept of the run's steps, which are named after it."""
        for path in self._folder.glob(f"{run_id}-*"):
            path.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        """Return what was written."""
        return (self._folder / name).read_bytes()
