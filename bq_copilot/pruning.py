"""Which runs are old enough to be emptied, and what goes with them: `bq-copilot prune`.

Decides: a run goes when it has ended, did not move for longer than the age, verifies, and no follow-up of it may still
run. Its stored texts go too when no other run names them. Never does: delete a hash, or anything of a run that does not
verify. Texts in a bucket are left to their owner: whether another writer needs one just now cannot be seen there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from bq_copilot.errors import Damaged, Refused
from bq_copilot.folder_blobs import FolderBlobs
from bq_copilot.head_signatures import Signed, signer_of
from bq_copilot.installation import Installation
from bq_copilot.journal import Journal
from bq_copilot.ledger import Ledger, RunHead
from bq_copilot.ledger_reader import parse
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.receipts import Row
from bq_copilot.shelf import file_of
from bq_copilot.verifying import check_run, stored_texts

if TYPE_CHECKING:
    from bq_copilot.ledger_sql import SqlLedger

EVERY = 1_000_000
UNUSED = 3_600.0
"""Seconds since a text was last written; a writer finds it there, and records its event within minutes."""

AGE = re.compile(r"(\d+)\s*([hdwy])")
HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}


class PruneView(TypedDict):
    """What `prune` did, or would do."""

    done: bool
    """False when it only looked."""
    older_than: str
    runs: list[str]
    kept: list[str]
    """Runs that are old enough and stay, each with the reason."""
    rows: int
    texts: int
    """Stored texts that were removed because nothing names them any more."""
    bytes: int


@dataclass(frozen=True)
class Chosen:
    """What would be done."""

    runs: tuple[RunHead, ...]
    kept: tuple[str, ...]


def age_of(text: str) -> timedelta:
    """Return what `90d`, `12w`, `36h` or `1y` means. Raises Refused."""
    found = AGE.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise Refused(f"{text!r} is no age.", code="bad_age", next="Write it as 90d, 12w, 36h or 1y.")
    return timedelta(hours=int(found[1]) * HOURS[found[2]])


def choose(ledger: Ledger, age: timedelta) -> Chosen:
    """Return the ended runs that did not move for so long, and those among them that a follow-up still needs."""
    now = ledger.now()
    ended = ledger.heads(phases=sorted(TERMINAL - {Phase.PARKED}), limit=EVERY)
    old = [head for head in ended if now - head.updated_at > age]
    parents = set(ledger.parents())
    live = {h.run_id for h in old if h.run_id in parents and _has_series(ledger, h.run_id, now)}
    kept = tuple(f"{h.run_id}: a follow-up of it may still run" for h in old if h.run_id in live)
    return Chosen(tuple(h for h in old if h.run_id not in live), kept)


def _has_series(ledger: Ledger, run_id: str, now: datetime) -> bool:
    series = Journal.open(ledger, run_id).state.series
    return any(one.stands(now) in {"proposed", "accepted", "scheduled"} for one in series)


def prune(at: Installation, older_than: str, by: str, *, dry_run: bool) -> PruneView:
    """Empty the runs that are old enough, oldest first; with `dry_run` only say which."""
    from bq_copilot.ledger_sql import SqlLedger  # noqa: PLC0415 - loads SQLAlchemy, like the next one
    from bq_copilot.pruning_sql import prune as empty  # noqa: PLC0415

    ledger, age = at.ledger, age_of(older_than)
    assert isinstance(ledger, SqlLedger)
    chosen = choose(ledger, age)
    view = PruneView(done=not dry_run, older_than=older_than, runs=[], kept=list(chosen.kept), rows=0, texts=0, bytes=0)
    texts, signer = set[str](), signer_of(os.environ)
    for head in reversed(chosen.runs):
        rows = ledger.rows(head.run_id)
        try:
            gone = dry_run or empty(ledger, head.run_id, head.seq, by, _whole(at, head), signer)
        except Damaged as error:
            view["kept"].append(f"{head.run_id}: {error.message}")
            continue
        if gone:
            view["runs"].append(head.run_id)
            view["rows"] += len(rows)
            texts |= _texts(rows)
    if not dry_run:
        view["texts"], view["bytes"] = _sweep(at, ledger, texts, view["runs"])
    return view


def _whole(at: Installation, head: RunHead) -> Callable[[Sequence[Row], Signed | None], object]:
    """Return the check of all receipts of this run, for the transaction that takes it out."""
    return lambda rows, signed: check_run(head.run_id, rows, at.shelf, head, signed)


def _texts(rows: list[Row]) -> set[str]:
    """Return the digests of the stored texts that these rows name."""
    found = (stored for row in rows for stored in stored_texts(parse(row).event))
    return {stored.sha256 for stored in found if stored.text is None}


def _sweep(at: Installation, ledger: SqlLedger, texts: set[str], runs: list[str]) -> tuple[int, int]:
    """Remove what only these runs needed: (texts, bytes)."""
    from bq_copilot.pruning_sql import unreferenced  # noqa: PLC0415 - see prune

    if at.results.startswith("gs://"):
        return 0, 0
    folder = FolderBlobs(Path(at.results))
    for run_id in runs:
        folder.remove_results(run_id)
    gone = [folder.remove(file_of(name), UNUSED) for name in unreferenced(ledger, texts)]
    return sum(size > 0 for size in gone), sum(gone)
