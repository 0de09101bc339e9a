"""Cost rules that need no warehouse: generated series (P13), unlinked joins (P14), unfiltered partitions.

Decides from literals and join conditions only. It never estimates bytes (the dry run does), and treats what it
cannot bound as too large. A relation counts as one row only when the text itself says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from sqlglot import exp

from bq_copilot.catalog import Catalog
from bq_copilot.gate.scope import Relation, Scope, Size
from bq_copilot.gate.trace import Trace

FEW_ROWS = 1000
UNIT_DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 28, "QUARTER": 90, "YEAR": 365}
UNIT_SECONDS = {
    "MICROSECOND": 0.000001,
    "MILLISECOND": 0.001,
    "SECOND": 1.0,
    "MINUTE": 60.0,
    "HOUR": 3600.0,
    "DAY": 86400.0,
}
GENERATORS = (exp.GenerateSeries, exp.GenerateDateArray, exp.GenerateTimestampArray, exp.Repeat, exp.Pad)
LINKING_CALLS = frozenset(
    [
        "RANGE_CONTAINS",
        "RANGE_OVERLAPS",
        "STARTS_WITH",
        "ENDS_WITH",
        "CONTAINS_SUBSTR",
        "REGEXP_CONTAINS",
        "REGEXP_LIKE",
    ]
)
NESTED = (exp.Subquery, exp.Select, exp.SetOperation)


def check_generators(trace: Trace, tree: exp.Expr, limit: int) -> None:
    """Refuse each generator whose size is not bounded by literals, alone or multiplied inside one expression."""
    products: dict[int, int] = {}
    for node in tree.find_all(*GENERATORS, exp.Anonymous):
        if isinstance(node, exp.Anonymous) and node.name.upper() != "GENERATE_RANGE_ARRAY":
            continue
        size = _generated(node)
        if size is not None and size > FEW_ROWS:
            whole = id(_outermost_call(node))
            size = products[whole] = products.get(whole, 1) * size
        if size is None or size > limit:
            trace.refuse(
                "P13", "generator", node, node.sql_name().replace("ANONYMOUS", "GENERATE_RANGE_ARRAY"), limit=str(limit)
            )


def _outermost_call(node: exp.Expr) -> exp.Expr:
    """Return the widest call around a node inside its SELECT: what is generated in one call may be multiplied."""
    found, above = node, node.parent
    while above is not None and not isinstance(above, exp.Query):
        if isinstance(above, exp.Func) and not isinstance(above, exp.Connector):
            found = above
        above = above.parent
    return found


def elements_of(node: exp.Expr) -> int:
    """Return how many rows an UNNEST of this expression has, as far as literals say; 1 when they do not."""
    if isinstance(node, exp.Array):
        return max(1, len(node.expressions))
    return max(1, _generated(node) or 1) if isinstance(node, GENERATORS) else 1


def _generated(node: exp.Expr) -> int | None:
    match node:
        case exp.GenerateSeries():
            return _series(_number(node.args.get("start")), _number(node.args.get("end")), _step(node))
        case exp.GenerateDateArray():
            return _dates(node)
        case exp.GenerateTimestampArray():
            return _timestamps(node)
        case exp.Repeat():
            return _whole(_number(node.args.get("times")))
        case exp.Pad():
            return _whole(_number(node.args.get("expression")))
        case exp.Anonymous() if len(node.expressions) > 1:
            return _ranges(node.expressions[0], node.expressions[1])
        case _:
            return None


def _ranges(span: exp.Expr, step: exp.Expr) -> int | None:
    """A literal range is counted; one from a column is fine by days or longer steps, as for date arrays."""
    unit, count = _interval(step)
    bounds = span.expressions if isinstance(span, exp.Anonymous) and span.name.upper() == "RANGE" else []
    low, high = (_instant(bounds[0]), _instant(bounds[1])) if len(bounds) == 2 else (None, None)
    seconds = UNIT_SECONDS.get(unit) or UNIT_DAYS.get(unit, 0) * 86400.0
    if not seconds or not count:
        return None
    if low is not None and high is not None:
        return _series(0, (high - low) / timedelta(seconds=1), count * seconds)
    return 1 if unit in UNIT_DAYS else None


def _series(start: float | None, end: float | None, step: float | None) -> int | None:
    if start is None or end is None or not step:
        return None
    return max(0, int((end - start) / step) + 1)


def _step(node: exp.Expr) -> float | None:
    step = node.args.get("step")
    return 1.0 if step is None else _number(step)


def _number(node: object) -> float | None:
    match node:
        case exp.Literal() if not node.is_string:
            return float(node.this)
        case exp.Neg():
            inner = _number(node.this)
            return None if inner is None else -inner
        case exp.Paren():
            return _number(node.this)
        case exp.Add() | exp.Sub() | exp.Mul():
            left, right = _number(node.this), _number(node.expression)
            if left is None or right is None:
                return None
            return (
                left + right
                if isinstance(node, exp.Add)
                else left - right
                if isinstance(node, exp.Sub)
                else left * right
            )
        case _:
            return None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _dates(node: exp.Expr) -> int | None:
    start, end = _day(node.args.get("start")), _day(node.args.get("end"))
    unit, count = _interval(node.args.get("step"))
    if unit not in UNIT_DAYS or not count:
        return None
    if start is None or end is None:
        return 1
    return _series(0, (end - start).days, count * UNIT_DAYS[unit])


def _timestamps(node: exp.Expr) -> int | None:
    start, end = _instant(node.args.get("start")), _instant(node.args.get("end"))
    unit, count = _interval(node.args.get("step"))
    if start is None or end is None or unit not in UNIT_SECONDS or not count:
        return None
    return _series(0, (end - start) / timedelta(seconds=1), count * UNIT_SECONDS[unit])


def _interval(step: object) -> tuple[str, float | None]:
    if step is None:
        return "DAY", 1.0
    if not isinstance(step, exp.Interval):
        return "", None
    unit = step.args.get("unit")
    value = step.this
    is_text = isinstance(value, exp.Literal) and value.is_string and value.this.lstrip("-").isdigit()
    count = float(value.this) if is_text else _number(value)
    return (unit.name.upper() if isinstance(unit, exp.Expr) else ""), count


def _literal_text(node: object) -> str | None:
    inner = node.this if isinstance(node, (exp.Cast, exp.Date, exp.Timestamp, exp.Paren)) else node
    return inner.this if isinstance(inner, exp.Literal) and inner.is_string else None


def _day(node: object) -> date | None:
    text = _literal_text(node)
    try:
        return None if text is None else date.fromisoformat(text[:10])
    except ValueError:
        return None


def _instant(node: object) -> datetime | None:
    text = _literal_text(node)
    try:
        parsed = None if text is None else datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed is None or parsed.tzinfo else parsed.replace(tzinfo=UTC)


def size_of(node: exp.Select, scope: Scope) -> Size:
    """Return how many rows a SELECT may have, as far as its text says."""
    if not scope.relations:
        return Size.ONE
    size = max(r.size for r in scope.relations)
    group = node.args.get("group")
    if group is None and any(_aggregates(item) for item in node.expressions):
        return Size.ONE
    if group is not None or node.args.get("distinct"):
        size = min(size, Size.GROUPED)
    return min(size, limit_size(node))


def elements_in(scope: Scope, size: Size) -> int:
    """Return how many generated rows a SELECT over this scope may put out."""
    product = 1
    for relation in scope.relations:
        product *= relation.elements
    return 1 if size is Size.ONE else product


def limit_size(node: exp.Expr) -> Size:
    """Return the bound that a literal LIMIT gives."""
    limit = node.args.get("limit")
    rows = _number(limit.expression) if isinstance(limit, exp.Limit) else None
    if rows is None:
        return Size.BIG
    return Size.ONE if rows <= 1 else Size.GROUPED if rows <= FEW_ROWS else Size.BIG


def _aggregates(item: exp.Expr) -> bool:
    pending = [item]
    while pending:
        here = pending.pop()
        if isinstance(here, (exp.Window, *NESTED)):
            continue
        if isinstance(here, exp.AggFunc):
            return True
        pending += list(here.iter_expressions())
    return False


def check_joins(trace: Trace, node: exp.Select, scope: Scope, limit: int) -> None:
    """Refuse (or ask about) relations that no condition links to the others, and multiplied generators."""
    if elements_in(scope, Size.SMALL) > limit:
        trace.refuse("P13", "generator", node, "the product of generated series", limit=str(limit))
    rows = [r for r in scope.relations if r.size >= Size.GROUPED]
    if len(rows) < 2:
        return
    groups = _linked(node, scope)
    home = groups[id(rows[0])]
    for relation in rows[1:]:
        if groups[id(relation)] == home:
            continue
        big = any(Size.BIG in (r.size, relation.size) for r in rows if groups[id(r)] != groups[id(relation)])
        record = trace.refuse if big else trace.ask
        record("P14", "unlinked" if big else "unlinked_ask", node, relation.alias or "a subquery")


def _linked(node: exp.Select, scope: Scope) -> dict[int, int]:
    """Return for each relation the id of its group: relations that conditions connect share one."""
    group = {id(r): id(r) for r in scope.relations}
    tied = [(relation, other) for relation in scope.relations for other in relation.tied]
    for left, right in [*tied, *_pairs(node, scope)]:
        old, new = group[id(left)], group[id(right)]
        group = {key: new if value == old else value for key, value in group.items()}
    return group


def _pairs(node: exp.Select, scope: Scope) -> Iterator[tuple[Relation, Relation]]:
    yield from scope.links
    where = node.args.get("where")
    if isinstance(where, exp.Where):
        yield from _condition(where.this, scope, equality=True)
    for join in _joins(node):
        condition = join.args.get("on")
        if isinstance(condition, exp.Expr):
            yield from _condition(condition, scope, equality=False)


def _joins(node: exp.Expr) -> Iterator[exp.Join]:
    source = node.args.get("from_")
    pending: list[exp.Expr] = [source.this] if isinstance(source, exp.From) else []
    pending += node.args.get("joins") or []
    while pending:
        here = pending.pop()
        if isinstance(here, exp.Join):
            yield here
            pending.append(here.this)
        elif isinstance(here, exp.Subquery) and isinstance(here.this, (exp.Table, exp.Subquery)):
            pending.append(here.this)
            pending += here.args.get("joins") or []
        else:
            pending += here.args.get("joins") or []


def _condition(node: exp.Expr, scope: Scope, *, equality: bool) -> list[tuple[Relation, Relation]]:
    """Return the pairs that the condition links in every case in which it is true."""
    match node:
        case exp.And():
            return [pair for side in node.flatten() for pair in _condition(side, scope, equality=equality)]
        case exp.Or():
            sides = [_condition(side, scope, equality=equality) for side in node.flatten()]
            return [pair for pair in sides[0] if all(_has(pair, other) for other in sides[1:])]
        case exp.Paren():
            return _condition(node.this, scope, equality=equality)
        case exp.Between():
            return _across(owners(node.this, scope), owners(node.args["low"], scope) + owners(node.args["high"], scope))
        case exp.In() if node.args.get("unnest") is not None:
            return _across(owners(node.this, scope), owners(node.args["unnest"], scope))
        case exp.EQ() | exp.NullSafeEQ():
            return _across(owners(node.this, scope), owners(node.expression, scope))
        case exp.GT() | exp.GTE() | exp.LT() | exp.LTE() if not equality:
            return _across(owners(node.this, scope), owners(node.expression, scope))
        case exp.Func() if _links_by_name(node):
            return _across(*_arguments(node, scope))
        case _:
            return []


def _links_by_name(node: exp.Func) -> bool:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
    return name in LINKING_CALLS or name.startswith("ST_")


def _arguments(node: exp.Expr, scope: Scope) -> tuple[list[Relation], list[Relation]]:
    inner = [owners(child, scope) for child in node.iter_expressions()]
    return (inner[0], [r for rest in inner[1:] for r in rest]) if len(inner) > 1 else ([], [])


def _has(pair: tuple[Relation, Relation], pairs: Iterable[tuple[Relation, Relation]]) -> bool:
    wanted = {id(pair[0]), id(pair[1])}
    return any({id(a), id(b)} == wanted for a, b in pairs)


def _across(left: list[Relation], right: list[Relation]) -> list[tuple[Relation, Relation]]:
    return [(a, b) for a in left for b in right if a is not b]


def owners(node: exp.Expr, scope: Scope) -> list[Relation]:
    """Return the relations of this scope whose columns an expression names."""
    found: list[Relation] = []
    for column in node.find_all(exp.Column):
        found += [r for r in holders(column.parts[0].name, scope) if not any(r is f for f in found)]
    return found


def holders(head: str, scope: Scope) -> list[Relation]:
    """Return the relation that a path beginning with this name belongs to, as a list of at most one."""
    named = scope.relation(head)
    return [named] if named is not None else [r for r in scope.relations if r.column(head) is not None][:1]


def check_partitions(trace: Trace, catalog: Catalog, node: exp.Select, scope: Scope) -> None:
    """Ask when a partitioned table is read without any condition on its partition column."""
    for relation in scope.relations:
        table = catalog.table(relation.source) if relation.is_stored else None
        if table is None or not table.partition_by:
            continue
        if not any(_mentions(c, relation, table.partition_by, scope) for c in _conditions(node)):
            trace.ask("L6", "partition", node, table.id, column=table.partition_by)


def _conditions(node: exp.Select) -> Iterator[exp.Expr]:
    where = node.args.get("where")
    if isinstance(where, exp.Expr):
        yield where
    for join in _joins(node):
        condition = join.args.get("on")
        if isinstance(condition, exp.Expr):
            yield condition


def _mentions(condition: exp.Expr, relation: Relation, column: str, scope: Scope) -> bool:
    wanted = column.casefold()
    return any(
        any(part.name.casefold() == wanted for part in found.parts) and any(relation is r for r in owners(found, scope))
        for found in condition.find_all(exp.Column)
    )
