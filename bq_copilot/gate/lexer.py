"""L1: a small strict lexer of our own, and the lexical guard built on it.

Decides whether a text is made only of tokens whose reading every SQL engine agrees on. It must never be lenient:
what it does not know it refuses, because each known way past a parser began with a token that two engines read
differently (escapes before closing quotes, template comments, hints). It keeps spans, so that findings can point.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class TokenKind(StrEnum):
    """What a token is."""

    COMMENT = "comment"
    """A comment; its text decides nothing."""
    STRING = "string"
    """A string or bytes literal with its prefix and quotes."""
    NAME = "name"
    """An identifier in backticks, backticks included."""
    WORD = "word"
    """A bare word: keyword or identifier."""
    NUMBER = "number"
    """An unsigned number."""
    PARAMETER = "parameter"
    """`@name` or `?`."""
    SIGN = "sign"
    """An operator or punctuation."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token and where it starts (offset from 0; line and column from 1)."""

    kind: TokenKind
    text: str
    start: int
    line: int
    column: int

    @property
    def word(self) -> str:
        """Return the text in upper case when this is a bare word, else an empty text."""
        return self.text.upper() if self.kind is TokenKind.WORD else ""


class LexicalFault(ValueError):
    """The text has a token that the gate refuses."""

    def __init__(self, rule: str, reason: str, line: int, column: int, subject: str = "") -> None:
        super().__init__(reason)
        self.rule, self.reason, self.line, self.column, self.subject = rule, reason, line, column, subject


SHAPES = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<comment>\#[^\r\n]*|--[^\r\n]*|/\*(?:[^*]|\*(?!/))*\*/)
      | (?P<string>(?:[rR][bB]?|[bB][rR]?)?
            (?:\'\'\'(?:[^'\\]|\\.|\'(?!\'\'))*\'\'\' | \"\"\"(?:[^"\\]|\\.|"(?!""))*\"\"\"
             | '(?:[^'\\\r\n]|\\.)*'(?!'') | "(?:[^"\\\r\n]|\\.)*"(?!"")))
      | (?P<name>`[^`\r\n]*`)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z_0-9]))
      | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
      | (?P<parameter>@[A-Za-z_][A-Za-z_0-9]*|@`[A-Za-z_][A-Za-z_0-9]*`|\?)
      | (?P<sign>\|>|\|\||=>|<<|>>|<=|>=|<>|!=|/(?!\*)|[-+*%=<>|&^~.,;()\[\]])""",
    re.VERBOSE | re.DOTALL,
)
QUOTED_NAME = re.compile(r"`[A-Za-z0-9_.*()%&+#/=, -]+`")
TRIPLE = re.compile(r"""^[rRbB]{0,2}('''|\"\"\")""")
SOFT_CONTROLS = "\t\r\n"
REASONS = {
    "@{": ("P19", "hints are not allowed"),
    "@@": ("P08", "system variables are not allowed"),
    "{": ("P16", "braces are not allowed outside a text literal"),
    "}": ("P16", "braces are not allowed outside a text literal"),
    "$": ("P16", "the dollar sign is not allowed outside a text literal"),
    "\\": ("P16", "a backslash is not allowed outside a text literal"),
    ":": ("P18", "a colon belongs to legacy SQL"),
    "`": ("P17", "a backtick is not closed on its line"),
    "'": ("P17", "a text literal is not closed"),
    '"': ("P17", "a text literal is not closed"),
    "/*": ("P17", "a comment is not closed"),
}


def words(text: str) -> frozenset[str]:
    """Return the words of a text; long lists of names read better as text than as literals."""
    return frozenset(text.split())


def tokenize(sql: str) -> list[Token]:
    """Return every token of the text, comments included; raises `LexicalFault` at the first one it refuses."""
    return list(_remembered(sql))


@lru_cache(maxsize=4)
def _remembered(sql: str) -> tuple[Token, ...]:
    """Each layer reads the same two texts of a statement: what came in, and the canonical one."""
    return tuple(_tokens(sql))


def meaningful(tokens: list[Token]) -> list[Token]:
    """Return the tokens without comments."""
    return [t for t in tokens if t.kind is not TokenKind.COMMENT]


def _tokens(sql: str) -> Iterator[Token]:
    _check_characters(sql)
    at, line, line_start = 0, 1, 0
    while at < len(sql):
        found = SHAPES.match(sql, at)
        if found is None:
            raise _unknown(sql, at, line, at - line_start + 1)
        text, label = found.group(), str(found.lastgroup)
        if label != "space":
            token = Token(TokenKind(label), text, at, line, at - line_start + 1)
            _check_token(token)
            yield token
        breaks = text.count("\n")
        if breaks:
            line, line_start = line + breaks, at + text.rindex("\n") + 1
        at = found.end()


def _check_characters(sql: str) -> None:
    if sql.isascii() and sql.isprintable():
        return
    for at, char in enumerate(sql):
        if char in SOFT_CONTROLS or (char.isascii() and char.isprintable()):
            continue
        category = unicodedata.category(char)
        if category[0] == "C" or category in ("Zs", "Zl", "Zp") or _invisible(char):
            line, column = position(sql, at)
            name = f"U+{ord(char):04X}"
            raise LexicalFault("P16", f"the character {name} is not allowed anywhere", line, column, name)


def _invisible(char: str) -> bool:
    """Fillers and variation selectors are letters or marks by category, and yet show nothing."""
    code = ord(char)
    return (
        code in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800)
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
    )


def _check_token(token: Token) -> None:
    text = token.text
    if token.kind is TokenKind.STRING:
        if "\\" in text and TRIPLE.match(text):
            raise _fault("P16", "a backslash in a triple-quoted text is not allowed", token)
    elif token.kind is TokenKind.NAME:
        _check_name(token)
    elif token.kind is TokenKind.COMMENT and text.lstrip("#-/* \t").upper().startswith("LEGACYSQL"):
        raise _fault("P18", "legacy SQL is not allowed", token)


def _check_name(token: Token) -> None:
    body = token.text
    if ":" in body:
        raise _fault("P18", "a colon in a name belongs to legacy SQL", token)
    if "$" in body or "@" in body:
        raise _fault("P11", "table decorators are not allowed", token)
    if not QUOTED_NAME.fullmatch(body) or body != "`" + body[1:-1].strip() + "`":
        raise _fault("P16", "a quoted name holds a character that is not allowed", token)


def _unknown(sql: str, at: int, line: int, column: int) -> LexicalFault:
    for mark in (sql[at : at + 2], sql[at]):
        if mark in REASONS:
            rule, reason = REASONS[mark]
            return LexicalFault(rule, reason, line, column, mark)
    if not sql[at].isascii():
        reason = "only ASCII is allowed outside text literals and comments"
        return LexicalFault("P16", reason, line, column, f"U+{ord(sql[at]):04X}")
    return LexicalFault("P17", "the text has a token that the gate does not know", line, column, sql[at])


def _fault(rule: str, reason: str, token: Token) -> LexicalFault:
    return LexicalFault(rule, reason, token.line, token.column)


def position(sql: str, at: int) -> tuple[int, int]:
    """Return line and column, both from 1, of an offset."""
    before = sql[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
