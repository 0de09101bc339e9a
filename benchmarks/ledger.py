"""The ledger: milliseconds an append, beside the disk's own sync, and events a second in replay.

An append commits with full sync, so it can never be faster than the disk. The bare SQLite commit of the same bytes,
measured in turn with it, is what the disk costs.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from bq_copilot import events as ev
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger_sql import SqlLedger, body_of
from bq_copilot.receipts import verify
from bq_copilot.transitions import fold

APPENDS = 2_000
"""As many as it takes to be past the first 4 MB: until then each commit also lengthens the write-ahead log's file."""
WAITED = ev.Waited(what="PollJob", reason="warehouse rate limit", attempt=1, until="2026-07-01T00:00:00Z")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        ledger = SqlLedger(f"sqlite:///{folder}/ledger.db")
        first = ev.RunReceived(question="q", requester="ana", via="bench", request_key="k", code_version="0")
        journal, _ = begin(ledger, "r-bench", first)
        bare = _bare(Path(folder) / "bare.db")
        pairs = [(_timed(lambda: journal.append(WAITED)), _timed(bare)) for _ in range(APPENDS)]
        ours, disk = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        print(f"append, median of {APPENDS}:        {ours * 1e3:.2f} ms (SQLite, full sync)")
        print(f"bare SQLite commit, same bytes:  {disk * 1e3:.2f} ms -> ours costs {(ours - disk) * 1e3:.2f} ms more")
        _replay(ledger, journal)
        ledger.close()


def _timed(act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _bare(path: Path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE events (run_id TEXT, seq INTEGER, body TEXT, PRIMARY KEY (run_id, seq))")
    body, seq = body_of(WAITED) + "x" * 160, iter(range(10**9))

    def commit() -> None:
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO events VALUES ('r-bench', ?, ?)", (next(seq), body))
        db.execute("COMMIT")

    return commit


def _replay(ledger: SqlLedger, journal: Journal) -> None:
    count = journal.state.seq
    events = ledger.read("r-bench")
    reading = _timed(lambda: ledger.read("r-bench"))
    folding = _timed(lambda: fold("r-bench", events))
    checking = _timed(lambda: verify(ledger.rows("r-bench")))
    size = sum(len(row.body) for row in ledger.rows("r-bench")) / count
    print(f"replay (read and fold):          {count / (reading + folding):,.0f} events/s")
    print(f"verify (read and hash):          {count / checking:,.0f} events/s")
    print(f"bytes an event:                  {size:.0f}")
