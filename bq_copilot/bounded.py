"""How much of a text, a row, a table of columns may reach the model: every length has a bound.

Decides only lengths. What is cut is marked with an ellipsis or counted, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

MAX_TEXT = 400
"""Characters of a description that reach the model."""
MAX_CELL = 200
"""Characters of one cell of a result that reach the model."""


def clip(text: str, length: int = MAX_TEXT) -> str:
    """Return the text on one line, without characters that do not print, cut at `length`."""
    clean = "".join(c if c.isprintable() else " " for c in text[: length + 200])
    return clean if len(clean) <= length and len(text) <= length + 200 else clean[: length - 1] + "…"


def bounded_rows(rows: Sequence[Sequence[Any]], most: int, room: int) -> list[list[Any]]:
    """Return the first rows, at most `most` and at most `room` bytes of them, with long cells cut."""
    found: list[list[Any]] = []
    for row in rows[:most]:
        short = [_cell(value) for value in row]
        room -= len(json.dumps(short, ensure_ascii=False).encode()) + 1
        if room < 0:
            break
        found.append(short)
    return found


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return clip(text, MAX_CELL)
