"""Reading what is kept of pruned runs from the ledger's database.

Edge module. A ledger that was not upgraded yet has no such table, and no pruned run.
"""

from __future__ import annotations

import sqlalchemy as sa

from bq_copilot.receipts import Row

ROWS = sa.text(
    "SELECT run_id, seq, kind, body, at, prev_hash, hash FROM pruned_rows WHERE run_id = :run_id ORDER BY seq"
)
RUNS = sa.text("SELECT run_id FROM pruned_rows WHERE kind = 'pruned' ORDER BY at, run_id")


def pruned_rows(c: sa.Connection, run_id: str) -> list[Row]:
    """Return the rows that are kept of this run."""
    return [Row(*r) for r in c.execute(ROWS, {"run_id": run_id})] if _present(c) else []


def pruned_runs(c: sa.Connection) -> list[str]:
    """Return the ids of all pruned runs, the first pruned first."""
    return [str(r[0]) for r in c.execute(RUNS)] if _present(c) else []


def _present(c: sa.Connection) -> bool:
    if c.dialect.name == "sqlite":
        query = "SELECT 1 FROM sqlite_master WHERE name = 'pruned_rows'"
    else:
        query = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'pruned_rows'"
    return c.execute(sa.text(query)).first() is not None
