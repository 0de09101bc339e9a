"""Whether a result says the same as an accepted one.

Decides which differences of form do not matter (names and order of columns, extra columns, order of rows, percent or
fraction, `2025-03` or `2025-03-01`, names or numbers of weekdays) and which do: a missing row, another figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from bq_copilot.evals.suite import Expected

FRACTIONS = ("share", "rate", "growth")
MOST_ROWS_FOR_FIGURES = 24
MOST_COLUMNS = 7
"""Results with more columns are not tried in every arrangement."""
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

Row = Sequence[object]
Keyed = list[tuple[tuple[str, ...], tuple[object, ...]]]


def agrees(accepted: Sequence[Expected], rows: Sequence[Row]) -> bool:
    """Say whether the rows are one of the accepted results."""
    return any(_agrees(one, rows) for one in accepted)


def _agrees(expected: Expected, rows: Sequence[Row]) -> bool:
    if expected.match == "figures" or expected.keys == 0:
        return _has_figures(expected, rows)
    wanted = _keyed(expected.rows, range(len(expected.columns)), expected)
    return any(_same(expected, wanted, found) for found in _layouts(expected, rows))


def _layouts(expected: Expected, rows: Sequence[Row]) -> Iterator[Keyed]:
    """The rows under every way in which their columns may stand for the expected ones."""
    if rows:
        width = min(len(rows[0]), MOST_COLUMNS)
        for columns in permutations(range(width), len(expected.columns)):
            yield _keyed(rows, columns, expected)


def _keyed(rows: Sequence[Row], columns: Sequence[int], expected: Expected) -> Keyed:
    names, keys = expected.columns, expected.keys
    return [
        (
            tuple(_key(row[c], n) for c, n in zip(columns[:keys], names[:keys], strict=True)),
            tuple(row[c] for c in columns[keys:]),
        )
        for row in rows
    ]


def _same(expected: Expected, wanted: Keyed, found: Keyed) -> bool:
    answer, given = dict(wanted), dict(found)
    if len(given) != len(found):
        return False
    if expected.match == "ranking":
        compared = given
        fits = set(given) <= set(answer) and _in_order(expected, wanted[: expected.top], found)
    elif expected.match == "subset":
        compared, fits = answer, set(answer) <= set(given)
    else:
        compared, fits = answer, set(answer) == set(given)
    return fits and all(_all_close(expected, answer[key], given[key]) for key in compared)


def _in_order(expected: Expected, places: Keyed, found: Keyed) -> bool:
    same_length = len(places) == len(found)
    return same_length and all(
        _all_close(expected, want, have) for (_, want), (_, have) in zip(places, found, strict=True)
    )


def _all_close(expected: Expected, want: Sequence[object], have: Sequence[object]) -> bool:
    figures = expected.columns[expected.keys :]
    return all(_close(a, b, name, expected.tolerance) for a, b, name in zip(want, have, figures, strict=True))


def _has_figures(expected: Expected, rows: Sequence[Row]) -> bool:
    if expected.match != "figures" and len(rows) != 1:
        return False
    cells = [cell for row in rows for cell in row]
    wanted = [(v, n) for row in expected.rows for v, n in zip(row, expected.columns, strict=True)]
    return 0 < len(rows) <= MOST_ROWS_FOR_FIGURES and all(
        any(_close(value, cell, name, expected.tolerance) for cell in cells) for value, name in wanted
    )


def _close(want: object, have: object, name: str, tolerance: float) -> bool:
    if want is None:
        return have is None
    value, given = _number(want), _number(have)
    if value is None or given is None:
        return value is None and given is None and _key(want, name) == _key(have, name)
    if name.endswith(FRACTIONS):
        return abs(value - given) <= 0.0006 or abs(value * 100 - given) <= 0.06
    return abs(value - given) <= max(0.006, tolerance * abs(value))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _key(value: object, name: str) -> str:
    if name == "weekday":
        return _weekday(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip().lower()
    if name == "month" and len(text) == len("2025-03"):
        return f"{text}-01"
    return text[:10] if name in {"day", "month", "week"} else text


def _weekday(value: object) -> str:
    if isinstance(value, (int, float)) and 1 <= value <= len(WEEKDAYS):
        return WEEKDAYS[int(value) - 1]
    text = str(value).strip().lower()
    return next((day for day in WEEKDAYS if day[:3] == text[:3]), text)
