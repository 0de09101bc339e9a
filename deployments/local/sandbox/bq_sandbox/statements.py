"""GoogleSQL text to statements: splitting a script, parsing, and naming what each statement is.

Decides which statements exist at all. Anything that is not on the list below (COPY, ATTACH, PRAGMA, EXPORT,
control flow, ...) is refused by name before it reaches the engine, rather than passed on in hope.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.tokens import TokenType

from bq_sandbox.refusals import Refusal, invalid_query

_KINDS: dict[type[exp.Expression], str] = {
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.TruncateTable: "TRUNCATE_TABLE",
    exp.Declare: "DECLARE",
    exp.Set: "SET",
}
DML = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE_TABLE"})


@dataclass(frozen=True)
class Statement:
    """One parsed statement. `tree` is owned by the holder: copy before changing it."""

    text: str
    tree: exp.Expression
    kind: str

    @property
    def is_query(self) -> bool:
        """Whether it only reads."""
        return self.kind == "SELECT"


def parse_script(sql: str) -> list[Statement]:
    """Every statement of a text, in order; a text without one is refused."""
    statements = [_parse_one(piece, line) for piece, line in _split(sql)]
    if not statements:
        raise invalid_query("Syntax error: Unexpected end of statement", 1, 1)
    return statements


def _split(sql: str) -> list[tuple[str, int]]:
    """Texts between semicolons that hold at least one token, each with the lines before it."""
    try:
        tokens = sqlglot.tokenize(sql, read="bigquery")
    except TokenError as error:
        raise invalid_query(f"Syntax error: {str(error).splitlines()[0]}", 1, 1) from error
    pieces: list[tuple[str, int]] = []
    start, used = 0, False
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            used = True
            continue
        if used:
            pieces.append((sql[start : token.start], sql.count("\n", 0, start)))
        start, used = token.end + 1, False
    if used:
        pieces.append((sql[start:], sql.count("\n", 0, start)))
    return pieces


def _parse_one(text: str, lines_before: int) -> Statement:
    try:
        tree = sqlglot.parse_one(text, read="bigquery")
    except ParseError as error:
        raise _syntax_error(error, lines_before) from error
    except SqlglotError as error:
        raise invalid_query(f"Syntax error: {str(error).splitlines()[0]}", lines_before + 1, 1) from error
    except RecursionError as error:
        raise invalid_query("The statement is nested too deeply") from error
    return Statement(text.strip(), tree, _kind(tree))


def _syntax_error(error: ParseError, lines_before: int) -> Refusal:
    detail = error.errors[0] if error.errors else {}
    found = str(detail.get("highlight") or "end of input")
    line = int(detail.get("line") or 1) + lines_before
    column = max(1, int(detail.get("col") or 1) - len(found) + 1)
    description = str(detail.get("description") or "unexpected input").split("<class")[0].strip()
    return invalid_query(f'Syntax error: {description} near "{found}"', line, column)


def _kind(tree: exp.Expression) -> str:
    if isinstance(tree, exp.Query):
        return "SELECT"
    if type(tree) in _KINDS:
        return _KINDS[type(tree)]
    match tree:
        case exp.Create(kind="TABLE"):
            return "CREATE_TABLE_AS_SELECT" if tree.expression else "CREATE_TABLE"
        case exp.Create(kind="VIEW"):
            return "CREATE_VIEW"
        case exp.Create(kind="SCHEMA"):
            return "CREATE_SCHEMA"
        case exp.Drop(kind="TABLE" | "VIEW" | "SCHEMA"):
            return f"DROP_{tree.args['kind']}"
        case exp.Alter(kind="TABLE"):
            return "ALTER_TABLE"
        case _:
            raise invalid_query(f"The sandbox does not run {_label(tree)} statements")


def _label(tree: exp.Expression) -> str:
    if isinstance(tree, exp.Command):
        return str(tree.this).upper()
    return " ".join(filter(None, [type(tree).__name__.upper(), str(tree.args.get("kind") or "")]))


def place_of(text: str, word: str) -> tuple[int, int]:
    """Line and column of the first token that spells `word`, or (0, 0)."""
    for token in sqlglot.tokenize(text, read="bigquery"):
        if token.text.lower() == word.lower():
            return token.line, max(1, token.col - len(token.text) + 1)
    return 0, 0
