"""L2: which statements and which kinds of nodes may appear at all.

Decides by allow-list over the whole tree, root included, because a refused list forgets: `ASSERT` parses as an
alias and `RETURN` as a column. It never looks at names. A node class that a newer parser invents is refused until
somebody adds it here.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from bq_copilot.gate.lexer import Token, TokenKind, words

ROOTS = (exp.Select, exp.SetOperation, exp.Subquery)
STRUCTURE = words(
    """
    Add Alias Aliases And Any All Array AtTimeZone Between BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr
    BitwiseRightShift BitwiseXor Boolean Bracket ByteString RawString HexString CTE Column ColumnDef Column
    Cube DPipe DataType DataTypeParam Distinct Div IntDiv Dot EQ Except From GT GTE Group GroupingSets
    Having HavingMax Identifier If IgnoreNulls In Intersect Interval Is Join JSONPath JSONPathKey
    JSONPathRoot JSONPathSubscript JSONPathWildcard JSONPathSlice Kwarg LT LTE Like Limit Literal Mul NEQ
    Neg Not Null NullSafeEQ NullSafeNEQ Offset Or Order Ordered Parameter Paren Pivot PivotAlias Placeholder
    PropertyEQ Qualify RespectNulls Rollup Select Star Sub Subquery Table TableAlias TableSample Tuple Union
    Unnest Var WeekStart Where Window WindowSpec With Exists Collate Escape IntervalSpan JSONKeyValue
    TimeUnit Mod
    """
)
REFUSED_FUNCTIONS = (
    exp.Predict,
    exp.SessionUser,
    exp.CurrentUser,
)
SECRET_CLAUSES = ("DIFFERENTIAL_PRIVACY", "AGGREGATION_THRESHOLD", "ANONYMIZATION")
STARTS = frozenset(("SELECT", "WITH", "FROM", "("))


def unknown_nodes(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Return each node whose class is not on the list; functions are judged by name elsewhere."""
    for node in tree.walk():
        if type(node).__name__ in STRUCTURE:
            continue
        if isinstance(node, exp.Func) and not isinstance(node, REFUSED_FUNCTIONS):
            continue
        yield node


def shape_fault(tokens: list[Token]) -> tuple[str, str, str, Token | None] | None:
    """Return rule, template, reason and place of the first thing that is visible before parsing, or None."""
    if not tokens:
        return "P01", "statement", "the text is empty", None
    first = tokens[0]
    if first.word == "GRAPH":
        return "P15", "graph", "", first
    if (first.word or first.text) not in STARTS:
        return "P01", "statement", "a query starts with SELECT, WITH or FROM", first
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.text == ";" and following is not None:
            return "P01", "statement", "there is more than one statement", following
        if token.word == "WITH" and following is not None and following.word in SECRET_CLAUSES:
            return "P19", "hint", "", token
        if token.word == "GRAPH_TABLE":
            return "P15", "graph", "", token
        if token.word == "RECURSIVE" and at and tokens[at - 1].word == "WITH":
            return "P12", "recursive", "", token
        if token.word in ("NATURAL", "LATERAL") and following is not None and following.kind is TokenKind.WORD:
            return "P17", "construct", token.word, token
    return None
