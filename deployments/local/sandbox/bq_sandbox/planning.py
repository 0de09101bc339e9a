"""From a job's SQL to what would be done: the one plan that both the dry run and the execution use.

Decides everything that can be known without running: statement types, tables, output schema, bytes and price
floor. The output schema comes from binding the translated statement in the engine (DESCRIBE), which resolves names
and types and reads no rows. What a dry run promises and what a run does cannot drift apart, as both are this plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
from sqlglot import exp

from bq_sandbox.catalog import Catalog
from bq_sandbox.dialect import to_duckdb
from bq_sandbox.engine_errors import refusal_for
from bq_sandbox.fields import Field, field_from_duckdb
from bq_sandbox.lineage import Reading, readings, whole
from bq_sandbox.names import LOCATION, TableName
from bq_sandbox.parameters import Parameter, bind_parameters
from bq_sandbox.references import Binder, Bound
from bq_sandbox.refusals import invalid_query
from bq_sandbox.statements import DML, Statement, parse_script
from bq_sandbox.variables import Variables
from bq_sandbox.warehouse import Warehouse

MEBIBYTE = 1024 * 1024
MINIMUM_BILLED = 10 * MEBIBYTE


@dataclass(frozen=True)
class Request:
    """The part of a job's configuration that decides its plan."""

    sql: str
    user: str
    parameters: tuple[Parameter, ...] = ()
    default_dataset: str | None = None
    location: str = LOCATION


@dataclass(frozen=True)
class StatementPlan:
    """One statement, ready to run. `sql` is DuckDB's; for CREATE ... AS it is the query's alone."""

    statement: Statement
    sql: str
    tree: exp.Expression
    fields: tuple[Field, ...] = ()
    readings: tuple[Reading, ...] = ()
    targets: tuple[TableName, ...] = ()

    @property
    def kind(self) -> str:
        """BigQuery's `statementType`."""
        return self.statement.kind

    @property
    def bytes(self) -> int:
        """Bytes that it would process."""
        return sum(reading.bytes for reading in self.readings)

    @property
    def exact(self) -> bool:
        """Whether `bytes` is the number that a run would report."""
        return all(reading.exact for reading in self.readings)

    @property
    def billed(self) -> int:
        """Bytes billed: whole mebibytes, and ten of them at least for each table read and for the query."""
        per_table = dict[TableName, int]()
        for reading in self.readings:
            name = reading.entry.name
            per_table[name] = per_table.get(name, 0) + reading.bytes
        return sum(max(MINIMUM_BILLED, -(-size // MEBIBYTE) * MEBIBYTE) for size in per_table.values())


@dataclass(frozen=True)
class Planner:
    """Makes plans against the catalog as it is when asked."""

    warehouse: Warehouse
    catalog: Catalog
    variables: Variables = field(default_factory=Variables)

    def script(self, request: Request) -> list[Statement]:
        """The request's statements."""
        return parse_script(request.sql)

    def plans(self, request: Request) -> Iterator[StatementPlan]:
        """Plans of all statements of a script, its variables standing for values that only a run would know."""
        planner = replace(self, variables=Variables())
        for statement in planner.script(request):
            if statement.kind in {"DECLARE", "SET"}:
                planner.variables.foresee(statement.tree)
            else:
                yield planner.plan(statement, request)

    def plan(self, statement: Statement, request: Request) -> StatementPlan:
        """One statement's plan. Raises what BigQuery would answer to a bad one."""
        binder = Binder(self.catalog, default_dataset=request.default_dataset, location=request.location)
        tree = self.variables.substitute(statement.tree)
        bound = binder.bind(bind_parameters(tree, list(request.parameters)), request.sql)
        if statement.is_query:
            return self._query_plan(statement, bound, bound.tree, request)
        if statement.kind in {"CREATE_TABLE_AS_SELECT", "CREATE_VIEW"}:
            return self._query_plan(statement, bound, bound.tree.expression, request)
        if statement.kind in DML - {"TRUNCATE_TABLE"}:
            return self._dml_plan(statement, bound, request)
        return StatementPlan(statement, "", bound.tree, targets=bound.targets)

    def evaluate(
        self, cursor: duckdb.DuckDBPyConnection, query: exp.Expression, request: Request
    ) -> tuple[list[Field], Any]:
        """Type and value of a bound one-cell query: how a script variable gets its value."""
        sql = to_duckdb(query, user=request.user)
        fields = self._describe(sql, request.sql)
        try:
            row = cursor.execute(sql).fetchone()
        except duckdb.Error as error:
            raise refusal_for(error, request.sql) from error
        return fields, row[0] if row else None

    def _query_plan(self, statement: Statement, bound: Bound, query: exp.Expression, request: Request) -> StatementPlan:
        sql = to_duckdb(query, user=request.user)
        fields = self._describe(sql, request.sql)
        read = readings(query, bound.tables)
        return StatementPlan(statement, sql, bound.tree, tuple(fields), tuple(read), bound.targets)

    def _dml_plan(self, statement: Statement, bound: Bound, request: Request) -> StatementPlan:
        sql = to_duckdb(bound.tree, user=request.user)
        with self.warehouse.reading() as cursor:
            try:
                cursor.execute(f"EXPLAIN {sql}")
            except duckdb.Error as error:
                raise refusal_for(error, request.sql) from error
        query = bound.tree.expression if statement.kind == "INSERT" else None
        if isinstance(query, exp.Query):
            read = readings(query, bound.tables)
        elif statement.kind == "INSERT":
            read = []
        else:
            read = [whole(entry) for entry in bound.tables.values()]
        return StatementPlan(statement, sql, bound.tree, (), tuple(read), bound.targets)

    def _describe(self, sql: str, text: str) -> list[Field]:
        with self.warehouse.reading() as cursor:
            try:
                relation = cursor.sql(sql)
                fields = [field_from_duckdb(n, t) for n, t in zip(relation.columns, relation.types, strict=True)]
            except duckdb.Error as error:
                raise refusal_for(error, text) from error
        names = [f["name"].lower() for f in fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            listed = ", ".join(twice)
            raise invalid_query(f"Duplicate column names in the result are not supported. Found duplicate(s): {listed}")
        return fields
