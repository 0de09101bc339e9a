"""`verify` for one run or for all: every check of `verifying`, reported run by run instead of raised."""

from __future__ import annotations

from collections.abc import Iterable

from bq_copilot.errors import Damaged, Refused
from bq_copilot.installation import Installation
from bq_copilot.journal import UnknownRun
from bq_copilot.ledger import RunHead
from bq_copilot.list_views import CheckView
from bq_copilot.verifying import check_run
from bq_copilot.view_types import ErrorView

EVERY = 1_000_000
"""More runs than a ledger is asked for at once."""


def check_all(installation: Installation, run_id: str | None = None) -> list[CheckView]:
    """Check one run, or every run that the ledger lists. Raises UnknownRun."""
    reader = installation.reader
    heads = {h.run_id: h for h in reader.heads(limit=EVERY, run_ids=[run_id] if run_id else ())}
    if run_id and run_id not in heads and not reader.rows(run_id):
        raise UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")
    wanted: Iterable[str] = [run_id] if run_id else heads
    return [_check(installation, one, heads.get(one)) for one in wanted]


def _check(installation: Installation, run_id: str, head: RunHead | None) -> CheckView:
    rows = installation.reader.rows(run_id)
    try:
        found = check_run(run_id, rows, installation.shelf, head)
    except (Damaged, Refused) as error:
        return CheckView(
            run_id=run_id,
            verified=False,
            rows=len(rows),
            approvals=0,
            texts=0,
            head="",
            seq=error.seq if isinstance(error, Damaged) else None,
            error=ErrorView(code=error.code, message=error.message, next=error.next),
        )
    return CheckView(
        run_id=run_id,
        verified=True,
        rows=found.rows,
        approvals=found.approvals,
        texts=found.texts,
        head=found.head,
        seq=None,
        error=None,
    )
