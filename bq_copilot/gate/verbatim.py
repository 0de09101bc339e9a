"""Words that the first engine would exchange for others, kept as they were written.

Decides nothing: each listed word stands under a made-up name while the first engine parses, and gets its own name
back in the tree. Without it `LOG10(x)` becomes `LOG(x, 10)`, which rounds differently, and a field `x.list[0]` becomes
an array of its own. What is exchanged all the same must be on the list of exchanges that mean the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from sqlglot import exp

from bq_copilot.gate.lexer import LexicalFault, Token, TokenKind, meaningful, tokenize, words

KEPT_CALLS = words("LOG10 STRPOS REGEXP_SUBSTR OCTET_LENGTH JSON_EXTRACT_STRING_ARRAY")
KEPT_FIELDS = frozenset(("ARRAY", "LIST"))
MARK = "kept__"
FIRST_LOOK = re.compile(rf"\b(?:{'|'.join(sorted(KEPT_CALLS | KEPT_FIELDS))}|FORMAT)\b|{MARK}", re.IGNORECASE)
SAME_FORMAT = re.compile(r"""['"](?:YYYY|MONTH|MON|MM|DD|HH24|MI|SS|[-/ :,.;])+['"]""")
MOMENTS = frozenset(("DATE", "DATETIME", "TIMESTAMP", "TIME"))
EXCHANGED = words(
    """
    CEILING CURRENT_DATE CURRENT_DATETIME CURRENT_TIME CURRENT_TIMESTAMP ARRAY STRUCT CAST SAFE_CAST DATE DATETIME
    TIME TIMESTAMP RANGE INTERVAL NUMERIC BIGNUMERIC
    """
)
"""Calls of the original that the canonical text may write without their name, or as CAST."""
WRITTEN = words(
    """
    CAST SAFE_CAST CONCAT CEIL COALESCE TIMESTAMP DATETIME PARSE_DATE PARSE_DATETIME PARSE_TIME PARSE_TIMESTAMP
    RANGE STRUCT PARSE_JSON DECIMAL MOD
    """
)
"""Calls that the canonical text may write for an operator, a literal, a cast or a call of the list above."""


def masked(sql: str) -> str:
    """Return the text with the kept words under made-up names; raises `LexicalFault` for one that is made up."""
    if FIRST_LOOK.search(sql) is None:
        return sql
    pieces: list[str] = []
    end = 0
    for token in _kept(meaningful(tokenize(sql))):
        pieces += [sql[end : token.start], MARK, token.text.strip("`")]
        end = token.start + len(token.text)
    return "".join([*pieces, sql[end:]])


def unmask(tree: exp.Expr) -> None:
    """Give each kept word its own name back inside the tree."""
    for node in list(tree.find_all(exp.Anonymous, exp.Identifier)):
        name = node.this
        if isinstance(name, str) and name.startswith(MARK):
            node.set("this", name.removeprefix(MARK))
            if isinstance(node, exp.Identifier):
                node.set("quoted", True)


def exchanged(before: frozenset[str], after: frozenset[str]) -> frozenset[str]:
    """Return the calls that differ between the text that came in and the canonical one without meaning the same."""
    return (before - after - EXCHANGED) | (after - before - WRITTEN - EXCHANGED)


def shortened(before: Counter[str], after: Counter[str]) -> frozenset[str]:
    """Return the calls that have lost arguments on the way to the canonical text; added defaults are fine."""
    return frozenset(name for name, commas in before.items() if name not in EXCHANGED and after[name] < commas)


def _kept(tokens: list[Token]) -> Iterator[Token]:
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        name = token.text.strip("`")
        if name.lower().startswith(MARK):
            raise LexicalFault("P17", "a name of this form is not allowed", token.line, token.column)
        if token.kind is TokenKind.STRING and before is not None and before.word == "FORMAT":
            _check_format(tokens, token)
        elif after is not None and (_is_call(token, after) or _is_field(before, token, after)):
            yield token


def _is_call(token: Token, after: Token) -> bool:
    return after.text == "(" and token.word in KEPT_CALLS


def _is_field(before: Token | None, token: Token, after: Token) -> bool:
    """`ARRAY[…]` alone makes an array; `x.array[…]`, a quoted name and `list[…]` name something."""
    is_name = token.kind in (TokenKind.WORD, TokenKind.NAME) and token.text.strip("`").upper() in KEPT_FIELDS
    return is_name and after.text == "[" and (token.word != "ARRAY" or (before is not None and before.text == "."))


def _check_format(tokens: list[Token], literal: Token) -> None:
    """A cast to a moment is written as PARSE_…, which knows only the elements that mean the same there."""
    at = tokens.index(literal)
    is_cast = at >= 3 and tokens[at - 3].word == "AS" and tokens[at - 2].word in MOMENTS
    if is_cast and not SAME_FORMAT.fullmatch(literal.text):
        reason = "this cast format is not supported; write PARSE_DATE or PARSE_TIMESTAMP"
        raise LexicalFault("P17", reason, literal.line, literal.column)
