"""A ledger that does not take an event: locked, read-only, full, cut off, or silent after the commit.

Whatever happens, the writer is told that it is not known to be recorded, nothing is half recorded, and the same
append succeeds when the ledger is back.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from bq_copilot import deciding
from bq_copilot import events as ev
from bq_copilot.errors import LedgerUnavailable, Superseded
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.receipts import verify
from tests.unit.samples import received


def wait(number: int = 1, text: str = "r") -> ev.Waited:
    """A harmless event."""
    return ev.Waited(what="x", reason=text, attempt=number, until="2026-07-01T00:00:00Z")


def sqlite_ledger(folder: Path) -> SqlLedger:
    """A ledger in a file that waits only shortly for a lock."""
    return SqlLedger(f"sqlite:///{folder}/ledger.db", busy_seconds=0.2)


def goes_on(journal: Journal, rows: int) -> None:
    """The same append succeeds now, once, and the chain verifies."""
    journal.refresh()
    journal.append(wait(2))
    found = journal.ledger.rows(journal.run_id)
    verify(found)
    assert len(found) == rows


def test_F05_a_locked_ledger_is_said_to_be_unavailable_and_goes_on_afterwards(tmp_path: Path) -> None:
    """Somebody else holds the write lock for longer than we wait."""
    journal, _ = begin(sqlite_ledger(tmp_path), "r-1", received())
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="try again: ledger unavailable"):
        journal.append(wait())
    other.execute("ROLLBACK")
    goes_on(journal, 2)


def test_F05_a_read_only_ledger_takes_nothing_and_can_still_be_read(tmp_path: Path) -> None:
    """Decisions are refused with a typed error; what is recorded can be looked at."""
    ledger = sqlite_ledger(tmp_path)
    journal, _ = begin(ledger, "r-1", received())

    def read_only(on: str) -> None:
        with ledger._engine.connect().execution_options(reads=True) as c:
            c.exec_driver_sql(f"PRAGMA query_only = {on}")

    read_only("ON")
    with pytest.raises(LedgerUnavailable, match=r"readonly|read-only"):
        deciding.cancel(journal, "ana", "test")
    assert len(ledger.read("r-1")) == 1
    read_only("OFF")
    goes_on(journal, 2)


def test_F05_a_full_disk_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    """Appends fail when the file may not grow any more, and succeed when there is room again."""
    queue = multiprocessing.get_context("fork").SimpleQueue()
    child = multiprocessing.get_context("fork").Process(target=_fill, args=(tmp_path, queue))
    child.start()
    recorded, after, said = queue.get()
    child.join(30)
    assert "try again: ledger unavailable" in said
    assert after == recorded + 1


def _fill(folder: Path, queue: multiprocessing.SimpleQueue[tuple[int, int, str]]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    ledger = sqlite_ledger(folder)
    journal, _ = begin(ledger, "r-1", received())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    said = ""
    try:
        for number in range(10_000):
            journal.append(wait(number, "x" * 20_000))
    except LedgerUnavailable as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    recorded = journal.state.seq
    journal.refresh()
    journal.append(wait(1))
    rows = SqlLedger(ledger.url).rows("r-1")
    verify(rows)
    queue.put((recorded, len(rows), said))


def silent_commit(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, between: Callable[[], None]) -> None:
    """Let the next commit succeed without an answer, and something happen meanwhile."""
    commit = ledger._engine.dialect.do_commit

    def lost(connection: object) -> None:
        commit(connection)  # type: ignore[arg-type]
        monkeypatch.setattr(ledger._engine.dialect, "do_commit", commit)
        between()
        raise ledger._errors.OperationalError("the connection was lost")

    monkeypatch.setattr(ledger._engine.dialect, "do_commit", lost)


def test_F05_a_commit_whose_answer_was_lost_is_found(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is there once, and the writer goes on as if it had been told."""
    journal, _ = begin(ledger, "r-1", received())
    silent_commit(ledger, monkeypatch, lambda: None)
    assert journal.append(wait()).seq == 2
    goes_on(journal, 3)


def test_F05_a_lost_answer_is_not_ours_once_somebody_else_holds_the_run(
    ledger: SqlLedger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that took over may have written the very same event."""
    begin(ledger, "r-1", received())
    lease = ledger.take_lease("r-1", "a", -1)
    assert lease is not None
    journal = Journal.open(ledger, "r-1", fence=lease.token)
    silent_commit(ledger, monkeypatch, lambda: _take_over(url))
    with pytest.raises(Superseded, match="Another process runs r-1"):
        journal.append(wait())


def _take_over(url: str) -> None:
    other = SqlLedger(url)
    assert other.take_lease("r-1", "b", 30)
    other.close()


def test_F05_a_connection_that_is_cut_while_idle_is_opened_again(ledger: SqlLedger, url: str) -> None:
    """The database was restarted between two steps."""
    journal, _ = begin(ledger, "r-1", received())
    _cut(url)
    goes_on(journal, 2)


def test_F05_a_connection_that_is_cut_in_the_middle_records_nothing(ledger: SqlLedger, url: str) -> None:
    """Between the look and the insert: unavailable, and the same append succeeds afterwards."""
    if url.startswith("sqlite"):
        pytest.skip("a file has no connection that could be cut")
    journal, _ = begin(ledger, "r-1", received())
    state = journal.state

    def accept(_recorded: object) -> object:
        _cut(url)
        return state

    with pytest.raises(LedgerUnavailable):
        ledger.append("r-1", 2, wait(), accept)  # type: ignore[arg-type]
    assert len(ledger.rows("r-1")) == 1
    goes_on(journal, 2)


def _cut(url: str) -> None:
    """End every other connection to the database."""
    if url.startswith("sqlite"):
        return
    engine = sa.create_engine(url)
    with engine.connect() as c:
        c.execute(sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    engine.dispose()
