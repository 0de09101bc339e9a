"""The page of one run, from its installation: history, answer and chart in one file.

Edge module: it reads the ledger and the stored texts and has the chart drawn. It starts and changes nothing.
"""

from __future__ import annotations

import json
from typing import Any

from bq_copilot import receipts, views
from bq_copilot.errors import Damaged
from bq_copilot.installation import Installation
from bq_copilot.journal import UnknownRun
from bq_copilot.ledger_reader import parse_all
from bq_copilot.receipts import Row
from bq_copilot.state import RunState
from bq_copilot.trace_html import trace_html
from bq_copilot.trace_view import trace
from bq_copilot.transitions import fold
from bq_copilot.view_types import ReceiptsView, ShowView


def run_page(at: Installation, run_id: str, home: str = "") -> str:
    """Return the page. Raises UnknownRun."""
    rows = at.reader.rows(run_id)
    if not rows:
        raise UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")
    events = parse_all(rows)
    state = fold(run_id, events)
    show = views.show(state, pages_of(at, state), receipts_of(run_id, rows))
    return trace_html(trace(run_id, events, at.shelf), show, chart_of(show), home)


def state_of(at: Installation, run_id: str) -> RunState:
    """Return the run's state. Raises UnknownRun."""
    events = at.reader.read(run_id)
    if not events:
        raise UnknownRun(f"There is no run {run_id}.", next="List the runs with `bq-copilot runs`.")
    return fold(run_id, events)


def pages_of(at: Installation, state: RunState) -> dict[str, list[list[Any]]]:
    """Return the stored rows of each result; one that is damaged is left out, the receipts say so."""
    found: dict[str, list[list[Any]]] = {}
    for query in views.answered_queries(state):
        try:
            found[query] = json.loads(at.shelf.get(state.results[query].page))["rows"]
        except Damaged:
            found[query] = []
    return found


def receipts_of(run_id: str, rows: list[Row]) -> ReceiptsView:
    """Return whether the hash chain of these rows holds."""
    try:
        last = receipts.verify(rows)
    except Damaged as error:
        return ReceiptsView(verified=False, rows=len(rows), head="", problem=error.message, seq=error.seq)
    return ReceiptsView(
        verified=True, rows=len(rows), head=last.hash if last else receipts.GENESIS, problem=None, seq=None
    )


def chart_of(show: ShowView) -> bytes:
    """Return the answer's chart as SVG, empty when there is none to draw."""
    answer = show["answer"]
    if answer is None or answer["chart"] is None:
        return b""
    from bq_copilot.charts import svg_of  # noqa: PLC0415 - loads matplotlib

    return svg_of(answer["chart"], [c["name"] for c in answer["columns"]], answer["rows"])
