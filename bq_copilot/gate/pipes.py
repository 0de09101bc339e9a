"""Notations that are rewritten on tokens before the first engine parses."""

from __future__ import annotations

from bq_copilot.gate.lexer import meaningful, tokenize


def plain_text(sql: str) -> str:
    """Return the text in the notation that the first engine parses."""
    meaningful(tokenize(sql))
    return sql
