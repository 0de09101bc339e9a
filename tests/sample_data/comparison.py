"""Whether a query's result says the same as the expected answer.

Decides: which differences of form do not matter (column names, extra columns, row order, percent or fraction,
`2025-03` or `2025-03-01`, weekday numbers or names) and which do (a missing row, a different figure). Never
does: run a query. Why this shape: an answer is judged by its values, because every author of SQL names and
arranges columns in another way.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import permutations

import pandas as pd

from tests.sample_data.registry import Expected, Match, Truth

FRACTIONS = ("share", "rate", "growth")
MOST_ROWS_FOR_FIGURES = 24
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

Cell = object
Rows = Sequence[Sequence[Cell]]
Keyed = list[tuple[tuple[str, ...], tuple[Cell, ...]]]


def agrees(truth: Truth, expected: Sequence[Expected], rows: Rows) -> bool:
    """True when the result's rows say one of the expected answers."""
    return any(_agrees(truth, answer, rows) for answer in expected)


def _agrees(truth: Truth, expected: Expected, rows: Rows) -> bool:
    if not isinstance(expected, pd.DataFrame):
        return len(rows) == 1 and any(_close(float(expected), cell, "", truth) for cell in rows[0])
    if truth.match is Match.FIGURES:
        return _has_figures(truth, expected, rows)
    names = [str(name) for name in expected.columns]
    wanted = _keyed(expected.to_numpy(dtype=object).tolist(), tuple(range(len(names))), names, truth.keys)
    return any(_same(truth, names[truth.keys :], wanted, found) for found in _layouts(truth, names, rows))


def _layouts(truth: Truth, names: list[str], rows: Rows) -> Iterator[Keyed]:
    """The result's rows under every way in which its columns may stand for the expected ones."""
    if rows:
        for columns in permutations(range(len(rows[0])), len(names)):
            yield _keyed(rows, columns, names, truth.keys)


def _keyed(rows: Rows, columns: tuple[int, ...], names: list[str], keys: int) -> Keyed:
    return [
        (
            tuple(_key(row[column], name) for column, name in zip(columns[:keys], names[:keys], strict=True)),
            tuple(row[column] for column in columns[keys:]),
        )
        for row in rows
    ]


def _same(truth: Truth, figures: list[str], wanted: Keyed, found: Keyed) -> bool:
    answer, given = dict(wanted), dict(found)
    if len(given) != len(found):
        return False
    match truth.match:
        case Match.RANKING:
            compared = given
            fits = set(given) <= set(answer) and _in_order(truth, figures, wanted[: truth.top], found)
        case Match.SUBSET:
            compared, fits = answer, set(answer) <= set(given)
        case _:
            compared, fits = answer, set(answer) == set(given)
    return fits and all(_all_close(truth, figures, answer[key], given[key]) for key in compared)


def _in_order(truth: Truth, figures: list[str], places: Keyed, found: Keyed) -> bool:
    if len(places) != len(found):
        return False
    pairs = zip(places, found, strict=True)
    return all(_all_close(truth, figures, want, have) for (_, want), (_, have) in pairs)


def _all_close(truth: Truth, figures: list[str], want: Sequence[Cell], have: Sequence[Cell]) -> bool:
    return all(_close(one, two, name, truth) for one, two, name in zip(want, have, figures, strict=True))


def _has_figures(truth: Truth, expected: pd.DataFrame, rows: Rows) -> bool:
    cells = [cell for row in rows for cell in row]
    figures = [(value, str(name)) for name in expected.columns for value in expected[name]]
    return 0 < len(rows) <= MOST_ROWS_FOR_FIGURES and all(
        any(_close(value, cell, name, truth) for cell in cells) for value, name in figures
    )


def _close(want: Cell, have: Cell, name: str, truth: Truth) -> bool:
    if want is None or pd.isna(want):
        return have is None or bool(pd.isna(have))
    if isinstance(have, bool) or not isinstance(have, (int, float, Decimal)):
        return False
    value, given = float(want), float(have)
    if name.endswith(FRACTIONS):
        return abs(value - given) <= 0.0006 or abs(value * 100 - given) <= 0.06
    return abs(value - given) <= max(0.006, truth.tolerance * abs(value))


def _key(value: Cell, name: str) -> str:
    if name == "weekday":
        return _weekday(value)
    if isinstance(value, (datetime, date)):
        return value.strftime("%Y-%m-%d")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip().lower()
    if name == "month" and len(text) == len("2025-03"):
        return f"{text}-01"
    return text[:10] if name in {"day", "month"} else text


def _weekday(value: Cell) -> str:
    if isinstance(value, (int, float)) and 1 <= value <= len(WEEKDAYS):
        return WEEKDAYS[int(value) - 1]
    text = str(value).strip().lower()
    return next((day for day in WEEKDAYS if day[:3] == text[:3]), text)
