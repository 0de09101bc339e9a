"""L3, stars: what `*`, `t.*` and `s.field.*` stand for, with EXCEPT and REPLACE.

Decides which columns a star puts out, unread. A replaced column is not read by the star: only its new expression
is. It never expands a star outside a select list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from bq_copilot.gate.expressions import nodes, read, value_of
from bq_copilot.gate.scope import Scope, Unresolved
from bq_copilot.gate.values import Shape, Value

if TYPE_CHECKING:
    from bq_copilot.gate.resolve import Resolver

type_keys = frozenset({"except_", "replace"})


def expand(resolver: Resolver, item: exp.Expr, scope: Scope) -> list[tuple[str, Value]] | None:
    """Return the columns of a star item, or None when the item is no star."""
    star, base = _star_of(item)
    if star is None:
        return None
    extra = [key for key, value in star.args.items() if key not in type_keys and value not in (None, False, [])]
    if extra:
        resolver.trace.refuse("P17", "construct", item, "this clause of a star")
    columns = _all(scope) if base is None else _members(resolver, base, scope)
    columns = _without(resolver, star, columns)
    return _replaced(resolver, star, columns, scope)


def _star_of(item: exp.Expr) -> tuple[exp.Star | None, exp.Expr | None]:
    if isinstance(item, exp.Star):
        return item, None
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        names = [part.copy() for part in item.parts if isinstance(part, exp.Identifier)]
        base = names[0] if len(names) == 1 else exp.Dot.build(names)
        return item.this, exp.column(names[0]) if len(names) == 1 else base
    if isinstance(item, exp.Dot) and isinstance(item.expression, exp.Star):
        return item.expression, item.this
    return None, None


def _all(scope: Scope) -> list[tuple[str, Value]]:
    merged = list(scope.merged.items())
    seen = {name for name, _ in merged}
    rest = [(n, v) for r in scope.relations for n, v in r.columns if n.casefold() not in seen]
    return merged + rest


def _members(resolver: Resolver, base: exp.Expr, scope: Scope) -> list[tuple[str, Value]]:
    if isinstance(base, exp.Column) and len(base.parts) == 1:
        relation = scope.relation(base.name)
        if relation is not None and relation.row is None:
            return list(relation.columns)
    value = value_of(resolver, base, scope)
    if value.shape is Shape.STRUCT:
        return list(value.fields)
    if value.shape is not Shape.UNKNOWN:
        resolver.unresolved(Unresolved(base.sql("bigquery"), "has no fields to expand"), base)
    resolver.trace.consume(value, base)
    return [("", value)]


def _without(resolver: Resolver, star: exp.Star, columns: list[tuple[str, Value]]) -> list[tuple[str, Value]]:
    dropped = {column.name.casefold() for column in nodes(star, "except_")}
    missing = dropped - {name.casefold() for name, _ in columns}
    for name in sorted(missing):
        resolver.unresolved(Unresolved(name, "EXCEPT names a column that is not there"), star)
    return [(name, value) for name, value in columns if name.casefold() not in dropped]


def _replaced(
    resolver: Resolver, star: exp.Star, columns: list[tuple[str, Value]], scope: Scope
) -> list[tuple[str, Value]]:
    new = {item.alias.casefold(): read(resolver, item.unalias(), scope) for item in nodes(star, "replace")}
    return [(name, new.get(name.casefold(), value)) for name, value in columns]
