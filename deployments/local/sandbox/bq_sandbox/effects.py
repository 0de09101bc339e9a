"""Running one planned statement: which effect each statement type has, and what it reports.

Decides the transaction's content: rows, catalog entry and the job's end together. `finish` builds the job's end
from the outcome inside the transaction; after the commit both are published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
from sqlglot import exp

from bq_sandbox.catalog import Catalog, TableEntry, now_ms
from bq_sandbox.fields import Field
from bq_sandbox.jobs import Job, Registry
from bq_sandbox.names import PROJECT, TableName, check_dataset, quoted, schema_of
from bq_sandbox.planning import StatementPlan
from bq_sandbox.refusals import Refusal, invalid_query
from bq_sandbox.results import Results
from bq_sandbox.table_options import options_of
from bq_sandbox.warehouse import Warehouse
from bq_sandbox.writing import (
    Destination,
    check_destination,
    create_table,
    run_dml,
    truncate,
    write_rows,
)

Cursor = duckdb.DuckDBPyConnection
Finish = Callable[["Outcome"], Job]


@dataclass(frozen=True)
class Outcome:
    """What a statement did."""

    fields: tuple[Field, ...] = ()
    rows: int | None = None
    has_result: bool = False
    query_statistics: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Effects:
    """Runs plans against the stores."""

    warehouse: Warehouse
    catalog: Catalog
    registry: Registry
    results: Results

    def run(
        self,
        cursor: Cursor,
        plan: StatementPlan,
        job: Job,
        finish: Finish,
        destination: Destination | None = None,
    ) -> Job:
        """Do what the plan says and end the job; answers the ended job."""
        match plan.kind:
            case "SELECT":
                return self._query(cursor, plan, job, finish, destination)
            case "CREATE_TABLE_AS_SELECT":
                return self._create_as(cursor, plan, job, finish)
            case _:
                return self._change(cursor, plan, finish)

    def _query(self, cursor: Cursor, plan: StatementPlan, job: Job, finish: Finish, to: Destination | None) -> Job:
        if to is not None:
            check_destination(self.catalog, to)
        fields = list(plan.fields)
        intervals = [quoted(f["name"]) for f in fields if f["type"] == "INTERVAL"]
        casts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in intervals)
        sql = f"SELECT * REPLACE ({casts}) FROM ({plan.sql})" if casts else plan.sql
        reader = cursor.execute(sql).to_arrow_reader(50_000)
        rows = self.results.write(job.job_id, reader, fields)
        outcome = Outcome(plan.fields, rows, has_result=True)
        if to is None:
            ended = finish(outcome)
            self.registry.save(ended)
            return ended
        return self._commit(cursor, finish, lambda: (self._store(cursor, job, to, fields), outcome))

    def _store(self, cursor: Cursor, job: Job, to: Destination, fields: list[Field]) -> TableEntry:
        return write_rows(cursor, self.catalog, to, self.results.table(job.job_id), fields)

    def _create_as(self, cursor: Cursor, plan: StatementPlan, job: Job, finish: Finish) -> Job:
        tree, target = plan.tree, plan.targets[0]
        assert isinstance(tree, exp.Create)
        if self.catalog.find(target) is not None and not tree.args.get("replace"):
            if not tree.args.get("exists"):
                raise Refusal("duplicate", f"Already Exists: Table {target.legacy}")
            ended = finish(Outcome(query_statistics=_ddl("SKIP", target)))
            self.registry.save(ended)
            return ended
        details, expires = options_of(tree)
        to = Destination(target, "WRITE_TRUNCATE", details=details, expires_ms=expires)
        fields = list(plan.fields)
        self.results.write(job.job_id, cursor.execute(plan.sql).to_arrow_reader(50_000), fields)
        outcome = Outcome(query_statistics=_ddl("CREATE", target))
        return self._commit(cursor, finish, lambda: (self._store(cursor, job, to, fields), outcome))

    def _change(self, cursor: Cursor, plan: StatementPlan, finish: Finish) -> Job:
        if plan.kind in {"CREATE_SCHEMA", "DROP_SCHEMA"}:
            ended = finish(self._change_schema(plan.tree, plan.kind))
            self.registry.save(ended)
            return ended
        target = plan.targets[0]
        if plan.kind in {"DROP_TABLE", "DROP_VIEW"}:
            return self._drop(cursor, plan, target, finish)
        return self._commit(cursor, finish, lambda: self._alter(cursor, plan, target))

    def _alter(self, cursor: Cursor, plan: StatementPlan, target: TableName) -> tuple[TableEntry | None, Outcome]:
        match plan.kind:
            case "INSERT" | "UPDATE" | "DELETE" | "MERGE":
                entry, touched = run_dml(cursor, self.catalog, plan.sql, target)
                return entry, Outcome(query_statistics=_dml(plan.kind, touched))
            case "TRUNCATE_TABLE":
                gone = self.catalog.table(target).sizes.rows
                return truncate(cursor, self.catalog, target), Outcome(query_statistics=_dml("DELETE", gone))
            case "CREATE_TABLE":
                assert isinstance(plan.tree, exp.Create)
                entry = create_table(cursor, self.catalog, plan.tree, target)
                return entry, Outcome(query_statistics=_ddl("CREATE" if entry else "SKIP", target))
            case "CREATE_VIEW":
                entry = self.catalog.stage(cursor, self._view(plan, target))
                return entry, Outcome(query_statistics=_ddl("CREATE", target))
            case "ALTER_TABLE":
                entry = self.catalog.stage(cursor, self._options(plan, target))
                return entry, Outcome(query_statistics=_ddl("ALTER", target))
            case _:
                raise invalid_query(f"The sandbox does not run {plan.kind}")

    def _view(self, plan: StatementPlan, target: TableName) -> TableEntry:
        tree = plan.statement.tree
        assert isinstance(tree, exp.Create)
        if self.catalog.find(target) is not None and not tree.args.get("replace"):
            raise Refusal("duplicate", f"Already Exists: Table {target.legacy}")
        self.catalog.dataset(target.dataset)
        details, expires = options_of(tree)
        text = tree.expression.sql("bigquery")
        return TableEntry(target, plan.fields, view_sql=text, details=details, expires_ms=expires)

    def _options(self, plan: StatementPlan, target: TableName) -> TableEntry:
        actions = plan.tree.args.get("actions") or []
        properties = [p for a in actions if isinstance(a, exp.AlterSet) for p in a.expressions]
        if not properties:
            raise invalid_query("The sandbox alters tables by SET OPTIONS only")
        details, expires = options_of(exp.Create(kind="TABLE", properties=properties[0].copy()))
        entry = self.catalog.table(target)
        merged = {**entry.details, **details}
        return replace(entry, details=merged, expires_ms=expires or entry.expires_ms, modified_ms=now_ms())

    def _drop(self, cursor: Cursor, plan: StatementPlan, target: TableName, finish: Finish) -> Job:
        known = self.catalog.find(target)
        if known is None and not plan.tree.args.get("exists"):
            raise Refusal("notFound", f"Not found: Table {target.legacy}")
        with self.warehouse.transaction(cursor):
            self.warehouse.drop(cursor, schema_of(target.dataset), target.table)
            self.catalog.stage_removal(cursor, target)
            ended = finish(Outcome(query_statistics=_ddl("DROP" if known else "SKIP", target)))
            self.registry.stage(cursor, ended)
        self.catalog.forget(target)
        self.registry.publish(ended)
        return ended

    def _change_schema(self, tree: exp.Expression, kind: str) -> Outcome:
        dataset = check_dataset(tree.this.db or tree.this.name)
        known = any(d["datasetReference"]["datasetId"] == dataset for d in self.catalog.datasets())
        if kind == "CREATE_SCHEMA" and not (known and tree.args.get("exists")):
            reference = {"projectId": PROJECT, "datasetId": dataset}
            self.catalog.create_dataset(dataset, {"datasetReference": reference})
        if kind == "DROP_SCHEMA" and (known or not tree.args.get("exists")):
            self.catalog.delete_dataset(dataset, contents=bool(tree.args.get("cascade")))
        return Outcome(query_statistics={"ddlOperationPerformed": kind.split("_", maxsplit=1)[0]})

    def _commit(self, cursor: Cursor, finish: Finish, change: Callable[[], tuple[TableEntry | None, Outcome]]) -> Job:
        with self.warehouse.transaction(cursor):
            entry, outcome = change()
            ended = finish(outcome)
            self.registry.stage(cursor, ended)
        if entry is not None:
            self.catalog.publish(entry)
        self.registry.publish(ended)
        return ended


def _ddl(operation: str, target: TableName) -> dict[str, Any]:
    return {"ddlOperationPerformed": operation, "ddlTargetTable": target.reference()}


def _dml(kind: str, touched: int) -> dict[str, Any]:
    counter = {"INSERT": "insertedRowCount", "DELETE": "deletedRowCount"}.get(kind, "updatedRowCount")
    return {"numDmlAffectedRows": str(touched), "dmlStats": {counter: str(touched)}}
