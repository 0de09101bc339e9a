"""Notations that the first engine cannot parse, rewritten on tokens into ones that it can.

Decides nothing: each rewrite has the same meaning in GoogleSQL, and the canonical text is made from the result, so
what is rewritten is also what is shown and run. A text without such notations and comments is returned byte for byte.
"""

from __future__ import annotations

import re

from bq_copilot.gate.lexer import Token, TokenKind, meaningful, tokenize
from bq_copilot.gate.pipes import without_pipes

NAMES = (TokenKind.WORD, TokenKind.NAME)
RANGE_TEXT = re.compile(r"""^['"]\[\s*([^,'"\\]+?)\s*,\s*([^,'"\\]+?)\s*\)['"]$""")
QUOTED_PARAMETER = re.compile(r"@`[A-Za-z_][A-Za-z_0-9]*`")


def plain_text(sql: str) -> str:
    """Return the text in the notation that the first engine parses; raises `Unparsed` for an unknown pipe step."""
    every = tokenize(sql)
    tokens = meaningful(every)
    words = {token.word for token in tokens}
    piped = any(token.text == "|>" for token in tokens)
    quoted = any(token.kind is TokenKind.PARAMETER and "`" in token.text for token in tokens)
    if not (piped or quoted or "OFFSET" in words or "RANGE" in words):
        return without_comments(sql, every)
    rewritten = _plain_parameters(_ranges(_element_offsets(tokens)))
    if piped:
        rewritten = without_pipes(rewritten)
    return without_comments(sql, every) if rewritten == tokens else written(rewritten)


def without_comments(sql: str, tokens: list[Token]) -> str:
    """Return the text with blanks instead of comments, so that positions stay and no parser sees a comment."""
    pieces: list[str] = []
    end = 0
    for token in tokens:
        if token.kind is TokenKind.COMMENT:
            blank = "".join(char if char in "\r\n" else " " for char in token.text)
            pieces += [sql[end : token.start], blank]
            end = token.start + len(token.text)
    return "".join([*pieces, sql[end:]]) if pieces else sql


def written(tokens: list[Token]) -> str:
    """Return tokens as text, with a space wherever the original had a gap."""
    pieces: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        touching = before is not None and before.start + len(before.text) == token.start
        pieces.append(token.text if touching else f" {token.text}")
    return "".join(pieces).strip()


def made(text: str, like: Token) -> Token:
    """Return a token that was not in the original, placed where `like` stands."""
    kind = TokenKind.WORD if text[0].isalpha() else TokenKind.SIGN
    return Token(kind, text, -(10**6), like.line, like.column)


def _element_offsets(tokens: list[Token]) -> list[Token]:
    """`o.items AS i WITH OFFSET` is `UNNEST(o.items) AS i WITH OFFSET`."""
    result = list(tokens)
    for at in range(len(tokens) - 2, 1, -1):
        if tokens[at].word != "WITH" or tokens[at + 1].word != "OFFSET":
            continue
        end = _path_end(tokens, at)
        start = _path_start(tokens, end)
        if start is None or start == end:
            continue
        path = tokens[start : end + 1]
        result[start : end + 1] = [made("UNNEST", path[0]), made("(", path[0]), *path, made(")", path[0])]
    return result


def _path_end(tokens: list[Token], at: int) -> int:
    if tokens[at - 2].word == "AS":
        return at - 3
    return at - 2 if tokens[at - 2].kind in NAMES else at - 1


def _path_start(tokens: list[Token], end: int) -> int | None:
    if end < 0 or tokens[end].kind not in NAMES:
        return None
    start = end
    while start >= 2 and tokens[start - 1].text == "." and tokens[start - 2].kind in NAMES:
        start -= 2
    return start


def _ranges(tokens: list[Token]) -> list[Token]:
    """`RANGE<DATE> '[a, b)'` is `RANGE(DATE 'a', DATE 'b')`."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        literal = RANGE_TEXT.match(tokens[at + 4].text) if _is_range(tokens, at) else None
        if literal is None:
            result.append(tokens[at])
            at += 1
            continue
        kind = tokens[at + 2]
        low, high = (_bound(text, kind) for text in literal.groups())
        opened, comma, closed = (made(sign, kind) for sign in "(,)")
        result += [made("RANGE", kind), opened, *low, comma, *high, closed]
        at += 5
    return result


def _is_range(tokens: list[Token], at: int) -> bool:
    return (
        tokens[at].word == "RANGE"
        and at + 4 < len(tokens)
        and [t.text for t in (tokens[at + 1], tokens[at + 3])] == ["<", ">"]
        and tokens[at + 4].kind is TokenKind.STRING
    )


def _bound(text: str, kind: Token) -> list[Token]:
    if text.upper() in ("UNBOUNDED", "NULL"):
        return [made("NULL", kind)]
    return [made(kind.word, kind), Token(TokenKind.STRING, f"'{text}'", -(10**6), kind.line, kind.column)]


def _plain_parameters(tokens: list[Token]) -> list[Token]:
    return [
        Token(t.kind, t.text.replace("`", ""), t.start, t.line, t.column) if QUOTED_PARAMETER.fullmatch(t.text) else t
        for t in tokens
    ]
