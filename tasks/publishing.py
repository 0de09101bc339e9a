"""Put the answer where people look in the Prefect UI: summary, result tables, chart, timeline."""

from __future__ import annotations

import json
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from bq_copilot.answer_text import answer_markdown, timeline_markdown
from tasks.durable import Place, effect
from tasks.run import Run

TABLE_ROWS = 100
"""Rows of a result table that are shown in the Prefect UI."""


@effect(name="write answer")
async def publish(place: Place, key: str, answer: str, timeline: str, tables: dict[str, list[dict[str, Any]]]) -> int:
    """Create the artifacts of a finished run; return how many."""
    await acreate_markdown_artifact(answer, key=f"{key}-answer", description="Answer")
    await acreate_markdown_artifact(timeline, key=f"{key}-timeline", description="Timeline")
    for query, rows in tables.items():
        name = f"{key}-result-{query}".lower().replace("_", "-")
        await acreate_table_artifact(rows, key=name, description=f"Result of {query}")
    return 2 + len(tables)


async def publish_run(run: Run) -> None:
    """Publish what the run found."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for query, result in run.state.results.items():
        rows = json.loads(run.env.shelf.get(result.page))["rows"][:TABLE_ROWS]
        names = [c.name for c in result.columns]
        tables[query] = [dict(zip(names, row, strict=True)) for row in rows]
    events = run.journal.ledger.read(run.id)
    place = Place(run_id=run.id, seq=run.state.seq, kind="publish", inputs=run.state.hash)
    await publish(place, run.id, answer_markdown(run.state), timeline_markdown(events), tables)
