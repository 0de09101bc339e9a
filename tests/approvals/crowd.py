"""Many processes at one ledger file, let loose at the same moment."""

from __future__ import annotations

import multiprocessing as mp
import sqlite3
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from bq_copilot.errors import CopilotError
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.testing import MemoryLedger

FORK = mp.get_context("fork")
"""The children need what the parent has imported, and nothing of its threads."""

SECONDS = 60


def told(error: CopilotError) -> tuple[str, ...]:
    """Return what an error told its caller: code, winner, verdict, time."""
    more = (getattr(error, name, "") for name in ("winner", "verdict", "at"))
    return (error.code, *map(str, more))


Work = Callable[[int, SqlLedger, Barrier], Any]
"""Gets the process's number, its own connection, and a barrier at which all of them meet."""


def together(count: int, work: Work, url: str) -> list[Any]:
    """Run `work` in `count` processes and return what they returned, or what the error told them."""
    barrier, queue = FORK.Barrier(count), FORK.SimpleQueue()
    children = [FORK.Process(target=_child, args=(i, work, url, barrier, queue)) for i in range(count)]
    for child in children:
        child.start()
    found = [queue.get() for _ in children]
    for child in children:
        child.join(SECONDS)
    return found


def _child(number: int, work: Work, url: str, barrier: Barrier, queue: Any) -> None:
    ledger = SqlLedger(url, busy_seconds=SECONDS)
    barrier.wait(SECONDS)
    try:
        queue.put(work(number, ledger, barrier))
    except CopilotError as error:
        queue.put(told(error))


def copied(memory: MemoryLedger, path: Path, run_ids: list[str]) -> str:
    """Copy runs from a ledger in memory into a SQLite file in one transaction; return its URL."""
    url = f"sqlite:///{path}"
    SqlLedger(url).close()
    with sqlite3.connect(path) as db:
        for run_id in run_ids:
            rows = [(r.run_id, r.seq, r.kind, r.body, r.at, r.prev_hash, r.hash) for r in memory.rows(run_id)]
            db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    db.close()
    return url
