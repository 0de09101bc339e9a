"""`export --table`: which table a result is copied to, until when, by which statement, and whether policy lets it.

Pure but for the one append. Read-only is the default: no dataset may be written to unless the policy of the day names
it. The statement is ours, made of names that are checked; the table must not be there yet, so nothing is replaced.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TypedDict

from bq_copilot import views
from bq_copilot.appending import append
from bq_copilot.errors import Refused
from bq_copilot.events import Event, ExportRequested
from bq_copilot.export_transitions import EXPORTABLE
from bq_copilot.identity import label
from bq_copilot.journal import Journal
from bq_copilot.policy import Policy
from bq_copilot.state import RunState
from bq_copilot.woken import Woken

NAME = re.compile(
    r"(?:(?:(?P<project>[a-z][a-z0-9-]{4,28}[a-z0-9])\.)?(?P<dataset>\w{1,1024})\.)?(?P<table>\w{1,1024})", re.ASCII
)


POLL_SECONDS = 0.1

PATIENCE = 300.0
"""Seconds that the outcome is waited for; the export goes on whether somebody waits or not."""


class TableExportView(TypedDict):
    """What became of an export."""

    run_id: str
    query: str
    table: str
    expires_at: str
    job_id: str
    bytes_billed: int


def request(journal: Journal, target: str, days: float, query: str, by: str, via: str) -> RunState:
    """Record what is wanted. Raises Refused (`bad_table`, `bad_days`, `no_result`, `not_ended`)."""
    if not 0 < days <= 3650:
        raise Refused(f"{days:g} days are no expiration.", code="bad_days", next="Give more than 0 and at most 3650.")

    def make(state: RunState) -> Event:
        if state.phase not in EXPORTABLE:
            hint = f"Look at `bq-copilot show {state.run_id}`."
            raise Refused(f"{state.run_id} is {state.phase}: it has no result to export.", code="not_ended", next=hint)
        name, source = _source(state, query)
        expires = journal.ledger.now() + timedelta(days=days)
        full = full_name(target, source)
        return ExportRequested(by=by, via=via, query=name, source=source, target=full, expires_at=expires)

    return append(journal, make)


def _source(state: RunState, query: str) -> tuple[str, str]:
    name = query or views.main_query(state) or ""
    result = state.results.get(name)
    if result is None or not result.destination:
        known = ", ".join(q for q in views.answered_queries(state) if state.results[q].destination) or "none"
        raise Refused(f"{state.run_id} has no table of {name or 'a result'}; it has {known}.", code="no_result")
    return name, result.destination


def full_name(target: str, source: str) -> str:
    """Return `project.dataset.table`; what is left out is as in `source`. Raises Refused (`bad_table`)."""
    found = NAME.fullmatch(target)
    if found is None:
        hint = "Write TABLE, DATASET.TABLE or PROJECT.DATASET.TABLE, of letters, digits and _."
        raise Refused(f"{target!r} is no name of a table.", code="bad_table", next=hint)
    project, dataset, _ = source.split(".")
    return f"{found['project'] or project}.{found['dataset'] or dataset}.{found['table']}"


def check(policy: Policy, wanted: ExportRequested, now: datetime) -> None:
    """Raise Refused (`export_not_allowed`, `expires_too_late`, `expired`) unless the policy of the day lets it."""
    dataset = wanted.target.rpartition(".")[0]
    if not any(fnmatchcase(dataset, allowed) for allowed in policy.exports.datasets):
        raise Refused(
            f"The policy lets nobody export to {dataset}.",
            code="export_not_allowed",
            next=f"Name a dataset of exports.datasets, or have `{dataset}` added there; `bq-copilot export RUN --out"
            " FILE.csv` needs no permission.",
        )
    if wanted.expires_at > now + timedelta(days=policy.exports.days, minutes=5):
        raise Refused(
            f"The policy lets an exported table live for at most {policy.exports.days:g} days.",
            code="expires_too_late",
            next=f"Ask again with --days {policy.exports.days:g} or less.",
        )
    if wanted.expires_at <= now:
        raise Refused("The export came too late: the table would have expired.", code="expired", next="Ask again.")


def statement(run_id: str, wanted: ExportRequested) -> str:
    """Return the one statement that makes the table, with its expiration and labels, from the result's table."""
    at = f"{wanted.expires_at:%Y-%m-%d %H:%M:%S}+00:00"
    labels = f'("app", "bq-copilot"), ("run", "{label(run_id)}")'
    options = f'expiration_timestamp = TIMESTAMP "{at}", labels = [{labels}]'
    return f"CREATE TABLE `{wanted.target}` OPTIONS({options}) AS {reading(wanted.source)}"


def reading(source: str) -> str:
    """Return the statement that reads the result's table."""
    return f"SELECT * FROM `{source}`"  # noqa: S608 - the name of a table that a run of ours has made


def outcome(look: Callable[[], RunState], before: int, woken: Woken) -> TableExportView:
    """Wait for the outcome of an export. Raises Refused with its reason, also when it has not ended in five minutes."""
    give_up, pause = time.monotonic() + PATIENCE, threading.Event()
    while len((state := look()).exports) <= before:
        if time.monotonic() > give_up:
            hint = f"It goes on by itself: `bq-copilot trace {state.run_id}` says what became of it."
            raise Refused(f"The export has not ended yet. {woken.why}".strip(), code="not_ended", next=hint)
        pause.wait(POLL_SECONDS)
    return view(state)


def view(state: RunState) -> TableExportView:
    """Return the newest export. Raises Refused with the reason when it failed."""
    newest = state.exports[-1]
    assert newest.done is not None
    failure = newest.done.failure
    if failure is not None:
        raise Refused(failure.message, code=failure.code, next=failure.next)
    return TableExportView(
        run_id=state.run_id,
        query=newest.requested.query,
        table=newest.requested.target,
        expires_at=newest.requested.expires_at.isoformat(),
        job_id=newest.done.job_id,
        bytes_billed=newest.done.bytes_billed,
    )
