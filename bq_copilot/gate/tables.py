"""L3, stored relations: tables, views and wildcard families, by their full names.

Decides P02, P03, P09, P10 and P11 for one relation, and returns its columns unread. It never falls back to a
default dataset, and never reports that a relation of a forbidden dataset exists or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from bq_copilot.gate.scope import Relation, Size
from bq_copilot.gate.values import scalar, stored, unknown

if TYPE_CHECKING:
    from bq_copilot.gate.resolve import Resolver

METADATA = ("information_schema", "__tables__", "__tables_summary__", "__partitions_summary__", "_bqemulator_catalog")
MODEL_PREFIXES = ("ML", "AI", "BQ", "KEYS", "OBJ", "DLP")
MODEL_FUNCTIONS = frozenset({"EXTERNAL_QUERY", "VECTOR_SEARCH", "SEARCH_INDEX"})
TIME_FUNCTIONS = frozenset({"APPENDS", "CHANGES"})


def refuse_function(resolver: Resolver, node: exp.Table) -> None:
    """Refuse a table function; the rule says what it would have done."""
    text = node.sql("bigquery", comments=False).split("(")[0].replace("`", "")
    head, name = text.split(".")[0].upper(), text.split(".")[-1].upper()
    if name in TIME_FUNCTIONS:
        resolver.trace.refuse("P11", "time_travel", node)
    elif name == "GRAPH_TABLE":
        resolver.trace.refuse("P15", "graph", node)
    elif head in MODEL_PREFIXES or name in MODEL_FUNCTIONS:
        resolver.trace.refuse("P05", "model", node, text)
    else:
        resolver.trace.refuse("P06", "routine", node, text)


def stored_relation(resolver: Resolver, node: exp.Table, parts: list[str], alias: str) -> Relation:
    """Return the relation of a dotted table name, with every refusal that applies to it."""
    if node.args.get("version") is not None:
        resolver.trace.refuse("P11", "time_travel", node)
    nothing = Relation(alias, [], row=unknown())
    written = ".".join(parts)
    if any(part.casefold().startswith(METADATA) for part in parts):
        resolver.trace.refuse("P09", "metadata", node, written)
        return nothing
    if len(parts) == 1:
        resolver.trace.refuse("P02", "short_name", node, written)
        return nothing
    if len(parts) == 2 and resolver.catalog.default_project:
        parts = [resolver.catalog.default_project, *parts]
    name = ".".join(parts)
    dataset = name.rsplit(".", 1)[0]
    if dataset not in resolver.policy.allowed_datasets or len(parts) != 3:
        allowed = ", ".join(resolver.policy.allowed_datasets)
        resolver.trace.refuse("P02", "dataset", node, written, allowed=allowed)
        return nothing
    resolver.trace.named.append((node, name))
    return _wildcard(resolver, node, name, alias) if "*" in name else _plain(resolver, node, name, alias)


def _plain(resolver: Resolver, node: exp.Table, name: str, alias: str) -> Relation:
    table = resolver.catalog.table(name)
    if table is None:
        resolver.trace.refuse("P02", "table", node, name)
        return Relation(alias, [], row=unknown())
    resolver.trace.tables.add(name)
    if table.kind in ("view", "materialized_view"):
        resolver.check_view(table, node)
    columns = [(c.name, stored(name, c)) for c in table.columns]
    return Relation(alias, columns, size=Size.BIG, source=name, is_stored=True)


def _wildcard(resolver: Resolver, node: exp.Table, name: str, alias: str) -> Relation:
    family = resolver.catalog.family(name) if name.index("*") == len(name) - 1 else None
    schema = resolver.catalog.table(family.schema_of) if family else None
    if family is None or schema is None:
        allowed = ", ".join(f.pattern for f in resolver.catalog.families) or "none"
        resolver.trace.refuse("P10", "wildcard", node, name, allowed=allowed)
        return Relation(alias, [], row=unknown())
    resolver.trace.tables.add(family.pattern)
    columns = [(c.name, stored(family.pattern, c)) for c in schema.columns]
    pseudo = {"_table_suffix": scalar()}
    return Relation(alias, columns, pseudo=pseudo, size=Size.BIG, source=family.schema_of, is_stored=True)
