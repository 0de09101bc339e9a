"""F05 and F23 on the running stack: a ledger that is locked for long, and a run that a newer version has written."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from bq_copilot.canonical import canonical_json
from bq_copilot.client import RunHandle
from bq_copilot.errors import LedgerUnavailable, Refused
from bq_copilot.ledger_reader import UnknownEvent
from bq_copilot.phases import Phase
from bq_copilot.receipts import seal
from tests.faults.conftest import QUESTION
from tests.faults.test_processes import ends_well
from tests.live import RECOVERY, Live
from tests.waiting import until

LOCKED_SECONDS = 13.0
"""Longer than a writer waits for the lock."""


def test_F05_nothing_is_sent_while_the_ledger_is_locked_and_the_run_goes_on_afterwards(
    stack: Live, waiting: RunHandle
) -> None:
    """Approved, then locked out: no job without its intent, and one job once the ledger is back."""
    waiting.approve()
    lock = sqlite3.connect(stack.home.root / "ledger.db", isolation_level=None, timeout=20)
    lock.execute("BEGIN IMMEDIATE")
    before = "job_intended" in stack.kinds(waiting)
    threading.Event().wait(LOCKED_SECONDS)
    assert before or stack.jobs_of_plan(waiting) == []
    lock.execute("ROLLBACK")
    lock.close()
    ends_well(stack, waiting)


def test_F05_a_decision_is_refused_while_the_ledger_is_locked(stack: Live, waiting: RunHandle) -> None:
    """The person is told to try again, and trying again succeeds."""
    lock = sqlite3.connect(stack.home.root / "ledger.db", isolation_level=None, timeout=20)
    lock.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="try again: ledger unavailable"):
        waiting.reject("no")
    lock.execute("ROLLBACK")
    lock.close()
    waiting.reject("no").wait((), timeout=RECOVERY)
    assert waiting.phase is Phase.REJECTED


def test_F23_a_run_that_a_newer_version_wrote_is_parked_and_nothing_is_guessed(stack: Live) -> None:
    """An unknown event appears while the run sleeps: woken, it is parked with the version that it needs."""
    run = stack.ask_with(QUESTION, warm_seconds=0)
    run.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)
    until(lambda: stack.flow_state(run) == "Suspended", RECOVERY)
    note_the_moon(stack, run)
    flow_run = stack.flow_run(run)["id"]
    stack.prefect("POST", f"/flow_runs/{flow_run}/set_state", {"state": {"type": "SCHEDULED"}})
    reader = stack.copilot.installation.reader
    until(lambda: [h.phase for h in reader.heads(run_ids=[run.run_id])] == ["parked"], RECOVERY)
    with pytest.raises(UnknownEvent, match="needs version"):
        stack.copilot.run(run.run_id)
    with pytest.raises(Refused, match="needs version"):
        run.resume()
    (line,) = [r for r in stack.copilot.runs(phases=["parked"]) if r["run_id"] == run.run_id]
    assert "needs version" in str(line["parked"])
    assert stack.jobs_of_plan(run) == []


def note_the_moon(stack: Live, run: RunHandle) -> None:
    """Append an event of a kind that no version knows."""
    last = stack.copilot.installation.reader.rows(run.run_id)[-1]
    body = canonical_json({"kind": "moon_phase_noted"}).decode()
    row = seal(run.run_id, last.seq + 1, "moon_phase_noted", body, last.at, last.hash)
    with sqlite3.connect(stack.home.root / "ledger.db", timeout=20) as database:
        values = (row.run_id, row.seq, row.kind, row.body, row.at, row.prev_hash, row.hash)
        database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", values)
