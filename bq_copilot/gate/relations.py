"""L3, the FROM clause: which relations a query has and how they are joined.

Decides for every relation whether it is a WITH name, an array of a relation already in scope, or a stored table,
in the order in which GoogleSQL decides it. It never reads columns of a table on its own: joins and unpivots read
what they name, a pivot reads every column because it groups by the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from bq_copilot.gate import tables
from bq_copilot.gate.costs import elements_of, holders, owners
from bq_copilot.gate.expressions import name_of, nodes, read, read_all, value_of
from bq_copilot.gate.scope import Relation, Scope, Size, Unresolved, walk_fields
from bq_copilot.gate.values import Shape, Value, combined, scalar, unknown

if TYPE_CHECKING:
    from bq_copilot.gate.resolve import Resolver

TABLE_PARTS = frozenset({"this", "db", "catalog", "alias", "pivots", "sample", "joins", "version"})
SUBQUERY_PARTS = frozenset({"this", "alias", "pivots", "sample", "with_"})
UNNEST_PARTS = frozenset({"expressions", "alias", "offset", "explode_array"})
JOIN_PARTS = frozenset({"this", "on", "using", "side", "kind"})
JOIN_KINDS = frozenset({"", "CROSS", "INNER", "OUTER"})


def add_from(resolver: Resolver, select: exp.Select, scope: Scope) -> None:
    """Fill the scope with the relations of the FROM clause and its joins."""
    source = select.args.get("from_")
    if isinstance(source, exp.From):
        add_relation(resolver, source.this, scope)
    for join in nodes(select, "joins"):
        _add_join(resolver, join, scope)


def add_relation(resolver: Resolver, node: exp.Expr, scope: Scope) -> None:
    """Add the relation (or the relations of a parenthesised join) that a FROM item stands for."""
    match node:
        case exp.Table():
            refuse_unknown_parts(resolver, node, TABLE_PARTS)
            _put(resolver, node, _table(resolver, node, scope), scope)
        case exp.Unnest():
            refuse_unknown_parts(resolver, node, UNNEST_PARTS)
            scope.relations.append(_unnest(resolver, node, scope))
        case exp.Subquery() if isinstance(node.this, (exp.Table, exp.Unnest)) or _wraps_join(node):
            refuse_unknown_parts(resolver, node, frozenset({"this"}))
            add_relation(resolver, node.this, scope)
        case exp.Subquery():
            refuse_unknown_parts(resolver, node, SUBQUERY_PARTS)
            result = resolver.query(node, scope.parent)
            result.alias = node.alias
            _put(resolver, node, result, scope)
        case _:
            resolver.trace.refuse("P17", "construct", node, "this FROM item")
    for join in nodes(node, "joins"):
        _add_join(resolver, join, scope)


def _wraps_join(node: exp.Subquery) -> bool:
    return isinstance(node.this, exp.Subquery) and not node.alias and bool(node.this.args.get("joins"))


def refuse_unknown_parts(resolver: Resolver, node: exp.Expr, known: frozenset[str]) -> None:
    """Refuse a node that carries a clause which the resolver does not look at."""
    extra = [key for key, value in node.args.items() if key not in known and value not in (None, False, [])]
    if extra:
        resolver.trace.refuse("P17", "construct", node, extra[0].strip("_").replace("_", " ").upper())


def _put(resolver: Resolver, node: exp.Expr, relation: Relation, scope: Scope) -> None:
    if isinstance(node.args.get("sample"), exp.Expr):
        read_all(resolver, node.args["sample"], Scope(parent=None))
    for pivot in nodes(node, "pivots"):
        relation = _pivot(resolver, pivot, relation, scope)
    names = [r.alias.casefold() for r in scope.relations if r.alias]
    if relation.alias and relation.alias.casefold() in names:
        resolver.trace.refuse("P17", "unresolved", node, relation.alias, reason="two relations have this alias")
    scope.relations.append(relation)


def _table(resolver: Resolver, node: exp.Table, scope: Scope) -> Relation:
    if not all(isinstance(part, exp.Identifier) for part in node.parts):
        tables.refuse_function(resolver, node)
        return Relation(node.alias, [], row=unknown())
    parts = [part.name for part in node.parts]
    alias = node.alias or parts[-1]
    if len(parts) == 1:
        known = resolver.ctes.get(parts[0].casefold())
        if known is not None:
            return replace(known, alias=alias, columns=list(known.columns))
    if len(parts) > 1 and scope.starts(parts[0]):
        relation = _element_relation(alias, _array_path(resolver, node, parts, scope), named=True)
        relation.tied = holders(parts[0], scope)
        return relation
    return tables.stored_relation(resolver, node, parts, alias)


def _array_path(resolver: Resolver, node: exp.Expr, parts: list[str], scope: Scope) -> Value:
    try:
        value, rest = scope.find(parts)
        value = walk_fields(value, rest, ".".join(parts))
    except Unresolved as fault:
        resolver.unresolved(fault, node)
        return unknown()
    return _element(resolver, node, value)


def _element(resolver: Resolver, node: exp.Expr, value: Value) -> Value:
    """Return one element of an array value; stored elements stay unread, a lost shape reads the whole."""
    if value.shape is Shape.ARRAY and value.element is not None:
        return value.element
    resolver.trace.consume(value, node)
    return unknown(value.leaves)


def _element_relation(alias: str, element: Value, *, named: bool) -> Relation:
    fields = list(element.fields) or [(alias if named else "", element)]
    return Relation(alias if named else "", fields, row=element, size=Size.SMALL)


def _unnest(resolver: Resolver, node: exp.Unnest, scope: Scope) -> Relation:
    alias = node.args.get("alias")
    names = [c.name for c in nodes(alias, "columns")] if isinstance(alias, exp.TableAlias) else []
    if isinstance(alias, exp.TableAlias) and alias.this is not None:
        names.insert(0, alias.name)
    if len(names) > 1 or len(node.expressions) != 1:
        resolver.trace.refuse("P17", "construct", node, "UNNEST of several arrays")
        return Relation("", [], row=unknown())
    source = value_of(resolver, node.expressions[0], scope)
    element = _element(resolver, node.expressions[0], source)
    relation = _element_relation(names[0] if names else "", element, named=bool(names))
    relation.elements = elements_of(node.expressions[0])
    relation.tied = owners(node.expressions[0], scope)
    offset = node.args.get("offset")
    if offset:
        name = offset.name if isinstance(offset, exp.Expr) else "offset"
        relation.columns = [*relation.columns, (name, scalar())]
    return relation


def _add_join(resolver: Resolver, join: exp.Expr, scope: Scope) -> None:
    refuse_unknown_parts(resolver, join, JOIN_PARTS)
    if str(join.args.get("kind") or "").upper() not in JOIN_KINDS:
        resolver.trace.refuse("P17", "construct", join, "this kind of join")
    before = len(scope.relations)
    add_relation(resolver, join.this, scope)
    condition = join.args.get("on")
    if isinstance(condition, exp.Expr):
        read(resolver, condition, scope)
    for name in nodes(join, "using"):
        _merge(resolver, name, scope, before)


def _merge(resolver: Resolver, name: exp.Expr, scope: Scope, before: int) -> None:
    """Read a USING column on both sides and make it one column of the scope."""
    key = name.name.casefold()
    left = [r for r in scope.relations[:before] if r.column(key) is not None]
    right = [r for r in scope.relations[before:] if r.column(key) is not None]
    if not left or not right:
        resolver.unresolved(Unresolved(name.name, "a USING column must be on both sides"), name)
    scope.links += [(a, b) for a in left for b in right]
    values = [value for r in (*left, *right) if (value := r.column(key)) is not None]
    scope.merged[key] = combined([resolver.trace.consume(value, name) for value in values])


def _pivot(resolver: Resolver, pivot: exp.Expr, relation: Relation, scope: Scope) -> Relation:
    inner = Scope(relations=[relation], parent=scope.parent)
    if not isinstance(pivot, exp.Pivot):
        resolver.trace.refuse("P17", "construct", pivot, "this table operator")
        return relation
    if pivot.args.get("unpivot"):
        return _unpivot(resolver, pivot, relation, inner)
    for item in pivot.expressions:
        read(resolver, item.unalias(), inner)
    for field in nodes(pivot, "fields"):
        read_all(resolver, _without_aliases(field), inner)
    used = {c.parts[0].name.casefold() for c in pivot.find_all(exp.Column)}
    kept = [(n, resolver.trace.consume(v, pivot)) for n, v in relation.columns if n.casefold() not in used]
    leaves = frozenset(relation.whole().leaves)
    made = [(c.name, scalar(leaves)) for c in nodes(pivot, "columns")]
    return Relation(pivot.alias, kept + made, size=Size.GROUPED, open=True, source=relation.source)


def _without_aliases(field: exp.Expr) -> exp.Expr:
    copied = field.copy()
    for item in list(copied.find_all(exp.PivotAlias)):
        item.replace(item.this)
    return copied


def _unpivot(resolver: Resolver, pivot: exp.Pivot, relation: Relation, inner: Scope) -> Relation:
    used = set[str]()
    leaves = set[str]()
    made = [leaf.name for item in nodes(pivot) for leaf in (nodes(item) or [item])]
    for field in nodes(pivot, "fields"):
        made.append(field.this.name)
        for item in nodes(field):
            target: exp.Expr = item.this if isinstance(item, exp.PivotAlias) else item
            for column in nodes(target) if isinstance(target, exp.Tuple) else [target]:
                leaves |= read(resolver, column, inner).leaves
                used.add(name_of(column).casefold())
    kept = [(n, v) for n, v in relation.columns if n.casefold() not in used]
    columns = kept + [(name, scalar(leaves)) for name in made]
    return Relation(pivot.alias, columns, size=relation.size, source=relation.source)
