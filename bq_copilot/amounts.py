"""Bytes, prices, spans of time and numbers of things as a person reads them."""

from __future__ import annotations


def size(count: int) -> str:
    """Return bytes as a person reads them, in binary units."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{int(value)} {unit}" if unit == "B" else f"{value:,.1f} {unit}"


def money(amount: float, currency: str = "USD") -> str:
    """Return a price; what is less than a cent says so."""
    if currency != "USD":
        return f"less than 0.01 {currency}" if 0 < amount < 0.01 else f"{amount:,.2f} {currency}"
    return "less than $0.01" if 0 < amount < 0.01 else f"${amount:,.2f}"


def span(seconds: float) -> str:
    """Return a span of time in its one fitting unit, rounded down: `24 h`, `5 min`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length * (2 if unit == "d" else 1):
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def counted(number: int, thing: str) -> str:
    """Return a number of things: `1 turn`, `12 turns`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
