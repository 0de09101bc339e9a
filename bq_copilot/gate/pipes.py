"""Pipe syntax (`FROM t |> WHERE … |> AGGREGATE …`) written as WITH steps.

Decides nothing; each step becomes one WITH name, in the order of the text, so that filters, limits and aggregates
happen where the author put them. Steps that only pass columns on are named `__pipeN` and hold a star, which the
resolver treats as passing on, not as reading. An operator that is not listed here is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bq_copilot.gate.lexer import Token, TokenKind, tokenize
from bq_copilot.gate.rendering import Unparsed

JOIN_WORDS = frozenset(["JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS"])
SET_WORDS = frozenset(["UNION", "INTERSECT", "EXCEPT"])
ENDS_ITEM = frozenset(["ASC", "DESC"])


def without_pipes(tokens: list[Token]) -> list[Token]:
    """Return the tokens without pipe operators; raises `Unparsed` for a step that is not supported."""
    return tokenize(_query(tokens, _Names()))


class _Names:
    """Numbers the steps of one statement."""

    def __init__(self) -> None:
        self._used = 0

    def fresh(self) -> str:
        self._used += 1
        return f"__pipe{self._used}"


class _Steps:
    """The query so far: finished steps, and one SELECT that may still take clauses."""

    def __init__(self, names: _Names, prefix: str) -> None:
        self._names = names
        self._done: list[str] = [prefix] if prefix else []
        self.source, self.alias = "", ""
        self.items, self.filters, self.tail, self.order, self.limit = "*", "", "", "", ""

    def seal(self) -> None:
        """Finish the SELECT as a step and start a new one over it."""
        if self.items == "*" and not (self.filters or self.tail or self.order or self.limit):
            return
        name = self._names.fresh()
        self._done.append(f"{name} AS ({self.select()})")
        self.source = f"{name} AS {self.alias}" if self.alias else name
        self.items, self.filters, self.tail, self.order, self.limit = "*", "", "", "", ""

    def start(self, query: str) -> None:
        """Begin with a whole query instead of a FROM clause."""
        name = self._names.fresh()
        self._done.append(f"{name} AS ({query})")
        self.source = name

    def name_source(self) -> None:
        """Finish whatever the source is, so that a table operator or an alias can follow it."""
        self.seal()
        if not self.source.startswith("__pipe"):
            name = self._names.fresh()
            self._done.append(f"{name} AS ({self.select()})")
            self.source = name

    def select(self) -> str:
        """Return the SELECT as it stands."""
        where = f" WHERE {self.filters}" if self.filters else ""
        # The pieces are tokens of the statement under analysis; nothing runs this text before it is ruled on.
        return f"SELECT {self.items} FROM {self.source}{where}{self.tail}{self.order}{self.limit}"  # noqa: S608

    def text(self) -> str:
        """Return the whole query."""
        return f"WITH {', '.join(self._done)} {self.select()}" if self._done else self.select()


def _query(tokens: list[Token], names: _Names) -> str:
    """Rewrite one nesting level; parenthesised parts were rewritten before and are opaque."""
    parts = _level(tokens, names)
    cuts = [at for at, part in enumerate(parts) if part.text == "|>"]
    if not cuts:
        return _joined(parts)
    segments = [parts[a + 1 : b] for a, b in zip([-1, *cuts], [*cuts, len(parts)], strict=True)]
    prefix, base = _split_with(segments[0])
    steps = _Steps(names, _joined(prefix))
    if base and base[0].word == "FROM":
        steps.source, steps.alias = _joined(base[1:]), _single_alias(base[1:])
    else:
        steps.start(_joined(base))
    for segment in segments[1:]:
        _apply(steps, segment)
    return steps.text()


def _level(tokens: list[Token], names: _Names) -> list[Token]:
    """Return this level's tokens; each parenthesis with its content becomes one opaque token."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        if tokens[at].text != "(":
            result.append(tokens[at])
            at += 1
            continue
        close = _closing(tokens, at)
        inner = f"({_query(tokens[at + 1 : close], names)})"
        result.append(Token(TokenKind.SIGN, inner, tokens[at].start, tokens[at].line, tokens[at].column))
        at = close + 1
    return result


