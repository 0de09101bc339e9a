"""Small wordings that several renderings share."""

from __future__ import annotations

from typing import Any

PHASE_STYLE = {
    "awaiting_approval": "yellow",
    "awaiting_answer": "yellow",
    "executing": "cyan",
    "completed": "green",
    "partial": "yellow",
    "refused": "red",
    "rejected": "red",
    "expired": "red",
    "cancelled": "magenta",
    "failed": "red",
    "parked": "bold red",
}


def duration(seconds: float) -> str:
    """Return a length of time as people say it, with one unit too few rather than too many."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    for limit, unit, length in ((120, "s", 1), (7_200, "min", 60), (172_800, "h", 3_600)):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def cell(value: Any) -> str:
    """Return a cell of a result; large numbers get separators, years do not."""
    match value:
        case None:
            return "∅"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return f"{value:.3g}" if 0 < abs(value) < 0.001 else f"{value:,.4f}".rstrip("0").rstrip(".")
        case _:
            return str(value)
