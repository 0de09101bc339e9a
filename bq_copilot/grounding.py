"""Which figures of an answer are in the results.

Decides, by code and not by the model, whether each figure of the summary stands in the cell that is cited for it.
A figure that no cited cell holds is reported as unsupported; years, dates and small counts of words are figures too
unless they stand in the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bq_copilot.toolbox import Citation
from bq_copilot.values import Cell

FIGURE = re.compile(r"(?<![\w.,-])[-+\u2212]?[$€£]?\d+(?:,\d{3})*(?:\.\d+)?\s?(?:%|[kKmMbB]\b)?")
DATE = re.compile(r"\b\d{4}-\d{2}(?:-\d{2})?\b|\b(?:19|20)\d{2}\b(?!\s?%|[,.]\d)")
SCALE = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000}

Results = Mapping[str, tuple[tuple[str, ...], list[list[Any]]]]
"""Query id -> (column names, rows)."""


def check(
    summary: str, citations: Iterable[Citation], results: Results, question: str
) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Return the citations with their cells, and the figures of the summary that nothing supports."""
    cells = tuple(_cell(c, results) for c in citations)
    supported = {_plain(c.figure) for c in cells if c.supported}
    known = {_plain(f) for f in figures(question)} | set(DATE.findall(question))
    loose = [f for f in figures(summary) if _plain(f) not in supported | known]
    loose += [d for d in DATE.findall(summary) if d not in known and not _dated(d, supported, results)]
    return cells, tuple(dict.fromkeys(loose))


def figures(text: str) -> list[str]:
    """Return the figures of a text in order, dates and years left out."""
    return [m.group().strip() for m in FIGURE.finditer(DATE.sub(" ", text))]


def _plain(figure: str) -> str:
    return figure.replace(",", "").replace(" ", "").replace("\u2212", "-").lstrip("+")


def _dated(date: str, supported: set[str], results: Results) -> bool:
    """A date or year is supported when it is cited, or when a cell of the results holds it."""
    if date in supported:
        return True
    cells = (str(v) for _, rows in results.values() for row in rows for v in row)
    return any(date in cell for cell in cells)


def _cell(c: Citation, results: Results) -> Cell:
    bare = Cell(figure=c.figure, query=c.query, row=c.row, column=c.column)
    if c.query not in results:
        return bare
    columns, rows = results[c.query]
    if c.column not in columns or c.row >= len(rows):
        return bare
    value = rows[c.row][columns.index(c.column)]
    text = None if value is None else str(value)
    return bare.model_copy(update={"value": text, "supported": text is not None and holds(c.figure, text)})


def holds(figure: str, cell: str) -> bool:
    """Say whether `cell` shows as `figure` when it is rounded to the figure's own precision."""
    if figure.strip() == cell.strip():
        return True
    wanted, actual = _number(figure), _decimal(cell)
    if wanted is None or actual is None:
        return figure.strip().lower() in cell.strip().lower()
    value, unit, percent = wanted
    candidates = [actual, actual * 100] if percent else [actual]
    half = unit / 2
    return any(abs(abs(value) - abs(x)) <= half or float(abs(value)) == float(abs(x)) for x in candidates)


def _number(figure: str) -> tuple[Decimal, Decimal, bool] | None:
    """Return (value, size of its last digit, is a percentage) of a figure as it is written."""
    text = _plain(figure).strip("$€£+-").lstrip("$€£")
    percent = text.endswith("%")
    text = text.removesuffix("%")
    scale = Decimal(SCALE.get(text[-1:].lower(), 1))
    text = text if scale == 1 else text[:-1]
    value = _decimal(text)
    if value is None:
        return None
    decimals = len(text.partition(".")[2])
    return value * scale, Decimal(1).scaleb(-decimals) * scale, percent


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
