"""The one figure that the runs of a series are compared by, and whether it changed enough to be told.

Decides from the answer's chart and the stored rows alone: the chart's first column, else the last numeric one; of a
line the newest row, of one row that row, of groups their sum. Never reads the answer's prose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bq_copilot.state import RunState
from bq_copilot.views import main_query


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparable number."""

    query: str
    column: str
    value: float


def figure_of(state: RunState, rows: Sequence[Sequence[Any]]) -> Figure | None:
    """Return the figure of a run whose main result has these rows, None when it has none."""
    query = main_query(state)
    if query is None or not rows or state.answer is None:
        return None
    names = [c.name for c in state.results[query].columns]
    chart = state.answer.chart
    charted = [y for y in chart.y if y in names] if chart.query == query else []
    wanted = charted or [n for i, n in reversed(list(enumerate(names))) if _number(rows[-1][i]) is not None]
    if not wanted:
        return None
    numbers = [n for row in rows if (n := _number(row[names.index(wanted[0])])) is not None]
    if not numbers:
        return None
    line = chart.kind == "line" or len(numbers) == 1
    return Figure(query, wanted[0], numbers[-1] if line else math.fsum(numbers))


def change_percent(now: float | None, before: float | None) -> float | None:
    """Return by how much it changed, in percent of before; None when there is nothing to compare with."""
    if now is None or before is None:
        return None
    if now == before:
        return 0.0
    return None if before == 0 else round(100.0 * (now - before) / abs(before), 4)


def is_told(percent: float | None, now: float | None, before: float | None) -> bool:
    """Say whether the result meets the condition; what cannot be compared is told."""
    if percent is None or now is None or before is None:
        return True
    changed = change_percent(now, before)
    return changed is None or abs(changed) > percent


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None
