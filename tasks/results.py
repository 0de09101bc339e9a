"""Read the first page of a result, summarise it with pandas, and put it on the shelf."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pandas as pd

from bq_copilot.events import ResultRead
from bq_copilot.ports import Page, Warehouse
from bq_copilot.shelf import Shelf
from bq_copilot.state import Job
from bq_copilot.values import ResultColumn, Stored
from tasks import acting
from tasks.durable import Place, effect
from tasks.run import Run

KEEP_ROWS = 1_000
"""Rows of a result that are stored; the rest stays in the result table."""

NUMERIC = frozenset({"INTEGER", "INT64", "FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC"})


@effect(name="read result page")
async def read_page(place: Place, warehouse: Warehouse, shelf: Shelf, job_id: str) -> dict[str, Any]:
    """Store the first page with its summary and return where it is, as JSON."""
    page = await asyncio.to_thread(warehouse.page, job_id, KEEP_ROWS)
    text = json.dumps({"rows": page.rows, "summary": summarise(page)}, ensure_ascii=False)
    return {
        "columns": [c.model_dump() for c in page.columns],
        "page": shelf.put(text).model_dump(),
        "row_count": page.row_count,
        "rows_kept": len(page.rows),
    }


async def read(run: Run, job: Job) -> None:
    """Read, store and record the first page of a finished job's result."""
    intent = job.intent
    place = Place(run_id=run.id, seq=intent.attempt, kind="read", inputs=intent.job_id)
    found = await read_page(place, acting.warehouse_of(run, intent.query), run.env.shelf, intent.job_id)
    run.append(
        ResultRead(
            query=intent.query,
            job_id=intent.job_id,
            columns=tuple(ResultColumn(**c) for c in found["columns"]),
            page=Stored(**found["page"]),
            row_count=found["row_count"],
            rows_kept=found["rows_kept"],
            destination=intent.destination,
        )
    )


def summarise(page: Page) -> dict[str, dict[str, float | None]]:
    """Return min, max, sum, mean, first, last and relative change of each numeric column."""
    frame = pd.DataFrame(list(page.rows), columns=pd.Index([c.name for c in page.columns]))
    numeric = [i for i, c in enumerate(page.columns) if c.type in NUMERIC]
    return {page.columns[i].name: _numbers(pd.to_numeric(frame.iloc[:, i], errors="coerce")) for i in numeric}


def _numbers(column: pd.Series) -> dict[str, float | None]:
    values = column.dropna()
    if values.empty:
        return {}
    first, last = float(values.iloc[0]), float(values.iloc[-1])
    found = {
        "min": values.min(),
        "max": values.max(),
        "sum": values.sum(),
        "mean": values.mean(),
        "first": first,
        "last": last,
        "change": (last - first) / first if first else math.nan,
    }
    return {k: float(v) if math.isfinite(v) else None for k, v in found.items()}
