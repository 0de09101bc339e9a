"""`verify` for one run, for all, or for an exported one: every check of `verifying`, reported instead of raised."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from bq_copilot import pruned
from bq_copilot.bundle import Bundle
from bq_copilot.errors import Damaged, Refused
from bq_copilot.head_signatures import trusted_key
from bq_copilot.installation import Installation
from bq_copilot.journal import UnknownRun
from bq_copilot.ledger import RunHead
from bq_copilot.list_views import CheckView
from bq_copilot.receipts import Row
from bq_copilot.verifying import Checked, check_run
from bq_copilot.view_types import ErrorView

EVERY = 1_000_000
"""More runs than a ledger is asked for at once."""

LOOKS = 3
"""Times that a run is looked at again whose rows and place in the list of runs do not agree."""


def check_all(installation: Installation, run_id: str | None = None, key: str = "") -> list[CheckView]:
    """Check one run, or every run that the ledger lists. Raises UnknownRun."""
    reader = installation.reader
    trusted = key or trusted_key(os.environ)
    if run_id and (left := reader.pruned_rows(run_id)):
        return [_check_pruned(installation, run_id, left, trusted)]
    heads = {h.run_id: h for h in reader.heads(limit=EVERY, run_ids=[run_id] if run_id else ())}
    if run_id and run_id not in heads and not reader.rows(run_id):
        raise UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")
    wanted: Iterable[str] = [run_id] if run_id else heads
    found = [_check(installation, one, heads.get(one), trusted) for one in wanted]
    others = [] if run_id else reader.pruned_runs()
    return found + [_check_pruned(installation, one, reader.pruned_rows(one), trusted) for one in others]


def check_bundle(path: Path, key: str = "") -> CheckView:
    """Check an exported run from its file alone. Raises Refused when it is no such file."""
    with Bundle.open(path) as bundle:
        rows, trusted = bundle.rows, key or trusted_key(os.environ)
        return _view(
            bundle.run_id,
            len(rows),
            lambda: bundle.check(check_run(bundle.run_id, rows, bundle.shelf, None, bundle.signed, trusted)),
        )


def _check(installation: Installation, run_id: str, head: RunHead | None, trusted: str) -> CheckView:
    reader = installation.reader
    rows, signed = reader.rows(run_id), reader.signature_of(run_id)
    for _ in range(LOOKS):
        if head is None or not rows or head.seq == rows[-1].seq:
            break  # else the run may have gone on between two looks; what is damaged stays as it is
        head = next(iter(reader.heads(run_ids=[run_id], limit=1)), None)
        rows, signed = reader.rows(run_id), reader.signature_of(run_id)
    check = check_run
    return _view(run_id, len(rows), lambda: check(run_id, rows, installation.shelf, head, signed, trusted))


def _check_pruned(installation: Installation, run_id: str, rows: list[Row], trusted: str) -> CheckView:
    signed = installation.reader.signature_of(run_id)

    def check() -> Checked:
        found = pruned.check(run_id, rows, signed, trusted)
        return Checked(found.rows, 0, 0, found.head, found.signed_to, found.key)

    return {**_view(run_id, len(rows) - 1, check), "pruned": rows[-1].at}


def _view(run_id: str, rows: int, check: Callable[[], Checked]) -> CheckView:
    try:
        found, error, seq = check(), None, None
    except (Damaged, Refused) as problem:
        found, seq = Checked(rows, 0, 0, ""), problem.seq if isinstance(problem, Damaged) else None
        error = ErrorView(code=problem.code, message=problem.message, next=problem.next)
    return CheckView(
        run_id=run_id,
        verified=error is None,
        rows=found.rows,
        approvals=found.approvals,
        texts=found.texts,
        head=found.head,
        signed_to=found.signed_to,
        key=found.key,
        pruned="",
        seq=seq,
        error=error,
    )
