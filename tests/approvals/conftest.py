"""A folder in memory for ledgers that many processes write: the locks are the same, the disk is not waited for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """Yield an empty folder that is gone afterwards."""
    where = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bqc-", dir=where) as folder:
        yield Path(folder)
