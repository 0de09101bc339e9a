"""Text that may be printed: what came from data, from the model or from people never reaches a terminal raw.

Control characters can move the cursor or forge output, direction characters can show text in another order. They are
written out instead of being dropped, so that a person sees that something is there.
"""

from __future__ import annotations

import unicodedata

from bq_copilot.card_blocks import visible

JOINER = "\u200d"
"""Joins emoji; harmless, and so common that writing it out would only disturb."""


def safe(text: object, *, lines: bool = False) -> str:
    """Return prose with every character that does not print written out; `lines` keeps newlines.

    Spaces of every width become plain ones: models love them. SQL goes through `visible` itself.
    """
    return visible("".join(_prose(c) for c in str(text)), lines=lines)


def _prose(c: str) -> str:
    if c == JOINER:
        return ""
    return " " if unicodedata.category(c) == "Zs" else c


def clip(text: object, length: int) -> str:
    """Return safe text on one line, cut to `length` characters."""
    clean = safe(text)
    return clean if len(clean) <= length else clean[: length - 1] + "…"