def _closing(tokens: list[Token], at: int) -> int:
    depth = 0
    for here in range(at, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[here].text, 0)
        if depth == 0:
            return here
    raise Unparsed("a parenthesis is not closed")


def _joined(parts: Iterable[Token]) -> str:
    pieces: list[str] = []
    end = -1
    for part in parts:
        pieces.append(part.text if part.start == end else f" {part.text}")
        end = part.start + len(part.text)
    return "".join(pieces).strip().rstrip(";").strip()


def _split_with(base: list[Token]) -> tuple[list[Token], list[Token]]:
    """Split `WITH a AS (…), b AS (…) rest` into the names (without WITH) and the rest."""
    if not base or base[0].word != "WITH":
        return [], base
    at = 1
    while at + 2 < len(base):
        at += 3
        if at >= len(base) or base[at].text != ",":
            break
        at += 1
    return base[1:at], base[at:]


def _single_alias(source: list[Token]) -> str:
    """Return the alias of a FROM clause with one relation, or nothing when it has more or none."""
    if any(t.text in (",", "(") or t.word in JOIN_WORDS or t.text.startswith("(") for t in source):
        return ""
    last = source[-1] if source else None
    if last is None or last.kind not in (TokenKind.WORD, TokenKind.NAME):
        return ""
    name = last.text.strip("`").split(".")[-1]
    return "" if "*" in name else f"`{name}`" if last.kind is TokenKind.NAME else name


def _apply(steps: _Steps, segment: list[Token]) -> None:
    if not segment:
        raise Unparsed("a pipe has no operator")
    head = segment[0].word
    operator = OPERATORS.get(head)
    if operator is not None:
        operator(steps, segment[1:])
    elif head in JOIN_WORDS:
        _join(steps, segment)
    elif head in SET_WORDS:
        _set_operation(steps, segment)
    else:
        raise Unparsed("this pipe operator is not supported")


def _where(steps: _Steps, rest: list[Token]) -> None:
    if steps.items != "*" or steps.tail or steps.order or steps.limit:
        steps.seal()
    condition = f"({_joined(rest)})"
    steps.filters = f"{steps.filters} AND {condition}" if steps.filters else condition


def _list(steps: _Steps, items: str, tail: str = "", *, keeps: bool = False) -> None:
    if steps.items != "*" or steps.tail or steps.order or steps.limit:
        steps.seal()
    steps.items, steps.tail = items, tail
    if not keeps:
        steps.alias = ""


def _select(steps: _Steps, rest: list[Token]) -> None:
    _list(steps, _joined(rest))


def _extend(steps: _Steps, rest: list[Token]) -> None:
    _list(steps, f"*, {_joined(rest)}", keeps=True)
    steps.seal()


def _set(steps: _Steps, rest: list[Token]) -> None:
    changes = [_assignment(item) for item in _items(rest)]
    _list(steps, f"* REPLACE ({', '.join(changes)})", keeps=True)
    steps.seal()


def _assignment(item: list[Token]) -> str:
    if len(item) < 3 or item[1].text != "=":
        raise Unparsed("SET needs name = expression")
    return f"{_joined(item[2:])} AS {item[0].text}"


def _drop(steps: _Steps, rest: list[Token]) -> None:
    _list(steps, f"* EXCEPT ({_joined(rest)})", keeps=True)
    steps.seal()


def _rename(steps: _Steps, rest: list[Token]) -> None:
    pairs = [(item[0].text, item[-1].text) for item in _items(rest)]
    dropped = ", ".join(old for old, _ in pairs)
    added = ", ".join(f"{old} AS {new}" for old, new in pairs)
    _list(steps, f"* EXCEPT ({dropped}), {added}", keeps=True)
    steps.seal()


