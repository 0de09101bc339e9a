"""L3, expressions: which value an expression has and which leaves it reads.

Decides where data is read: a path names data without reading it until something consumes it, so `items[0].sku`
reads one leaf while `items` alone reads all of its leaves. It never decides whether a read is allowed. Shapes are
followed only as far as later names need them; a shape that is lost becomes unknown and reads everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlglot import exp

from bq_copilot.gate.lexer import words
from bq_copilot.gate.scope import Scope, Unresolved, walk_fields
from bq_copilot.gate.values import Shape, Value, array_of, combined, scalar, struct_of, unknown

if TYPE_CHECKING:
    from bq_copilot.gate.resolve import Resolver

FIRST_ARGUMENT = (
    exp.AnyValue,
    exp.Max,
    exp.Min,
    exp.First,
    exp.Last,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Lag,
    exp.Lead,
    exp.IgnoreNulls,
    exp.RespectNulls,
    exp.HavingMax,
    exp.Limit,
    exp.Order,
    exp.Window,
    exp.ArrayReverse,
    exp.ArraySlice,
    exp.ArrayConcatAgg,
    exp.ArrayConcat,
    exp.ArrayFirst,
    exp.ArrayLast,
)
ELEMENT_OF = (exp.ArrayFirst, exp.ArrayLast)
BRANCHES = (exp.If, exp.Coalesce, exp.Case, exp.Nullif)
TOP_LISTS = (exp.ApproxTopK, exp.ApproxTopSum)
CHAINS = (exp.Connector, exp.Add, exp.Sub, exp.Mul, exp.DPipe)
UNIT_ARGUMENTS = frozenset({"unit", "zone_unit"})
OPEN_JSON = (exp.JSONExtract, exp.JSONExtractArray, exp.ParseJSON, exp.JSONFormat, exp.JSONObject, exp.JSONArray)
PARTS = words(
    """
    MICROSECOND MILLISECOND SECOND MINUTE HOUR DAY DAYOFWEEK DAYOFYEAR WEEK ISOWEEK MONTH QUARTER YEAR
    ISOYEAR DATE TIME DATETIME NANOSECOND
    """
)


def read(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    """Read the expression: record its leaves and return what is left of its value."""
    return resolver.trace.consume(value_of(resolver, node, scope), node)


def read_all(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    """Read every child of a node; the result is a value without parts."""
    leaves = set[str]()
    for key, child in children(node):
        if key in UNIT_ARGUMENTS and isinstance(child, (exp.Var, exp.Column, exp.Literal, exp.WeekStart)):
            continue
        leaves |= read(resolver, child, scope).leaves
    return scalar(leaves)


def children(node: exp.Expr) -> list[tuple[str, exp.Expr]]:
    """Return the child expressions of a node with the argument each one fills."""
    found: list[tuple[str, exp.Expr]] = []
    for key, value in node.args.items():
        items: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
        found += [(key, item) for item in items if isinstance(item, exp.Expr)]
    return found


def value_of(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    """Return the value of an expression; paths stay unread, everything else reads its inputs."""
    match node:
        case exp.Column() | exp.Dot():
            return _path(resolver, node, scope)
        case exp.Bracket():
            return _index(resolver, node, scope)
        case exp.Paren():
            return value_of(resolver, node.this, scope)
        case exp.Subquery() | exp.Select() | exp.SetOperation():
            return resolver.scalar_query(node, scope)
        case exp.Exists():
            return _exists(resolver, node, scope)
        case exp.In():
            return _membership(resolver, node, scope)
        case exp.Array():
            return _array(resolver, node, scope)
        case exp.Struct() | exp.Tuple():
            return _struct(resolver, node, scope)
        case exp.Cast() | exp.TryCast():
            return _cast(resolver, node, scope)
        case exp.Star():
            resolver.trace.refuse("P17", "construct", node, "a star outside a select list")
            return scalar()
        case _:
            return _other(resolver, node, scope)


def _other(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
        return scalar()
    if isinstance(node, (exp.ArrayAgg, exp.List)):
        return array_of(_first(resolver, node, scope))
    if isinstance(node, ELEMENT_OF):
        whole = _first(resolver, node, scope)
        return whole.item() or scalar(whole.leaves)
    if isinstance(node, FIRST_ARGUMENT):
        return _first(resolver, node, scope)
    if isinstance(node, exp.Distinct) and len(node.expressions) == 1:
        return read(resolver, node.expressions[0], scope)
    if isinstance(node, BRANCHES):
        return combined([read(resolver, child, scope) for _, child in children(node)])
    if isinstance(node, TOP_LISTS):
        inner = read_all(resolver, node, scope).leaves
        return array_of(struct_of([("value", scalar(inner)), ("count", scalar(inner)), ("sum", scalar(inner))]))
    if isinstance(node, OPEN_JSON):
        return unknown(read_all(resolver, node, scope).leaves)
    if isinstance(node, CHAINS):
        return _chain(resolver, node, scope)
    if isinstance(node, exp.Func):
        return _call(resolver, node, scope)
    return read_all(resolver, node, scope)


def _call(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    """Date parts look like columns in some calls (`LAST_DAY(d, MONTH)`); they read nothing."""
    leaves = set[str]()
    for key, child in children(node):
        if key not in UNIT_ARGUMENTS and not _is_part(child, scope):
            leaves |= read(resolver, child, scope).leaves
    return unknown(leaves) if isinstance(node, exp.Anonymous) else scalar(leaves)


def _is_part(node: exp.Expr, scope: Scope) -> bool:
    if not isinstance(node, exp.Column) or len(node.parts) != 1:
        return False
    return node.name.upper() in PARTS and not scope.starts(node.name)


def _first(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    shaped: Value | None = None
    leaves = set[str]()
    for key, child in children(node):
        if key in UNIT_ARGUMENTS or (isinstance(node, exp.Window) and key in ("alias", "over")):
            continue
        value = read(resolver, child, scope)
        shaped = value if key == "this" and shaped is None else shaped
        leaves |= value.leaves
    return combined([shaped or scalar(), scalar(leaves)])


def _chain(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    """Read a long left-deep chain (`a OR b OR c …`) without recursion."""
    leaves = set[str]()
    pending = [node]
    while pending:
        here = pending.pop()
        if isinstance(here, CHAINS):
            pending += [child for _, child in children(here)]
        else:
            leaves |= read(resolver, here, scope).leaves
    return scalar(leaves)


def _path(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    parts: list[str] = []
    here = node
    while isinstance(here, exp.Dot):
        if not isinstance(here.expression, exp.Identifier):
            return _dotted_call(resolver, node, scope)
        parts.insert(0, here.expression.name)
        here = here.this
    if isinstance(here, exp.Column):
        if isinstance(here.this, exp.Star):
            resolver.trace.refuse("P17", "construct", node, "a star outside a select list")
            return scalar()
        written = [*(part.name for part in here.parts), *parts]
        return _named(resolver, node, scope, written)
    if isinstance(here, exp.Identifier):
        return _named(resolver, node, scope, [here.name, *parts])
    base = unknown() if isinstance(here, exp.Literal) else value_of(resolver, here, scope)
    if base.place is None:
        base = resolver.trace.consume(base, node)
    return _below(resolver, node, base, parts, ".".join(parts))


def _named(resolver: Resolver, node: exp.Expr, scope: Scope, parts: list[str]) -> Value:
    try:
        value, rest = scope.find(parts)
    except Unresolved as fault:
        resolver.unresolved(fault, node)
        return unknown()
    return _below(resolver, node, value, rest, ".".join(parts))


def _below(resolver: Resolver, node: exp.Expr, value: Value, parts: list[str], written: str) -> Value:
    try:
        return walk_fields(value, parts, written)
    except Unresolved as fault:
        resolver.unresolved(fault, node)
        resolver.trace.consume(value, node)
        return unknown(value.leaves)


def _dotted_call(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    """A call with a dotted name; the function list decides about it, its arguments are read here."""
    leaves = set[str]()
    for call in node.find_all(exp.Func):
        leaves |= read_all(resolver, call, scope).leaves
        break
    return unknown(leaves)


def _index(resolver: Resolver, node: exp.Bracket, scope: Scope) -> Value:
    base = value_of(resolver, node.this, scope)
    leaves = set[str]()
    for index in node.expressions:
        leaves |= read(resolver, index, scope).leaves
    item = base.item()
    if item is None:
        resolver.trace.consume(base, node)
        return unknown(base.leaves | leaves)
    return item


def _exists(resolver: Resolver, node: exp.Exists, scope: Scope) -> Value:
    return scalar(resolver.query(node.this, scope, output=False).whole().leaves)


def _membership(resolver: Resolver, node: exp.In, scope: Scope) -> Value:
    leaves = set(read(resolver, node.this, scope).leaves)
    for item in node.expressions:
        leaves |= read(resolver, item, scope).leaves
    query = node.args.get("query")
    if isinstance(query, exp.Expr):
        leaves |= resolver.query(query, scope).whole().leaves
    unnest = node.args.get("unnest")
    if isinstance(unnest, exp.Unnest):
        for item in unnest.expressions:
            leaves |= read(resolver, item, scope).leaves
    if isinstance(node.args.get("field"), exp.Expr):
        leaves |= read(resolver, node.args["field"], scope).leaves
    return scalar(leaves)


def _array(resolver: Resolver, node: exp.Array, scope: Scope) -> Value:
    items = node.expressions
    if len(items) == 1 and isinstance(items[0], (exp.Query, exp.Subquery)):
        return array_of(resolver.scalar_query(items[0], scope))
    return array_of(combined([read(resolver, item, scope) for item in items]))


def _struct(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    fields: list[tuple[str, Value]] = []
    for item in node.expressions:
        inner = item.expression if isinstance(item, exp.PropertyEQ) else item.unalias()
        fields.append((name_of(item), read(resolver, inner, scope)))
    return struct_of(fields)


def nodes(node: exp.Expr, key: str = "expressions") -> list[exp.Expr]:
    """Return the expressions of one argument, which may hold one, several or none."""
    return [child for name, child in children(node) if name == key]


def name_of(item: exp.Expr) -> str:
    """Return the name that a select item or struct member gets, or an empty text."""
    match item:
        case exp.PropertyEQ():
            return item.this.name
        case exp.Alias() | exp.PivotAlias():
            return item.alias
        case exp.Column() if not isinstance(item.this, exp.Star):
            return item.name
        case exp.Dot() if isinstance(item.expression, exp.Identifier):
            return item.expression.name
        case exp.Paren():
            return name_of(item.this)
        case _:
            return ""


def _cast(resolver: Resolver, node: exp.Expr, scope: Scope) -> Value:
    leaves = read_all(resolver, node, scope).leaves
    kind = node.args.get("to")
    return _typed(kind, leaves) if isinstance(kind, exp.DataType) else scalar(leaves)


def _typed(kind: exp.DataType, leaves: frozenset[str]) -> Value:
    """Return the shape that a type name promises."""
    if kind.is_type(exp.DType.ARRAY) and kind.expressions:
        inner = kind.expressions[0]
        return array_of(_typed(inner, leaves) if isinstance(inner, exp.DataType) else unknown(leaves))
    if kind.is_type(exp.DType.STRUCT):
        fields = [(f.name, _typed(f.kind, leaves)) for f in kind.expressions if isinstance(f, exp.ColumnDef) and f.kind]
        return struct_of(fields) if fields else unknown(leaves)
    if kind.is_type(exp.DType.JSON):
        return Value(Shape.JSON, leaves=leaves)
    return scalar(leaves)
