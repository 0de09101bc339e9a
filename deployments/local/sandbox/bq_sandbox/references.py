"""What a statement refers to: every table is looked up, every view opened, every foreign function refused.

Decides that a name in FROM is a table of the catalog, a common table expression, an array of the same query, or an
error. The engine therefore never sees a name that this module did not put there: no host file, no system table, no
Python variable. Functions that DuckDB has and BigQuery has not are refused here as unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from bq_sandbox.catalog import Catalog, TableEntry
from bq_sandbox.information_schema import information_schema
from bq_sandbox.names import LOCATION, PROJECT, TableName, table_from_reference
from bq_sandbox.refusals import Refusal, invalid_query
from bq_sandbox.sources import annotate
from bq_sandbox.statements import place_of

_MAX_VIEW_DEPTH = 16
_FOREIGN = re.compile(
    r"(read_|duckdb_|pragma_|pg_|parquet_|sniff_|st_read|sqlite_|bqemu_|bqs_|json_execute|json_serialize_sql"
    r"|json_deserialize_sql|from_substrait|get_substrait|enable_|disable_|which_secret|write_log|parse_duckdb"
    r"|glob$|query$|query_table$|getenv$|getvariable$|current_setting$|nextval$|currval$|checkpoint"
    r"|force_checkpoint|summary$|range$|repeat_row$|test_|unnest$|add_parquet_key|copy_database|in_search_path"
    r"|current_query$|current_database$|txid_current|stats$|vector_type$|sleep)"
)


@dataclass
class Bound:
    """A statement whose references are resolved; `tree` holds three-part names and opened views."""

    tree: exp.Expression
    tables: dict[TableName, TableEntry] = field(default_factory=dict[TableName, TableEntry])
    targets: tuple[TableName, ...] = ()


class Binder:
    """Resolves one statement against the catalog as it is now."""

    def __init__(self, catalog: Catalog, *, default_dataset: str | None = None, location: str = LOCATION) -> None:
        self._catalog = catalog
        self._default_dataset = default_dataset
        self._location = location
        self._text = ""

    def bind(self, tree: exp.Expression, text: str) -> Bound:
        """Resolve a copy of the tree. Raises `invalidQuery` or `notFound`."""
        self._text = text
        bound = Bound(tree.copy())
        self._refuse_foreign(bound.tree)
        bound.targets = self._take_targets(bound)
        if tree.args.get("kind") != "SCHEMA":
            self._resolve_tables(bound.tree, bound, depth=0)
        if bound.tables and self._location.upper() != LOCATION:
            dataset = next(iter(bound.tables)).dataset
            message = f"Not found: Dataset {PROJECT}:{dataset} was not found in location {self._location}"
            raise Refusal("notFound", message)
        return bound

    def name_of(self, node: exp.Table) -> TableName:
        """The full name that a table node spells; refuses one without a dataset."""
        parts = [part for part in (node.catalog, node.db, node.name) if part]
        if len(parts) == 1 and "." in parts[0]:
            parts = parts[0].split(".")
        dataset = parts[-2] if len(parts) > 1 else self._default_dataset
        if not dataset or isinstance(node.this, exp.Func):
            spelled = node.name or node.sql("bigquery")
            raise invalid_query(
                f'Table "{spelled}" must be qualified with a dataset (e.g. dataset.table).',
                *place_of(self._text, spelled),
            )
        project = parts[-3] if len(parts) > 2 else PROJECT
        return table_from_reference({"projectId": project, "datasetId": dataset, "tableId": parts[-1]})

    def _refuse_foreign(self, tree: exp.Expression) -> None:
        for node in tree.find_all(exp.Func, exp.Command, exp.Into, exp.Copy):
            if isinstance(node, exp.Func):
                self._refuse_foreign_function(node)
            else:
                raise invalid_query(f"The sandbox does not run {type(node).__name__.upper()}")

    def _refuse_foreign_function(self, node: exp.Func) -> None:
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        if isinstance(node, exp.Unnest):
            return
        if _FOREIGN.match(name.lower()) or isinstance(node, exp.ReadCSV | exp.ReadParquet):
            raise invalid_query(f"Function not found: {name}", *place_of(self._text, name))

    def _take_targets(self, bound: Bound) -> tuple[TableName, ...]:
        """Names that the statement writes; their entries are looked up when they must already exist."""
        tree = bound.tree
        match tree:
            case exp.TruncateTable():
                nodes = list(tree.expressions)
            case exp.Insert() | exp.Update() | exp.Delete() | exp.Merge() | exp.Create() | exp.Drop() | exp.Alter():
                this = tree.this
                nodes = [this.this if isinstance(this, exp.Schema) else this]
            case _:
                return ()
        if isinstance(tree, exp.Create | exp.Drop) and tree.args.get("kind") == "SCHEMA":
            return ()
        return tuple(self._target(node) for node in nodes)

    def _target(self, node: exp.Table) -> TableName:
        name = self.name_of(node)
        _rename(node, name)
        node.meta["target"] = True
        return name

    def _resolve_tables(self, tree: exp.Expression, bound: Bound, depth: int) -> None:
        if depth > _MAX_VIEW_DEPTH:
            raise invalid_query("Views are nested too deeply")
        for node in list(tree.find_all(exp.Table)):
            if node.meta.get("target"):
                self._resolve_target(tree, node, bound)
            elif not _is_common_table(node):
                self._resolve_one(node, bound, depth)

    def _resolve_target(self, tree: exp.Expression, node: exp.Table, bound: Bound) -> None:
        if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge | exp.TruncateTable):
            name = self.name_of(node)
            bound.tables[name] = self._catalog.table(name)

    def _resolve_one(self, node: exp.Table, bound: Bound, depth: int) -> None:
        if isinstance(node.this, exp.Func):
            name = node.this.name or node.this.sql_name()
            raise invalid_query(f"Table-valued function not found: {name}", *place_of(self._text, name))
        if node.args.get("version") or node.name.endswith("*"):
            raise invalid_query("The sandbox has neither time travel nor wildcard tables")
        if node.name.upper().startswith("INFORMATION_SCHEMA."):
            _substitute(node, information_schema(self._catalog, node.db or self._default_dataset, node.name))
            return
        name = self.name_of(node)
        entry = self._catalog.table(name)
        if entry.view_sql is None:
            bound.tables[name] = entry
            _rename(node, name)
            annotate(node, entry.fields)
            return
        view = sqlglot.parse_one(entry.view_sql, read="bigquery")
        self._resolve_tables(view, bound, depth + 1)
        _substitute(node, view)


def _rename(node: exp.Table, name: TableName) -> None:
    node.set("catalog", exp.to_identifier(name.project, quoted=True))
    node.set("db", exp.to_identifier(name.dataset, quoted=True))
    node.set("this", exp.to_identifier(name.table, quoted=True))


def _substitute(node: exp.Table, query: exp.Expression) -> None:
    subquery = exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(node.alias_or_name)))
    for clause in ("joins", "pivots", "sample"):
        if node.args.get(clause):
            subquery.set(clause, node.args[clause])
    node.replace(subquery)


def _is_common_table(node: exp.Table) -> bool:
    if node.db or not isinstance(node.this, exp.Identifier):
        return False
    scope: exp.Expression | None = node
    while scope is not None:
        clause = scope.args.get("with_") or scope.args.get("with")
        if clause and any(cte.alias.lower() == node.name.lower() for cte in clause.expressions):
            return True
        scope = scope.parent
    return False
