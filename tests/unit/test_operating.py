"""Parked runs: what an operator may do, and what a version does with a run that it cannot read."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from bq_copilot import deciding, operating, steps
from bq_copilot import events as ev
from bq_copilot.canonical import canonical_json
from bq_copilot.errors import Conflict, Refused
from bq_copilot.journal import Journal
from bq_copilot.ledger_reader import UnknownEvent, open_reader
from bq_copilot.list_views import runs, why_parked
from bq_copilot.phases import Phase
from bq_copilot.receipts import Row, seal, verify
from bq_copilot.transitions import IllegalTransition
from bq_copilot.values import Failure
from tests import recorded_runs as rr
from tests.unit.walker import Walker

POISON = ev.RunEnded(phase="parked", failure=Failure(code="poison", message="parked: it kills everything"))


def test_a_parked_run_goes_on_where_it_stopped() -> None:
    """Resuming gives the next step that it had before."""
    walker = Walker(5)
    for _ in range(7):
        walker.journal.append(walker.event_for(steps.next_step(walker.journal.state)))
    before = walker.journal.state
    walker.journal.append(POISON)
    assert walker.journal.state.phase is Phase.PARKED
    after = operating.resume(walker.journal, "olga", "cli", "mended")
    assert (after.phase, after.failure, after.ended_at) == (before.phase, None, None)
    assert steps.next_step(after) == steps.next_step(before)


def test_an_abandoned_run_is_cancelled_by_the_operator() -> None:
    """With nothing to stop it has ended at once, with who gave it up."""
    walker = Walker(1)
    walker.journal.append(POISON)
    state = operating.abandon(walker.journal, "olga", "cli")
    assert (state.phase, state.cancel and state.cancel.by) == (Phase.CANCELLED, "olga")
    assert state.failure is not None
    assert state.failure.message == "cancelled by olga (0 bytes billed)"


def test_a_run_that_is_not_parked_is_neither_resumed_nor_abandoned() -> None:
    """The verbs are for parked runs only."""
    walker = Walker(1)
    for verb in (operating.resume, operating.abandon):
        with pytest.raises(Refused, match="is not parked"):
            verb(walker.journal, "olga", "cli")


def test_a_run_that_was_parked_while_it_was_cancelled_can_only_be_resumed() -> None:
    """It is told who cancelled it before."""
    walker = Walker(1)
    walker.journal.append(ev.CancelRequested(by="ana", via="cli"))
    walker.journal.append(POISON)
    for verb in (operating.abandon, deciding.cancel):
        with pytest.raises(Conflict, match="ana cancelled it"):
            verb(walker.journal, "olga", "cli")
    assert operating.resume(walker.journal, "olga", "cli").phase is Phase.CANCELLING


def test_nothing_else_moves_a_parked_run() -> None:
    """A process that still runs cannot add to it."""
    walker = Walker(1)
    walker.journal.append(POISON)
    with pytest.raises(IllegalTransition, match="has ended"):
        walker.journal.append(ev.Waited(what="x", reason="r", attempt=1, until="2026-07-01T00:00:00Z"))


def _write_newer(home: Path, run: rr.Recording) -> int:
    """Append what a later version would write: its own start, then an event that only it knows."""
    rows = run.ledger.rows(run.run_id)
    start = ev.RunStarted(attempt=2, flow_run_id="f", host="h", reason="recovered", code_version="9.1.0")
    bodies = [("run_started", start.model_dump(mode="json")), ("moon_phase_noted", {"kind": "moon_phase_noted"})]
    with sqlite3.connect(home / "ledger.db") as db:
        for kind, body in bodies:
            last = rows[-1]
            row = seal(run.run_id, last.seq + 1, kind, canonical_json(body).decode(), last.at, last.hash)
            rows.append(row)
            db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", _values(row))
    return rows[-1].seq


def _values(row: Row) -> tuple[object, ...]:
    return (row.run_id, row.seq, row.kind, row.body, row.at, row.prev_hash, row.hash)


def test_an_unknown_event_says_which_version_is_needed(tmp_path: Path) -> None:
    """Both ways of reading name the event, the version that wrote it, and ours."""
    run = rr.waiting_for_approval(tmp_path)
    seq = _write_newer(tmp_path, run)
    for reader in (run.ledger, open_reader(run.ledger.url)):
        with pytest.raises(UnknownEvent, match=rf"needs version 9\.1\.0: event {seq}") as caught:
            reader.read(run.run_id)
        assert (caught.value.code, caught.value.seq) == ("needs_version", seq)


def test_a_run_that_this_version_cannot_read_is_parked_with_its_reason(tmp_path: Path) -> None:
    """The chain goes on, the list of runs says why, and it is parked once."""
    run = rr.waiting_for_approval(tmp_path)
    seq = _write_newer(tmp_path, run)
    with pytest.raises(UnknownEvent) as caught:
        Journal.open(run.ledger, run.run_id)
    assert operating.park_unread(run.ledger, run.run_id, caught.value)
    assert not operating.park_unread(run.ledger, run.run_id, caught.value)
    rows = run.ledger.rows(run.run_id)
    last = verify(rows)
    assert last is not None
    assert (last.seq, json.loads(last.body)["phase"]) == (seq + 1, "parked")
    heads = run.ledger.heads(phases=["parked"])
    (line,) = runs(heads, why_parked(heads, open_reader(run.ledger.url)))
    assert line["parked"] is not None
    assert line["parked"].startswith("parked: needs version 9.1.0")


def test_a_newer_version_reads_over_the_park_of_an_older_one_and_resumes(tmp_path: Path) -> None:
    """Whatever the unknown event meant, the park after it is legal: also after an end."""
    unread = ev.RunEnded(phase="parked", failure=Failure(code="needs_version", message="needs version 9"))
    run = rr.waiting_for_approval(tmp_path).add(unread)
    assert operating.resume(run.journal, "olga", "cli").phase is Phase.AWAITING_APPROVAL
    done = rr.finished(tmp_path, key="other").add(unread)
    assert done.state.phase is Phase.COMPLETED


def test_a_run_of_a_newer_ledger_version_is_not_read(tmp_path: Path) -> None:
    """Its first event says that an old reader could misread the rest."""
    run = rr.waiting_for_approval(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute(
            "UPDATE events SET body = replace(body, '\"ledger_version\":1', '\"ledger_version\":2') WHERE seq = 1"
        )
    with pytest.raises(UnknownEvent, match="needs version newer than"):
        run.ledger.read(run.run_id)
