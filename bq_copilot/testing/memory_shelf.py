"""Blobs in a dictionary."""

from __future__ import annotations


class MemoryBlobs:
    """Keeps what is written as long as the process lives."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def write(self, name: str, data: bytes) -> None:
        """Keep `data`."""
        self.kept[name] = data

    def read(self, name: str) -> bytes:
        """Return what was written. Raises FileNotFoundError."""
        if name not in self.kept:
            raise FileNotFoundError(name)
        return self.kept[name]
