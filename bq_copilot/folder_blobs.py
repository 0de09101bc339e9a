"""Blobs in a local folder: the shelf's default place, readable without Prefect.

Edge module. A file appears whole or not at all, and is on disk before its name is.
"""

from __future__ import annotations

import os
from pathlib import Path


class FolderBlobs:
    """Blobs as files. A name is written once, synced, and moved into place whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """Keep `data` under `name`; survives a crash once this returns."""
        path = self._folder / name
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def read(self, name: str) -> bytes:
        """Return what was written."""
        return (self._folder / name).read_bytes()
