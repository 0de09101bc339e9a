"""Whether a run's rows are those that an expected query gives.

Decides what execution match means here: the same rows as often, each expected column somewhere among the found ones,
in the expected order only where the expected query's last word is ORDER BY; numbers within a tolerance. Pure: who runs
the query is `deployments.expected_results`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import sqlglot
from sqlglot import exp

TOLERANCE = 1e-4
MOST_LAYOUTS = 500
"""Arrangements of columns that are tried before a result counts as another one."""

Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Gold:
    """What the expected query gave; `problem` says why it could not be run."""

    rows: tuple[tuple[object, ...], ...] = ()
    ordered_by: tuple[int, ...] | None = None
    """Columns whose order counts; None where it does not, empty where it counts and is none of the columns."""
    problem: str = ""
    code: str = ""
    """The problem's error code."""


def order_of(sql: str, columns: Sequence[str]) -> tuple[int, ...] | None:
    """Return the places of the columns that the outermost ORDER BY names; None when there is none."""
    try:
        order = sqlglot.parse_one(sql, dialect="bigquery").args.get("order")
    except sqlglot.ParseError:
        return None
    if order is None:
        return None
    names = [c.lower() for c in columns]
    return tuple(p for o in order.expressions if (p := _place(o.this, names)) is not None)


def _place(term: object, names: list[str]) -> int | None:
    if isinstance(term, exp.Literal) and not term.is_string and 0 < int(term.this) <= len(names):
        return int(term.this) - 1
    name = term.name.lower() if isinstance(term, exp.Column) else ""
    return names.index(name) if name in names else None


def matches(gold: Gold, rows: Sequence[Row]) -> bool:
    """Say whether the rows are the expected ones."""
    if len(rows) != len(gold.rows):
        return False
    if not rows:
        return True
    return any(_same(gold, [tuple(row[c] for c in layout) for row in rows]) for layout in _layouts(gold, rows))


def _layouts(gold: Gold, rows: Sequence[Row]) -> Iterator[tuple[int, ...]]:
    """Every way in which found columns may stand for the expected ones, judged column by column first."""
    choices = [
        [n for n in range(len(rows[0])) if _alike([r[place] for r in gold.rows], [r[n] for r in rows])]
        for place in range(len(gold.rows[0]))
    ]
    for tried, layout in enumerate(product(*choices)):
        if tried >= MOST_LAYOUTS:
            return
        if len(set(layout)) == len(layout):
            yield layout


def _alike(wanted: Sequence[object], found: Sequence[object]) -> bool:
    pairs = zip(sorted(wanted, key=_rank), sorted(found, key=_rank), strict=True)
    return all(_close(a, b) for a, b in pairs)


def _same(gold: Gold, found: list[tuple[object, ...]]) -> bool:
    if gold.ordered_by is not None:
        places = gold.ordered_by or range(len(gold.rows[0]))
        if not all(_close(w[p], f[p]) for w, f in zip(gold.rows, found, strict=True) for p in places):
            return False
    wanted = sorted(gold.rows, key=_row_rank)
    return all(
        _close(a, b)
        for w, f in zip(wanted, sorted(found, key=_row_rank), strict=True)
        for a, b in zip(w, f, strict=True)
    )


def _row_rank(row: Row) -> tuple[list[tuple[int, float, str]], list[tuple[int, float, str]]]:
    """Texts first: two figures that differ in their last digits must not change places for it."""
    texts = [_rank(c) for c in row if _number(c) is None]
    return texts, [_rank(c) for c in row if _number(c) is not None]


def _rank(cell: object) -> tuple[int, float, str]:
    number = _number(cell)
    if number is not None:
        return 1, float(f"{number:.4g}"), ""
    return (0, 0.0, "") if cell is None else (2, 0.0, _text(cell))


def _close(wanted: object, found: object) -> bool:
    one, two = _number(wanted), _number(found)
    if one is not None and two is not None:
        return abs(one - two) <= max(0.006, TOLERANCE * abs(one)) if one % 1 or two % 1 else one == two
    return one is None and two is None and (wanted is None) is (found is None) and _text(wanted) == _text(found)


def _text(cell: object) -> str:
    return str(cell).strip().lower()


def _number(cell: object) -> float | None:
    """The number that a cell is, NUMERIC values in text included; truth values are none."""
    if isinstance(cell, bool) or cell is None:
        return None
    if isinstance(cell, (int, float)):
        return float(cell)
    text = str(cell)
    try:
        return float(text) if text[:1] in "-.0123456789" and "_" not in text else None
    except ValueError:
        return None
