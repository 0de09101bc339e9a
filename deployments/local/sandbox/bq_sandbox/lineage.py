"""Which columns of which tables a query reads: the static half of a dry run.

Decides by sqlglot's optimizer: names are qualified, stars opened, filters and projections pushed into subqueries,
and what is left beside each table is what BigQuery would read. Struct members are followed through dots, subscripts
and UNNEST. Where the optimizer gives up, all columns are counted and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.pushdown_predicates import pushdown_predicates
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from bq_sandbox.catalog import TableEntry
from bq_sandbox.fields import sql_type
from bq_sandbox.names import TableName, table_from_reference
from bq_sandbox.pruning import partitions_read
from bq_sandbox.sources import element_alias

Tables = dict[TableName, TableEntry]


@dataclass(frozen=True)
class Reading:
    """One table as one query reads it."""

    entry: TableEntry
    leaves: frozenset[str]
    partitions: tuple[str, ...]
    exact: bool = True

    @property
    def bytes(self) -> int:
        """Logical bytes of the columns in the partitions."""
        return self.entry.sizes.bytes_of(self.leaves, list(self.partitions))


def whole(entry: TableEntry) -> Reading:
    """All of a table; never called exact."""
    return Reading(entry, frozenset(entry.sizes.leaves), tuple(entry.sizes.partitions), exact=False)


def readings(query: exp.Expression, tables: Tables) -> list[Reading]:
    """What a bound query reads. Falls back to whole tables, marked inexact."""
    try:
        optimized = _optimize(query, tables)
        return [reading for scope in traverse_scope(optimized) for reading in _scope_readings(scope, tables)]
    except (SqlglotError, KeyError, ValueError, AttributeError, RecursionError):
        return [whole(entry) for entry in tables.values()]


def _optimize(query: exp.Expression, tables: Tables) -> exp.Expression:
    schema = MappingSchema(dialect="bigquery")
    for name, entry in tables.items():
        columns = {f["name"]: sql_type(f) for f in entry.fields}
        table = exp.table_(name.table, db=name.dataset, catalog=name.project, quoted=True)
        schema.add_table(table, columns, dialect="bigquery")
    tree = qualify(
        query.copy(),
        schema=schema,
        dialect="bigquery",
        validate_qualify_columns=False,
        quote_identifiers=False,
    )
    return pushdown_projections(pushdown_predicates(tree, dialect="bigquery"), schema=schema)


def _scope_readings(scope: Scope, tables: Tables) -> Iterator[Reading]:
    for source in _own_tables(scope.expression):
        alias = source.alias_or_name
        reference = {"projectId": source.catalog, "datasetId": source.db, "tableId": source.name}
        entry = tables[table_from_reference(reference)]
        leaves, exact = _leaves(scope, alias, entry)
        kept = partitions_read(entry, alias, list(_predicates(scope, alias)))
        filtered = len(kept) < len(entry.sizes.partitions) or scope.expression.args.get("where")
        clustered = bool(entry.details.get("clustering")) and filtered
        yield Reading(entry, leaves, tuple(kept), exact and not clustered)


def _own_tables(select: exp.Expression) -> Iterator[exp.Table]:
    """Stored tables in the query's own FROM; those of outer queries count where they are named."""
    clause = select.args.get("from_") or select.args.get("from")
    nodes = [clause.this] if clause is not None else []
    nodes += [join.this for join in select.args.get("joins") or []]
    yield from (node for node in nodes if isinstance(node, exp.Table) and node.db)


def _predicates(scope: Scope, alias: str) -> Iterator[exp.Expression]:
    where = scope.expression.args.get("where")
    if where is not None:
        yield where.this
    for join in scope.expression.args.get("joins") or []:
        outer = join.side in {"LEFT", "FULL", "RIGHT"}
        own = join.this.alias_or_name == alias and join.side not in {"FULL", "RIGHT"}
        if join.args.get("on") is not None and (own or not outer):
            yield join.args["on"]


def _leaves(scope: Scope, alias: str, entry: TableEntry) -> tuple[frozenset[str], bool]:
    select = scope.expression
    everything = frozenset(entry.sizes.leaves)
    if any(isinstance(e, exp.Star) for e in getattr(select, "expressions", [])):
        return everything, True
    paths, exact = set[str](), True
    for column in select.find_all(exp.Column):
        if column.table == alias:
            found, known = _column_paths(column, select)
            paths |= found
            exact = exact and known
        elif not column.table and column.name == alias:
            return everything, True
    return _under(paths, entry), exact


def _under(paths: set[str], entry: TableEntry) -> frozenset[str]:
    """Leaf columns at or below any of the paths, whatever their letters' case."""
    lowered = {path.lower() for path in paths}
    return frozenset(
        leaf
        for leaf in entry.sizes.leaves
        if any(leaf.lower() == path or leaf.lower().startswith(f"{path}.") for path in lowered)
    )


def _column_paths(column: exp.Column, select: exp.Expression) -> tuple[set[str], bool]:
    path, top = _climb(column)
    if isinstance(top.parent, exp.Unnest) and top.parent.expressions and top.parent.expressions[0] is top:
        members, known = _unnested_paths(top.parent, select)
        return {f"{path}.{m}" if m else path for m in members}, known
    return {path}, True


def _climb(column: exp.Column) -> tuple[str, exp.Expression]:
    path, node = column.name, column
    current: exp.Expression = node
    while current.parent is not None:
        parent = current.parent
        if isinstance(parent, exp.Dot) and parent.this is current:
            path = f"{path}.{parent.name}"
        elif not (isinstance(parent, exp.Bracket) and parent.this is current):
            break
        current = parent
    return path, current


def _unnested_paths(unnest: exp.Unnest, select: exp.Expression) -> tuple[set[str], bool]:
    """Members of the array's elements that the query names; an empty name is the element itself."""
    alias, table = element_alias(unnest), _table_alias(unnest)
    holder = unnest.find_ancestor(exp.Select) or select
    found = set[str]()
    for column in holder.find_all(exp.Column):
        if column.name == alias and column.table in {"", table}:
            path, _ = _climb(column)
            found.add(path.partition(".")[2])
        elif column.table in {alias, table} and column.table:
            paths, _ = _column_paths(column, holder)
            found |= paths
        elif not column.table:
            found.add(column.name)
    return (found, True) if found else ({""}, False)


def _table_alias(unnest: exp.Unnest) -> str:
    """The name that the optimizer gives to the UNNEST as a table."""
    alias = unnest.args.get("alias")
    return alias.name if alias is not None else ""