def _distinct(steps: _Steps, rest: list[Token]) -> None:
    if rest:
        raise Unparsed("DISTINCT takes no list in a pipe")
    steps.seal()
    steps.items, steps.alias = "DISTINCT *", ""


def _aggregate(steps: _Steps, rest: list[Token]) -> None:
    group = next((at for at, part in enumerate(rest) if part.word == "GROUP"), len(rest))
    keys = rest[group + 1 :]
    ordered = [t.word for t in keys[:2]] == ["AND", "ORDER"]
    keys = keys[3 if ordered else 1 :] if keys else []
    columns = [_without_order(item) for item in _items(keys)]
    if any(text.upper().startswith(("ROLLUP", "CUBE", "GROUPING")) for text, _ in columns):
        raise Unparsed("grouping sets are not supported in a pipe")
    values = [_without_order(item) for item in _items(rest[:group])]
    every = [*columns, *values]
    tail = f" GROUP BY {', '.join(str(at + 1) for at in range(len(columns)))}" if columns else ""
    _list(steps, ", ".join(text for text, _ in every), tail)
    order = [f"{at + 1} {way}" for at, (_, way) in enumerate(every) if way or (ordered and at < len(columns))]
    steps.order = f" ORDER BY {', '.join(order)}" if order else ""


def _without_order(item: list[Token]) -> tuple[str, str]:
    way = item[-1].word if item and item[-1].word in ENDS_ITEM else ""
    return _joined(item[:-1] if way else item), way


def _order(steps: _Steps, rest: list[Token]) -> None:
    if steps.order or steps.limit:
        steps.seal()
    steps.order = f" ORDER {_joined(rest)}"


def _limit(steps: _Steps, rest: list[Token]) -> None:
    if steps.limit:
        steps.seal()
    steps.limit = f" LIMIT {_joined(rest)}"


def _alias(steps: _Steps, rest: list[Token]) -> None:
    steps.name_source()
    steps.alias = _joined(rest)
    steps.source = f"{steps.source.split()[0]} AS {steps.alias}"


def _join(steps: _Steps, segment: list[Token]) -> None:
    if steps.items != "*" or steps.filters or steps.tail or steps.order or steps.limit:
        steps.seal()
    steps.source, steps.alias = f"{steps.source} {_joined(segment)}", ""


def _set_operation(steps: _Steps, segment: list[Token]) -> None:
    steps.seal()
    operator = [t for t in segment if not t.text.startswith("(") and t.text != ","]
    queries = [t.text for t in segment if t.text.startswith("(")]
    whole = steps.select() + "".join(f" {_joined(operator)} {query}" for query in queries)
    steps.start(whole)
    steps.alias = ""


def _table_operator(word: str) -> Callable[[_Steps, list[Token]], None]:
    def apply(steps: _Steps, rest: list[Token]) -> None:
        if word == "TABLESAMPLE" and steps.items == "*" and not steps.filters:
            steps.source = f"{steps.source} TABLESAMPLE {_joined(rest)}"
            return
        steps.name_source()
        steps.source = f"{steps.source.split()[0]} {word} {_joined(rest)}"
        steps.alias = ""

    return apply


def _items(parts: list[Token]) -> list[list[Token]]:
    """Split a list at its commas; a trailing comma adds nothing."""
    found: list[list[Token]] = [[]]
    for part in parts:
        if part.text == ",":
            found.append([])
        else:
            found[-1].append(part)
    return [item for item in found if item]


OPERATORS: dict[str, Callable[[_Steps, list[Token]], None]] = {
    "WHERE": _where,
    "SELECT": _select,
    "EXTEND": _extend,
    "WINDOW": _extend,
    "SET": _set,
    "DROP": _drop,
    "RENAME": _rename,
    "DISTINCT": _distinct,
    "AGGREGATE": _aggregate,
    "ORDER": _order,
    "LIMIT": _limit,
    "AS": _alias,
    "PIVOT": _table_operator("PIVOT"),
    "UNPIVOT": _table_operator("UNPIVOT"),
    "TABLESAMPLE": _table_operator("TABLESAMPLE"),
}
