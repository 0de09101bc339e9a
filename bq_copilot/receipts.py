"""The hash chain: how each ledger row binds itself to the one before it, and how that is checked.

Decides the bytes that a row's hash covers. It reads rows as text, exactly as they are stored, so that any
altered byte of any column shows; it never repairs anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.errors import Damaged

GENESIS = "sha256:" + "0" * 64
"""The `prev_hash` of every run's first row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the ledger as it is stored: all text but `seq`."""

    run_id: str
    seq: int
    kind: str
    body: str
    at: str
    prev_hash: str
    hash: str


def row_hash(run_id: str, seq: int, kind: str, body: str, at: str, prev_hash: str) -> str:
    """Return `sha256:<hex>` over the row's place, kind, time and predecessor, then its body's bytes."""
    head = canonical_json([run_id, seq, kind, at, prev_hash])
    return digest_bytes(head + b"\n" + body.encode("utf-8"))


def seal(run_id: str, seq: int, kind: str, body: str, at: str, prev_hash: str) -> Row:
    """Return the row with its hash."""
    return Row(run_id, seq, kind, body, at, prev_hash, row_hash(run_id, seq, kind, body, at, prev_hash))


def verify(rows: Iterable[Row]) -> Row | None:
    """Check the chain of one run from its first row; return the last row, None for no rows.

    Raises Damaged with the `seq` of the first row that does not fit.
    """
    last: Row | None = None
    for expected, row in enumerate(rows, start=1):
        _check(row, expected, last)
        last = row
    return last


def _check(row: Row, expected: int, last: Row | None) -> None:
    if row.seq != expected:
        raise _displaced(row, expected)
    if last is not None and row.run_id != last.run_id:
        raise _damaged(row, expected, f"the row belongs to {row.run_id}, not to {last.run_id}")
    if row.prev_hash != (last.hash if last else GENESIS):
        raise _damaged(row, expected, "it does not continue the row before it")
    if row.hash != row_hash(row.run_id, row.seq, row.kind, row.body, row.at, row.prev_hash):
        raise _damaged(row, expected, "its bytes are not those that were recorded")


FAR = 100_000
"""Places that are tried for a row whose number was altered."""


def _displaced(row: Row, expected: int) -> Damaged:
    """A row that is missing, or one whose number was altered: its hash still names the place that it had."""
    places = range(1, FAR) if row.seq < expected else (expected,)
    was = next((n for n in places if _fits(row, n)), None)
    if was is not None and was != row.seq:
        return _damaged(row, was, f"its number was altered to {row.seq}")
    return _damaged(row, expected, f"row {expected} is missing, the next one is {row.seq}")


def _fits(row: Row, seq: int) -> bool:
    return row.hash == row_hash(row.run_id, seq, row.kind, row.body, row.at, row.prev_hash)


def _damaged(row: Row, seq: int, why: str) -> Damaged:
    return Damaged(
        f"receipts of {row.run_id} do not verify at seq {seq}: {why}",
        seq=seq,
        next="Nothing runs on top of it. Compare the ledger with its last backup before you go on.",
    )
