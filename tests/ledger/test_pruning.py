"""Pruned runs: what goes, what stays, and what can still be checked."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bq_copilot import Copilot, pruning
from bq_copilot.errors import Refused
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.journal import begin
from bq_copilot.ledger import RunHead
from bq_copilot.ledger_sql import SqlLedger
from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.conftest import bq as bq  # noqa: PLC0414 - a fixture of theirs
from tests.cli.conftest import home as home  # noqa: PLC0414 - a fixture of theirs


@pytest.fixture
def old(home: Path, monkeypatch: pytest.MonkeyPatch) -> Copilot:
    """An installation whose clock is a hundred days ahead of its runs, and whose texts count as unused."""
    now = SqlLedger.now
    SqlLedger(f"sqlite:///{home}/ledger.db").close()
    monkeypatch.setattr(SqlLedger, "now", lambda self: now(self) + timedelta(days=100))
    monkeypatch.setattr(pruning, "UNUSED", 0.0)
    return Copilot()


def tamper(home: Path, statement: str) -> None:
    """Change the ledger behind its back."""
    engine = sa.create_engine(f"sqlite:///{home}/ledger.db")
    with engine.begin() as c:
        c.exec_driver_sql(statement)
    engine.dispose()


def test_a_pruned_run_verifies_and_says_so(home: Path, old_bq: Bq) -> None:
    """Its rows' hashes are left, what it said is not, and verify tells which it checked."""
    run = rr.finished(home)
    rows = SqlLedger(f"sqlite:///{home}/ledger.db").rows(run.run_id)
    assert old_bq("prune", "--older-than", "90d", "--yes", "--json").json["runs"] == [run.run_id]
    found = old_bq("verify", "--all", "--json").json["runs"]
    assert [(c["verified"], c["rows"], c["head"]) for c in found] == [(True, len(rows), rows[-1].hash)]
    assert found[0]["pruned"]
    assert "pruned on" in old_bq("verify", run.run_id).out
    left = SqlLedger(f"sqlite:///{home}/ledger.db")
    assert (left.rows(run.run_id), left.heads()) == ([], [])


@pytest.fixture
def old_bq(old: Copilot, bq: Bq) -> Bq:
    """The command line on that installation."""
    return bq


def test_without_yes_it_only_says_what_it_would_do(home: Path, old_bq: Bq) -> None:
    """Nothing changes."""
    run = rr.finished(home)
    assert "1 runs with" in old_bq("prune", "--older-than", "90d").out
    assert old_bq("verify", run.run_id, "--json").json["runs"][0]["pruned"] == ""


def test_young_and_open_runs_stay(home: Path, old: Copilot) -> None:
    """Only what has ended and is older goes; a run that waits for a person never does."""
    rr.finished(home)
    rr.waiting_for_approval(home, key="key-2")
    assert old.prune("101d")["runs"] == []
    assert len(old.prune("99d")["runs"]) == 1
    assert [r["phase"] for r in old.runs()] == ["awaiting_approval"]


def test_a_text_that_another_run_needs_stays(home: Path, old: Copilot) -> None:
    """Texts are kept by their digest: they go with the last run that names them, and the runs that are left verify."""
    rr.finished(home)
    other = rr.waiting_for_approval(home, key="key-2")
    shelf = home / "results" / "shelf"
    before = set(shelf.iterdir())
    assert old.prune("99d")["texts"] == 0
    assert set(shelf.iterdir()) == before
    assert all(c["verified"] for c in old.verify())
    old.run(other.run_id).cancel("not needed")
    assert old.prune("99d")["texts"] == len(before) > 0
    assert not list(shelf.iterdir())


def test_a_text_that_is_written_again_is_not_removed(tmp_path: Path) -> None:
    """A writer that finds its text there keeps `prune` from removing it."""
    blobs = FolderBlobs(tmp_path)
    blobs.write("shelf/a", b"text")
    assert blobs.remove("shelf/a", 60.0) == 0
    assert blobs.read("shelf/a") == b"text"
    assert blobs.remove("shelf/a", 0.0) == 4


