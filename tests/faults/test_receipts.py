"""F19: somebody writes into the ledger's database by hand."""

from __future__ import annotations

import sqlite3

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live


def test_F19_an_altered_row_is_named_and_nothing_executes_on_top_of_it(stack: Live, waiting: RunHandle) -> None:
    """A word of the question is changed: `verify` says in which row; then it is approved: parked, no job was sent."""
    alter(stack, waiting.run_id, seq=1, old="2025", new="2024")
    (check,) = stack.copilot.verify(waiting.run_id)
    assert (check["verified"], check["seq"]) == (False, 1)
    waiting.approve()
    waiting.wait((), timeout=PATIENCE)
    error = waiting.show()["error"]
    assert waiting.phase is Phase.PARKED
    assert error is not None
    assert "seq 1" in error["message"]
    assert stack.jobs_of_plan(waiting) == []


def alter(stack: Live, run_id: str, *, seq: int, old: str, new: str) -> None:
    """Change stored text as somebody with access to the database file could."""
    with sqlite3.connect(stack.home.root / "ledger.db", timeout=20) as database:
        sql = "UPDATE events SET body = replace(body, ?, ?) WHERE run_id = ? AND seq = ?"
        changed = database.execute(sql, (old, new, run_id, seq))
        assert changed.rowcount == 1
