"""What is left of a pruned run: every row's place, kind, time and hashes, and one more row that vouches for them.

Decides: how a run's rows are emptied, and how what is left is checked. The last row is sealed like any other and
continues the chain; its body has a digest over the emptied rows, so none of them can be altered, added or left out
afterwards. What can no longer be checked is what the bodies said; an exported copy of the run still can, and ends in
the same hash.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bq_copilot import head_signatures
from bq_copilot.canonical import canonical_json, digest_bytes
from bq_copilot.errors import Damaged, Refused
from bq_copilot.head_signatures import Signed
from bq_copilot.journal import UnknownRun
from bq_copilot.receipts import GENESIS, Row, row_hash, seal

KIND = "pruned"


@dataclass(frozen=True, slots=True)
class Remains:
    """What was checked of a pruned run."""

    rows: int
    """Rows that it had."""
    head: str
    """Hash of its last row before it was pruned."""
    at: str
    by: str
    phase: str
    signed_to: int = 0
    key: str = ""


def emptied(rows: Sequence[Row], at: str, by: str, phase: str) -> list[Row]:
    """Return what is kept of a run that verifies: its rows without their bodies, and the row that seals them."""
    kept = [replace(row, body="") for row in rows]
    body = {"by": by, "digest": _digest(kept), "phase": phase, "rows": len(kept)}
    last = rows[-1]
    return [*kept, seal(last.run_id, last.seq + 1, KIND, canonical_json(body).decode(), max(at, last.at), last.hash)]


def check(run_id: str, rows: Sequence[Row], signed: Signed | None = None, trusted: str = "") -> Remains:
    """Check what is left of a run. Raises Damaged with the `seq` of the first row that does not fit."""
    before = GENESIS
    for expected, row in enumerate(rows, start=1):
        if (row.run_id, row.seq, row.prev_hash) != (run_id, expected, before):
            raise _damaged(run_id, expected, "it does not continue the row before it")
        before = row.hash
    last, kept = rows[-1], rows[:-1]
    whole = row_hash(last.run_id, last.seq, last.kind, last.body, last.at, last.prev_hash)
    if last.kind != KIND or last.hash != whole:
        raise _damaged(run_id, last.seq, "its bytes are not those that were recorded")
    body = json.loads(last.body)
    if body["rows"] != len(kept) or body["digest"] != _digest(kept):
        raise _damaged(run_id, len(kept), "the kept hashes are not those that were sealed")
    signed_to = head_signatures.check(run_id, rows, signed, trusted)
    key = signed.key if signed and signed_to else ""
    return Remains(len(kept), last.prev_hash, last.at, body["by"], body["phase"], signed_to, key)


def gone(run_id: str, at: str) -> Refused:
    """What somebody is told who asks for a run that was pruned."""
    return Refused(
        f"{run_id} was pruned on {at[:10]}: its hashes are kept, what it said is not.",
        code="pruned",
        next=f"`bq-copilot verify {run_id}` checks what is kept; an exported copy has the rest.",
    )


def missing(run_id: str, left: Sequence[Row]) -> Refused:
    """What somebody is told who asks for a run without events, of which this is left."""
    if left:
        return gone(run_id, left[-1].at)
    return UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")


def _digest(rows: Sequence[Row]) -> str:
    return digest_bytes(canonical_json([[r.seq, r.kind, r.body, r.at, r.prev_hash, r.hash] for r in rows]))


def _damaged(run_id: str, seq: int, why: str) -> Damaged:
    return Damaged(
        f"what is left of {run_id} does not verify at seq {seq}: {why}",
        seq=seq,
        next="Compare the ledger with its last backup.",
    )