def test_a_run_that_does_not_verify_is_evidence_and_stays(home: Path, old: Copilot) -> None:
    """What was altered is not swept away with its hashes."""
    run = rr.finished(home)
    tamper(home, "UPDATE events SET body = replace(body, 'US', 'UK') WHERE kind = 'answer_written'")
    found = old.prune("90d")
    assert found["runs"] == []
    assert found["kept"][0].startswith(f"{run.run_id}: receipts of")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pruned_rows SET kind = 'cancelled' WHERE seq = 3",
        "UPDATE pruned_rows SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 2",
        "DELETE FROM pruned_rows WHERE seq = 4",
        "UPDATE pruned_rows SET body = replace(body, '\"rows\":', '\"rows\":1') WHERE kind = 'pruned'",
        "DELETE FROM pruned_rows WHERE kind <> 'pruned'",
    ],
)
def test_what_is_left_cannot_be_altered(home: Path, old: Copilot, change: str) -> None:
    """Each kept row is vouched for by the one that sealed them."""
    run = rr.finished(home)
    old.prune("90d")
    tamper(home, change)
    (found,) = old.verify(run.run_id)
    assert not found["verified"]
    assert found["error"] is not None


def test_a_pruned_run_is_not_begun_again(home: Path, old: Copilot) -> None:
    """The same request key names the run that was pruned: no second job under its ids."""
    run = rr.finished(home)
    first = run.journal.state.received
    assert first is not None
    old.prune("90d")
    with pytest.raises(Refused, match="was pruned on"):
        begin(SqlLedger(f"sqlite:///{home}/ledger.db"), run.run_id, first)
    with pytest.raises(Refused, match="was pruned on"):
        old.run(run.run_id)


def test_a_run_with_a_follow_up_stays_until_that_is_over(home: Path, old_bq: Bq) -> None:
    """Its series reads the accepted SQL and the grant from it."""
    run = rr.finished(home)
    series = old_bq("followups", "add", run.run_id, "every Monday", "--json").json["follow_up"]["series"]
    found = old_bq("prune", "--older-than", "99d", "--json").json
    assert (found["runs"], found["kept"]) == ([], [f"{run.run_id}: a follow-up of it may still run"])
    assert old_bq("followups", "decline", series).code == 0
    assert old_bq("prune", "--older-than", "99d", "--json").json["runs"] == [run.run_id]


def test_the_kept_hashes_end_in_the_exported_copy_s_hash(home: Path, old_bq: Bq) -> None:
    """Whoever kept a copy can show that it is the run that was pruned."""
    run = rr.finished(home)
    copy = home / "run.zip"
    assert old_bq("export", run.run_id, "--out", str(copy)).code == 0
    old_bq("prune", "--older-than", "90d", "--yes")
    ours = old_bq("verify", run.run_id, "--json").json["runs"][0]["head"]
    assert old_bq("verify", str(copy), "--json").json["runs"][0]["head"] == ours


@pytest.mark.parametrize("text", ["", "90", "0d", "d", "-1d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    """An age is a number with a unit."""
    with pytest.raises(Refused, match="is no age"):
        pruning.age_of(text)


def test_pruning_on_both_databases(url: str, ledger: SqlLedger, tmp_path: Path) -> None:
    """The transaction is the same on SQLite and PostgreSQL."""
    from bq_copilot.installation import Installation

    golden = Path(__file__).parents[1] / "golden"
    rows = [json.loads(x) for x in (golden / "0.1.0" / "completed.jsonl").read_text().splitlines()]
    with ledger.transaction() as c:
        insert = "INSERT INTO events VALUES (:run_id, :seq, :kind, :body, :at, :prev_hash, :hash)"
        c.execute(sa.text(insert), rows)
    at = Installation(api_url="", ledger_url=url, results=str(golden), found="here")
    run_id = str(rows[0]["run_id"])
    head = _head(ledger, run_id)
    from bq_copilot.pruning_sql import prune, unreferenced

    with ledger.transaction() as c:
        c.execute(
            sa.text("INSERT INTO heads VALUES (:r, :s, 'completed', 'q', 'a', :t, :t, '', '')"),
            {"r": run_id, "s": head.seq, "t": rows[-1]["at"]},
        )
    named = str(rows[1]["hash"]).replace("sha256:", "")
    stored = next(p.name for p in (golden / "shelf").iterdir() if any(p.name in str(r["body"]) for r in rows))
    texts = {f"sha256:{stored}", f"sha256:{named}"}
    assert unreferenced(ledger, texts) == {f"sha256:{named}"}
    assert not prune(ledger, run_id, head.seq - 1, "ana", lambda *_: None)
    assert prune(ledger, run_id, head.seq, "ana", lambda *_: None)
    assert unreferenced(ledger, texts) == texts
    (found,) = Copilot(installation=at).verify()
    assert (found["verified"], found["rows"]) == (True, len(rows))


def _head(ledger: SqlLedger, run_id: str) -> RunHead:
    rows = ledger.rows(run_id)
    now = ledger.now()
    return RunHead(run_id, rows[-1].seq, "completed", "", "", now, now)
