"""The notes on a reply's progress in the ledger's database: one row a run, overwritten.

Edge module. Nothing reads these rows to decide anything; after a restart the next piece of a reply writes a new one.
"""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.progress import Heard

UPSERT = """INSERT INTO progress VALUES (:run_id, :turn, :tool, :characters)
       ON CONFLICT (run_id) DO UPDATE
         SET turn = excluded.turn, tool = excluded.tool, characters = excluded.characters"""
READ = "SELECT turn, tool, characters FROM progress WHERE run_id = :run_id"


class SqlProgress:
    """The Progress port over the database of a SqlLedger."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def note(self, run_id: str, heard: Heard) -> None:
        """Replace the run's note."""
        row = {"run_id": run_id, "turn": heard.turn, "tool": heard.tool[:80], "characters": heard.characters}
        with self._ledger.transaction() as c:
            c.execute(sa.text(UPSERT), row)

    def last(self, run_id: str) -> Heard | None:
        """Return the run's note."""
        with self._ledger.transaction(reads=True) as c:
            row = cast("tuple[Any, Any, Any] | None", c.execute(sa.text(READ), {"run_id": run_id}).first())
        return None if row is None else Heard(int(row[0]), str(row[1]), int(row[2]))
