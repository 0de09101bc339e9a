"""`export`: a run with its receipts as one file, or a stored result for another program, by the file's name.

Edge module: it writes one file, which appears whole or not at all. It asks neither warehouse nor Prefect.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from bq_copilot import answer_files, bundle, card, views
from bq_copilot.answer_text import answer_markdown
from bq_copilot.errors import Refused
from bq_copilot.installation import Installation
from bq_copilot.ledger_reader import parse_all
from bq_copilot.run_page import run_page
from bq_copilot.state import RunState
from bq_copilot.transitions import fold

FILES = (".zip", ".csv", ".parquet")


class ExportView(TypedDict):
    """What was written."""

    run_id: str
    file: str
    bytes: int
    query: str | None
    rows: int
    """Rows of the ledger in a .zip, rows of the result in any other file."""
    row_count: int
    """Rows of the whole result."""
    truncated: bool
    """True when the warehouse's result has more rows than are stored, and so than the file has."""
    table: str | None
    """Where the whole result lies until it expires."""


def export(at: Installation, run_id: str, path: Path, query: str | None = None) -> ExportView:
    """Write the run, or one of its results. Raises Refused (`bad_file`, `no_result`)."""
    suffix = path.suffix.lower()
    if suffix not in FILES:
        raise Refused(
            f"{path.name} is none of {', '.join(FILES)}.", code="bad_file", next="Name a file that ends in one of them."
        )
    try:
        return _bundle(at, run_id, path) if suffix == ".zip" else _result(at, run_id, path, query)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.", code="bad_file") from error


def _bundle(at: Installation, run_id: str, path: Path) -> ExportView:
    rows = at.reader.rows(run_id)
    signed = at.reader.signature_of(run_id)
    events = parse_all(rows)
    state = fold(run_id, events)
    texts = bundle.texts_of([e.event for e in events], at.shelf)
    signed = signed if signed and signed.seq <= len(rows) else None
    bundle.write(path, rows, texts, signed, _for_people(at, state))
    size = path.stat().st_size
    return ExportView(
        run_id=run_id,
        file=str(path),
        bytes=size,
        query=None,
        rows=len(rows),
        row_count=0,
        truncated=False,
        table=None,
    )


def _for_people(at: Installation, state: RunState) -> dict[str, bytes]:
    found = {"trace.html": run_page(at, state.run_id).encode(), "answer.md": answer_markdown(state).encode()}
    plans = [p for p in (*state.earlier, *([state.plan] if state.plan else [])) if p.request]
    for plan in plans:
        found[f"cards/revision-{plan.revision}.md"] = card.card_markdown(plan, state.earlier).encode()
        found[f"cards/revision-{plan.revision}.html"] = card.card_html(plan, state.earlier).encode()
    for name, result in state.results.items():
        rows = json.loads(at.shelf.get(result.page))["rows"]
        found[f"results/{name}.csv"] = answer_files.csv_bytes(result.columns, rows)
    return found


def _result(at: Installation, run_id: str, path: Path, query: str | None) -> ExportView:
    state = fold(run_id, at.reader.read(run_id))
    name = query or views.main_query(state)
    result = state.results.get(name or "")
    if name is None or result is None:
        known = ", ".join(views.answered_queries(state)) or "none"
        raise Refused(f"{run_id} has no result {name or ''}; it has {known}.", code="no_result")
    rows = json.loads(at.shelf.get(result.page))["rows"]
    write = answer_files.csv_bytes if path.suffix.lower() == ".csv" else answer_files.parquet_bytes
    data = write(result.columns, rows)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return ExportView(
        run_id=run_id,
        file=str(path),
        bytes=len(data),
        query=name,
        rows=len(rows),
        row_count=result.row_count,
        truncated=result.row_count > len(rows),
        table=result.destination or None,
    )
