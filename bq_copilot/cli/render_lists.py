"""Lists for people: runs, what waits, what was verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bq_copilot.amounts import money, size
from bq_copilot.cli.wordings import PHASE_STYLE, duration
from bq_copilot.list_views import CheckView, PendingView, RunView
from bq_copilot.notice_views import told_words
from bq_copilot.safe_text import clip, safe

VERBS = {"approval": "approve", "answer": "answer", "follow_up": "followups accept"}


def render_runs(console: Console, runs: Sequence[RunView]) -> None:
    """Print one line a run."""
    if not runs:
        console.print(Text('There are no runs. Ask something: bq-copilot ask "…"'))
        return
    table = _table("run", "phase", "asked", "by", "question")
    for run in runs:
        phase = Text(run["phase"], style=PHASE_STYLE.get(run["phase"], ""))
        table.add_row(
            Text(run["run_id"], no_wrap=True),
            phase,
            Text(_ago(run["received_at"]), no_wrap=True),
            Text(clip(run["requester"], 20)),
            Text(safe(run["question"]), overflow="ellipsis", no_wrap=True),
        )
    console.print(table)
    for run in runs:
        if run["parked"]:
            console.print(Text.assemble((run["run_id"], "bold"), f" {safe(run['parked'])}"))
            console.print(Text(f"  bq-copilot resume {run['run_id']}   bq-copilot abandon {run['run_id']}", "dim"))


def render_pending(console: Console, waiting: Sequence[PendingView]) -> None:
    """Print what waits for a person, and the command that decides it."""
    if not waiting:
        console.print(Text("Nothing waits for a person."))
    for one in waiting:
        what = f"{size(one['bytes'])}, {money(one['usd'])}" if one["waits_for"] == "approval" else one["asks"]
        console.print(Text.assemble((one["run_id"], "bold"), f" · {safe(one['question'])}"))
        line = f"  {one['waits_for']}: {safe(what)} · by {clip(one['requester'], 30)}"
        console.print(Text(line + f" · waits {_ago(one['waiting_since'])}, until {_until(one['expires_at'])}"))
        for notice in one["told"]:
            console.print(Text(f"  {safe(told_words(notice))}", "dim" if notice["state"] == "told" else "yellow"))
        verb = VERBS[one["waits_for"]]
        console.print(Text(f"  bq-copilot show {one['run_id']}   bq-copilot {verb} {one['run_id']}", "dim"))
    told = [bool(one["told"]) for one in waiting if one["waits_for"] in ("approval", "answer")]
    if told and not any(told):
        console.print(Text("Nobody has been told of these; `bq-copilot doctor` says why.", "dim"))


def render_checks(console: Console, checks: Sequence[CheckView]) -> None:
    """Print what was verified of each run, and the first row that does not fit."""
    for check in checks:
        if check["verified"]:
            counted = f"{check['rows']} rows, {check['approvals']} approvals, {check['texts']} stored texts"
            signed = f", signed to row {check['signed_to']} by {check['key'][:20]}…" if check["signed_to"] else ""
            if check["pruned"]:
                counted = f"pruned on {check['pruned'][:10]}, hashes of {check['rows']} rows are left"
            console.print(Text(f"{check['run_id']}: receipts verified, {counted}{signed}", style="green"))
            continue
        error = check["error"]
        console.print(Text(safe(error["message"] if error else "does not verify"), style="bold red"))
        if error and error["next"]:
            console.print(Text(f"→ {safe(error['next'])}"))
    bad = sum(not c["verified"] for c in checks)
    if len(checks) != 1:
        console.print(Text(f"{len(checks) - bad} of {len(checks)} runs verify.", style="red" if bad else ""))


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in {"#", "after"} else "left")
    return table


def _ago(at: str | None) -> str:
    if at is None:
        return "?"
    return duration((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())


def _until(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC" if at else "?"
