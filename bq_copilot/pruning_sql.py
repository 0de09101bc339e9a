"""Taking whole runs out of the ledger's database: the one place where rows are removed.

Edge module. Decides: nothing about which run. One transaction a run: its rows are read and checked again, what is kept
of them is written, everything else of it goes. Never does: touch a run that has moved since it was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from bq_copilot import pruned
from bq_copilot.head_signatures import Signed, Signer
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.receipts import Row

COLUMNS = ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")
ROWS = sa.text("SELECT run_id, seq, kind, body, at, prev_hash, hash FROM events WHERE run_id = :run_id ORDER BY seq")
PHASE = sa.text("SELECT phase FROM heads WHERE run_id = :run_id")
SIGNATURE = sa.text("SELECT run_id, seq, hash, key, signature FROM signatures WHERE run_id = :run_id")
KEEP = sa.text("INSERT INTO pruned_rows VALUES (:run_id, :seq, :kind, :body, :at, :prev_hash, :hash)")
SIGN = sa.text(
    "UPDATE signatures SET seq = :seq, hash = :hash, key = :key, signature = :signature WHERE run_id = :run_id"
)
GONE = tuple(sa.text(f"DELETE FROM {table} WHERE run_id = :run_id") for table in ("events", "heads", "spending"))  # noqa: S608
BODIES = sa.text("SELECT body FROM events")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Check = Callable[[Sequence[Row], Signed | None], object]
"""Raises Damaged for a run that does not verify: such a run is evidence and stays."""


def prune(ledger: SqlLedger, run_id: str, seq: int, by: str, check: Check, signer: Signer | None = None) -> bool:
    """Empty one run; False when it is not the one that was looked at any more. Raises Damaged."""
    with ledger.transaction() as c:
        rows = [Row(*r) for r in c.execute(ROWS, {"run_id": run_id})]
        if not rows or rows[-1].seq != seq:
            return False
        found = c.execute(SIGNATURE, {"run_id": run_id}).fetchone()
        check(rows, Signed(*found) if found else None)
        phase = str(c.execute(PHASE, {"run_id": run_id}).scalar_one())
        kept = pruned.emptied(rows, ledger.stamp(c), by, phase)
        c.execute(KEEP, [_values(row) for row in kept])
        if found and signer is not None:
            c.execute(SIGN, asdict(signer(run_id, kept[-1].seq, kept[-1].hash)))
        for statement in GONE:
            c.execute(statement, {"run_id": run_id})
    return True


def unreferenced(ledger: SqlLedger, names: Collection[str]) -> set[str]:
    """Return those of these stored texts (`sha256:…`) that no event of the ledger names any more."""
    left = set(names)
    if not left:
        return left
    with ledger.transaction(reads=True) as c:
        for (body,) in c.execution_options(stream_results=True, yield_per=500).execute(BODIES):
            left.difference_update(DIGEST.findall(body))
    return left


def _values(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}
