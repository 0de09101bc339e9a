"""Reading a SQLite ledger without SQLAlchemy gives what the full adapter gives."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bq_copilot.errors import LedgerUnavailable
from bq_copilot.ledger_reader import SqliteReader, UnknownEvent, open_reader
from tests import recorded_runs as rr


def test_it_reads_what_the_adapter_reads(tmp_path: Path) -> None:
    """Events, rows and the list of runs are the same, filters included."""
    run = rr.finished(tmp_path)
    other = rr.waiting_for_approval(tmp_path, key="key-2", requester="bob")
    reader = open_reader(run.ledger.url)
    assert isinstance(reader, SqliteReader)
    assert reader.read(run.run_id, after=3) == run.ledger.read(run.run_id, after=3)
    assert reader.rows(run.run_id) == run.ledger.rows(run.run_id)
    assert reader.heads() == run.ledger.heads()
    assert [h.run_id for h in reader.heads(["awaiting_approval"], "bob")] == [other.run_id]
    assert reader.heads(limit=1, run_ids=[run.run_id]) == run.ledger.heads(run_ids=[run.run_id])


def test_it_sees_what_is_recorded_after_it_was_opened(tmp_path: Path) -> None:
    """A reader that stays open follows the ledger."""
    run = rr.Recording(tmp_path)
    reader = open_reader(run.ledger.url)
    assert len(reader.read(run.run_id)) == 1
    run.started()
    assert [e.event.kind for e in reader.read(run.run_id, after=1)] == ["run_started", "run_pinned"]


def test_it_cannot_write(tmp_path: Path) -> None:
    """The connection is read-only: not even a mistake can change the ledger."""
    run = rr.Recording(tmp_path)
    reader = open_reader(run.ledger.url)
    assert isinstance(reader, SqliteReader)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connect().execute("DELETE FROM events")


def test_a_ledger_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """A missing file says where it was looked for."""
    with pytest.raises(LedgerUnavailable, match=r"none\.db"):
        open_reader(f"sqlite:///{tmp_path / 'none.db'}").read("r-1")


def test_a_file_that_is_no_ledger_is_unavailable(tmp_path: Path) -> None:
    """Another file under the ledger's name is a typed error."""
    (tmp_path / "x.db").write_text("this is no database, not at all, whatever its name says")
    with pytest.raises(LedgerUnavailable):
        open_reader(f"sqlite:///{tmp_path / 'x.db'}").heads()


def test_an_event_of_a_newer_version_is_named(tmp_path: Path) -> None:
    """An event of an unknown kind says which one, and to upgrade; nothing is guessed."""
    run = rr.Recording(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.db") as c:
        c.execute("UPDATE events SET body = replace(body, 'run_received', 'run_teleported')")
    with pytest.raises(UnknownEvent, match=f"event 1 of {run.run_id}"):
        open_reader(run.ledger.url).read(run.run_id)
