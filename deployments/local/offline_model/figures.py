"""Figures of an answer and their citations.

Decides how a cell is written (thousands separators, percent signs, dates as they are) and keeps, for every figure that
enters the text, the cell that holds it. Never computes a figure: what is not in a cell cannot be written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.local.offline_model.conversation import Json

PERCENT_ENDINGS = ("_pct", "pct_of_first", "pct_of_previous", "_pct_since_first")
_NUMERIC = frozenset({"INT64", "INTEGER", "FLOAT64", "FLOAT", "NUMERIC", "BIGNUMERIC"})


@dataclass(frozen=True)
class Sheet:
    """One result as columns and rows."""

    query: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    truncated: bool
    changed: bool = False
    """True when a person changed the SQL that gave it."""

    @property
    def numbers(self) -> tuple[str, ...]:
        """Number columns that carry figures; step numbers and keys do not."""
        return tuple(
            c for c, t in zip(self.columns, self.types, strict=True)
            if t in _NUMERIC and not c.endswith(("_id", "_number")) and c not in ("hour",)
        )  # fmt: skip

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(c for c in self.columns if c not in self.numbers and not c.endswith("_number"))

    def at(self, row: int, column: str) -> Any:
        return self.rows[row][self.columns.index(column)]

    def has(self, column: str) -> bool:
        return column in self.columns


@dataclass
class Draft:
    """The summary under construction, with its citations."""

    sentences: list[str] = field(default_factory=list)
    citations: list[Json] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.sentences.append(text)

    def cite(self, sheet: Sheet, row: int, column: str) -> str:
        """The cell's text for the summary; records where it stands."""
        value = sheet.at(row, column)
        figure = written(value, column, sheet.types[sheet.columns.index(column)])
        if value is not None and any(c.isdigit() for c in figure):
            entry = {"figure": figure, "query": sheet.query, "row": row, "column": column}
            if entry not in self.citations:
                self.citations.append(entry)
        return figure

    def row_name(self, sheet: Sheet, row: int, labels: Sequence[str]) -> str:
        """The row's labels, such as `DE, 2025-09-08`; a readable name stands before its key."""
        named = [c for c in labels if not c.endswith("_id")] or list(labels)
        return ", ".join(self.cite(sheet, row, c) for c in named)


def read_sheet(result: Json) -> Sheet:
    """A result set of the platform."""
    columns = [c for c in result.get("columns") or [] if isinstance(c, dict)]
    return Sheet(
        query=str(result.get("query") or "q1"),
        columns=tuple(str(c.get("name")) for c in columns),
        types=tuple(str(c.get("type") or "").upper() for c in columns),
        rows=[r for r in result.get("rows") or [] if isinstance(r, list)],
        truncated=bool(result.get("truncated")),
        changed="changed_by_a_person" in result,
    )


def number_of(value: Any) -> float | None:
    """The cell as a number; warehouses send some numbers as text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def written(value: Any, column: str, kind: str) -> str:
    """The cell as it stands in the summary."""
    number = number_of(value) if kind in _NUMERIC else None
    if value is None:
        return "none"
    if number is None:
        return str(value)[:10] if kind in ("TIMESTAMP", "DATETIME") else " ".join(str(value).split())[:80]
    if kind in ("INT64", "INTEGER"):
        return f"{int(number):,}" if not column.endswith("_id") else str(int(number))
    decimals = 2 if abs(number) < 1000 or number != int(number) else 0
    if 0 < abs(number) < 0.1:
        decimals = 4
    return f"{number:,.{decimals}f}" + ("%" if column.endswith(PERCENT_ENDINGS) else "")
