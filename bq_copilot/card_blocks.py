"""What a card is made of, and how foreign text becomes harmless text.

Decides nothing about approvals. A card is a flat list of blocks in reading order; each renderer turns every kind of
block into its own output. Text enters a block as it was recorded; renderers pass it through `visible` first and
escape it for their output afterwards.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from bq_copilot.gate.lexer import LexicalFault, TokenKind, tokenize

LONG_LITERAL = 80
"""Characters of a string literal that are shown; a longer one is shortened and says how long it is."""

HEAD, TAIL = 48, 16


@dataclass(frozen=True, slots=True)
class Heading:
    """What follows; the first one is the question that the card asks."""

    text: str
    top: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence that must not be overlooked."""

    text: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value; `names` are shown as code after the value."""

    label: str
    text: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """Text in fixed width, direction isolated."""

    text: str
    language: str = "sql"


@dataclass(frozen=True, slots=True)
class Box:
    """Somebody else's words, apart from the facts."""

    title: str
    lines: tuple[str, ...]


Block = Heading | Notice | Fact | Code | Box
Card = tuple[Block, ...]


def visible(text: str, *, lines: bool = False) -> str:
    """Return `text` with every character that shows nothing, or moves others, written as ⟨U+XXXX⟩."""
    return "".join(_char(c, lines=lines) for c in text)


def _char(c: str, *, lines: bool) -> str:
    if c == "\n":
        return c if lines else " "
    if c == "\t":
        return "    " if lines else " "
    if (c.isprintable() and not _shows_nothing(c)) or c == "\r":
        return c if c != "\r" else " "
    return f"⟨U+{ord(c):04X}⟩"


def _shows_nothing(c: str) -> bool:
    """Fillers and variation selectors count as printable and show nothing."""
    code = ord(c)
    return (
        code in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
    )


RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def runs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield pieces of `text` and whether they are written from right to left, which must not move their neighbours."""
    piece, turned = "", False
    for c in text:
        is_turned = unicodedata.bidirectional(c) in RIGHT_TO_LEFT
        if piece and is_turned is not turned:
            yield piece, turned
            piece = ""
        piece, turned = piece + c, is_turned
    if piece:
        yield piece, turned


def isolated(text: str) -> str:
    """Return `text` with each right-to-left piece between direction isolates, for outputs that have no markup."""
    return "".join(f"\u2068{piece}\u2069" if turned else piece for piece, turned in runs(text))


def shown_sql(sql: str) -> str:
    """Return SQL as the card shows it: string literals of more than 80 characters shortened, with their length."""
    try:
        tokens = tokenize(sql)
    except LexicalFault:
        return sql
    shown, at = "", 0
    for token in tokens:
        if token.kind is TokenKind.STRING and len(token.text) > LONG_LITERAL + 2:
            shown += sql[at : token.start] + _shortened(token.text)
            at = token.start + len(token.text)
    return shown + sql[at:]


def _shortened(literal: str) -> str:
    opening = re.match(r"[rRbB]{0,2}(?:'''|\"\"\"|['\"])", literal)
    quoted = len(literal) - (2 * len(opening.group().lstrip("rRbB")) if opening else 0)
    return f"{literal[:HEAD]}…[{quoted:,} characters]…{literal[-TAIL:]}"
