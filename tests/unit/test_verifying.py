"""Receipts: what verifies, and which row is named when it does not."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bq_copilot.checks import check_all
from bq_copilot.errors import CopilotError, Damaged
from bq_copilot.events import ApprovalRequested
from bq_copilot.ledger import RunHead
from bq_copilot.ledger_sql import body_of, to_recorded
from bq_copilot.receipts import GENESIS, Row, seal
from bq_copilot.verifying import Checked, check_run
from tests import recorded_runs as rr


def check(run: rr.Recording, rows: list[Row]) -> Checked:
    (head,) = run.ledger.heads(run_ids=[run.run_id])
    return check_run(run.run_id, rows, run.shelf, head)


def test_an_untouched_run_verifies_whole(tmp_path: Path) -> None:
    """Rows, approvals and stored texts are counted, and the last hash is the head."""
    run = rr.finished(tmp_path)
    found = check(run, run.ledger.rows(run.run_id))
    assert (found.rows, found.approvals, found.head) == (run.state.seq, 1, run.state.hash)
    assert found.texts >= 4


COLUMNS: dict[str, tuple[str | int, ...]] = {
    "run_id": ("r-another",),
    "seq": (0, -7, 500),
    "kind": ("waited",),
    "body": ("{}",),
    "at": ("2020-01-01T00:00:00.000000Z",),
    "prev_hash": ("sha256:0",),
    "hash": ("sha256:0",),
}


@pytest.mark.parametrize(("column", "value"), [(c, v) for c, values in COLUMNS.items() for v in values])
def test_F19_each_column_of_each_row_altered_in_turn_names_that_row(
    tmp_path: Path, column: str, value: str | int
) -> None:
    """In the database itself, one cell after the other: every time `verify` names the row that was altered."""
    run = rr.finished(tmp_path)
    rows = run.ledger.rows(run.run_id)
    assert check_all(run.installation, run.run_id)[0]["verified"]
    with sqlite3.connect(tmp_path / "ledger.db", isolation_level=None) as db:
        db.execute("PRAGMA synchronous = OFF")
        places = [place for (place,) in db.execute("SELECT rowid FROM events ORDER BY seq")]
        for place, row in zip(places, rows, strict=True):
            db.execute(f"UPDATE events SET {column} = ? WHERE rowid = ?", (value, place))
            (found,) = check_all(run.installation, run.run_id)
            db.execute(f"UPDATE events SET {column} = ? WHERE rowid = ?", (getattr(row, column), place))
            assert (found["verified"], found["seq"]) == (False, row.seq), f"{column} of row {row.seq}"
    assert check_all(run.installation, run.run_id)[0]["verified"]


@pytest.mark.parametrize(
    "field", ["seq", "phase", "question", "requester", "received_at", "updated_at", "expires_at", "flow_run_id"]
)
def test_a_list_of_runs_that_shows_something_else_is_damage(tmp_path: Path, field: str) -> None:
    """Whatever the list shows of a run is what its events say."""
    run = rr.finished(tmp_path)
    other = {"seq": 3, "expires_at": "2020-01-01T00:00:00.000000Z"}.get(field, "2020-01-01T00:00:00.000000Z")
    with sqlite3.connect(tmp_path / "ledger.db", isolation_level=None) as db:
        db.execute(f"UPDATE heads SET {field} = ?", (other,))
    (found,) = check_all(run.installation, run.run_id)
    assert not found["verified"] and found["error"] is not None
    assert "list of runs" in found["error"]["message"]


def test_a_missing_row_is_named(tmp_path: Path) -> None:
    """A row that was taken out of the middle shows at its place."""
    run = rr.finished(tmp_path)
    rows = run.ledger.rows(run.run_id)
    with pytest.raises(Damaged, match="row 5 is missing") as caught:
        check(run, [*rows[:4], *rows[5:]])
    assert caught.value.seq == 5


def test_rows_cut_off_at_the_end_show_against_the_list_of_runs(tmp_path: Path) -> None:
    """A chain without its end still fits; the list of runs knows that there was more."""
    run = rr.finished(tmp_path)
    rows = run.ledger.rows(run.run_id)
    with pytest.raises(Damaged) as caught:
        check(run, rows[:-2])
    assert caught.value.seq == len(rows) - 1


def test_an_approval_whose_digest_names_another_request_does_not_verify(tmp_path: Path) -> None:
    """A forger who rebuilds the whole chain still cannot make the digest fit other SQL."""
    run = rr.waiting_for_approval(tmp_path)
    forged = _resealed(run.ledger.rows(run.run_id))
    with pytest.raises(Damaged, match="digest does not name its request") as caught:
        check_run(run.run_id, forged, run.shelf, None)
    assert caught.value.seq == len(forged)


def _resealed(rows: list[Row]) -> list[Row]:
    """The same rows with other SQL in the approval request, and a chain that fits."""
    made: list[Row] = []
    for row in rows:
        body = row.body
        event = to_recorded(row).event
        if isinstance(event, ApprovalRequested):
            facts = event.request.queries[0].model_copy(update={"sql": "SELECT 2"})
            request = event.request.model_copy(update={"queries": (facts,)})
            body = body_of(event.model_copy(update={"request": request}))
        before = made[-1].hash if made else GENESIS
        made.append(seal(row.run_id, row.seq, row.kind, body, row.at, before))
    return made


def test_a_stored_text_that_was_altered_names_the_row_that_refers_to_it(tmp_path: Path) -> None:
    """One flipped byte in the result storage is found, and the row that needs it is named."""
    run = rr.finished(tmp_path)
    seq = next(e.seq for e in run.ledger.read(run.run_id) if e.event.kind == "call_answered")
    (file,) = (tmp_path / "results" / "shelf").iterdir()
    file.write_bytes(b"x" + file.read_bytes()[1:])
    with pytest.raises(Damaged, match=f"at seq {seq}: stored text"):
        check(run, run.ledger.rows(run.run_id))


def test_a_run_without_any_row_does_not_verify(tmp_path: Path) -> None:
    """A run that is in the list but has lost all rows is damage, not an empty success."""
    run = rr.finished(tmp_path)
    with pytest.raises(CopilotError) as caught:
        check(run, [])
    assert isinstance(caught.value, Damaged) and caught.value.seq == 1


def test_a_list_of_runs_that_disagrees_about_the_phase_is_damage(tmp_path: Path) -> None:
    """A phase that was changed in the list only, to hide or fake an end, shows."""
    run = rr.finished(tmp_path)
    (head,) = run.ledger.heads()
    faked: RunHead = replace(head, phase="rejected")
    with pytest.raises(Damaged, match="list of runs"):
        check_run(run.run_id, run.ledger.rows(run.run_id), run.shelf, faked)
