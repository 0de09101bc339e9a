"""Routes of projects, datasets, tables and their rows.

Decides what the catalog's REST face accepts. Reading rows (tabledata.list) works for tables and for the stored
results of jobs, never for views, as in BigQuery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from starlette.routing import Route

from bq_sandbox.api import Body, Call, route
from bq_sandbox.catalog import Catalog, TableEntry
from bq_sandbox.faults import Faults
from bq_sandbox.fields import Field, arrow_schema
from bq_sandbox.jobs import Registry
from bq_sandbox.names import PROJECT, TableName, check_dataset, quoted, table_from_reference
from bq_sandbox.planning import Planner, Request
from bq_sandbox.refusals import Refusal
from bq_sandbox.results import Results
from bq_sandbox.routes_jobs import decode_token, encode_token, page_of
from bq_sandbox.warehouse import Warehouse
from bq_sandbox.wire_jobs import RESULTS_DATASET
from bq_sandbox.wire_tables import (
    STORED,
    dataset_item,
    dataset_resource,
    entry_from_body,
    patched,
    table_item,
    table_resource,
)
from bq_sandbox.writing import create_storage, stage_measured

_PAGE_ROWS = 10_000
_DATASET_KEYS = ("description", "friendlyName", "labels", "location", "defaultTableExpirationMs", "access")


@dataclass(frozen=True)
class TableRoutes:
    """Handlers over the catalog."""

    warehouse: Warehouse
    catalog: Catalog
    planner: Planner
    registry: Registry
    results: Results
    faults: Faults

    def routes(self) -> list[Route]:
        """All routes."""
        datasets = "/projects/{project}/datasets"
        dataset = datasets + "/{dataset}"
        tables = dataset + "/tables"
        table = tables + "/{table}"
        table_of = [
            ("/projects", "GET", "projects.list", self.list_projects),
            (datasets, "GET", "datasets.list", self.list_datasets),
            (datasets, "POST", "datasets.insert", self.insert_dataset),
            (dataset, "GET", "datasets.get", self.get_dataset),
            (dataset, "PATCH", "datasets.patch", self.patch_dataset),
            (dataset, "PUT", "datasets.update", self.patch_dataset),
            (dataset, "DELETE", "datasets.delete", self.delete_dataset),
            (tables, "GET", "tables.list", self.list_tables),
            (tables, "POST", "tables.insert", self.insert_table),
            (table, "GET", "tables.get", self.get_table),
            (table, "PATCH", "tables.patch", self.patch_table),
            (table, "PUT", "tables.update", self.patch_table),
            (table, "DELETE", "tables.delete", self.delete_table),
            (table + "/data", "GET", "tabledata.list", self.list_rows),
        ]
        return [route(path, method, name, handler, self.faults) for path, method, name, handler in table_of]

    def list_projects(self, call: Call) -> Body:
        """The one project."""
        project = {"kind": "bigquery#project", "id": PROJECT, "projectReference": {"projectId": PROJECT}}
        return {"kind": "bigquery#projectList", "projects": [project], "totalItems": 1}

    def list_datasets(self, call: Call) -> Body:
        """A page of datasets."""
        items = [dataset_item(dataset) for dataset in self.catalog.datasets()]
        return _page("bigquery#datasetList", "datasets", items, call)

    def insert_dataset(self, call: Call) -> Body:
        """Create a dataset."""
        dataset = check_dataset((call.body.get("datasetReference") or {}).get("datasetId", ""))
        properties = {key: call.body[key] for key in _DATASET_KEYS if call.body.get(key) is not None}
        properties["datasetReference"] = {"projectId": PROJECT, "datasetId": dataset}
        return dataset_resource(self.catalog.create_dataset(dataset, properties))

    def get_dataset(self, call: Call) -> Body:
        """One dataset."""
        return dataset_resource(self.catalog.dataset(call.path["dataset"]))

    def patch_dataset(self, call: Call) -> Body:
        """Change a dataset's properties."""
        properties = {key: call.body[key] for key in _DATASET_KEYS if key in call.body}
        return dataset_resource(self.catalog.update_dataset(call.path["dataset"], properties))

    def delete_dataset(self, call: Call) -> Body:
        """Remove a dataset."""
        self.catalog.delete_dataset(call.path["dataset"], contents=call.flag("deleteContents"))
        return {}

    def list_tables(self, call: Call) -> Body:
        """A page of tables."""
        self.catalog.dataset(call.path["dataset"])
        items = [table_item(entry) for entry in self.catalog.tables(call.path["dataset"])]
        return _page("bigquery#tableList", "tables", items, call)

    def insert_table(self, call: Call) -> Body:
        """Create an empty table, or a view."""
        given = call.body.get("tableReference") or {}
        name = table_from_reference({**given, "datasetId": call.path["dataset"]})
        self.catalog.dataset(name.dataset)
        if self.catalog.find(name) is not None:
            raise Refusal("duplicate", f"Already Exists: Table {name.legacy}")
        entry = entry_from_body(name, call.body)
        if entry.view_sql is not None:
            return table_resource(self.catalog.save(self._with_columns(entry, call.user)))
        with self.warehouse.reading() as cursor:
            with self.warehouse.transaction(cursor):
                create_storage(cursor, entry)
                entry = stage_measured(cursor, self.catalog, entry)
            self.catalog.publish(entry)
        return table_resource(entry)

    def _with_columns(self, entry: TableEntry, user: str) -> TableEntry:
        request = Request(entry.view_sql or "", user)
        plan = self.planner.plan(self.planner.script(request)[0], request)
        if not plan.statement.is_query:
            raise Refusal("invalid", "A view must be one query")
        named = {f["name"]: f for f in entry.fields}
        fields = tuple({**f, **_notes(named.get(f["name"], {}))} for f in plan.fields)
        return replace(entry, fields=fields)

    def get_table(self, call: Call) -> Body:
        """One table, or the stored result of a job under its anonymous name."""
        if call.path["dataset"] == RESULTS_DATASET:
            job = self.registry.get(call.path["table"])
            name = TableName(PROJECT, RESULTS_DATASET, job.job_id)
            body = table_resource(TableEntry(name, job.fields, created_ms=job.created_ms))
            return {**body, "numRows": str(job.total_rows or 0)}
        return table_resource(self.catalog.table(self._name(call)))

    def _name(self, call: Call) -> TableName:
        return table_from_reference({"datasetId": call.path["dataset"], "tableId": call.path["table"]})

    def patch_table(self, call: Call) -> Body:
        """Change a table's properties, a view's query included."""
        entry = self.catalog.table(self._name(call))
        body = {key: call.body[key] for key in (*STORED, "expirationTime", "schema") if key in call.body}
        changed = patched(entry, body)
        query = (call.body.get("view") or {}).get("query")
        if query is not None and entry.view_sql is not None:
            changed = self._with_columns(replace(changed, view_sql=query), call.user)
        return table_resource(self.catalog.save(changed))

    def delete_table(self, call: Call) -> Body:
        """Remove a table or view."""
        self.catalog.remove(self.catalog.table(self._name(call)).name)
        return {}

    def list_rows(self, call: Call) -> Body:
        """A page of rows, of all columns or of `selectedFields`."""
        start = decode_token(call.query.get("pageToken")) or call.number("startIndex", 0)
        limit = min(call.number("maxResults", _PAGE_ROWS), _PAGE_ROWS)
        if call.path["dataset"] == RESULTS_DATASET:
            job = self.registry.get(call.path["table"])
            fields, total = list(job.fields), job.total_rows or 0
            rows = self.results.page(job.result_id, start, limit)
        else:
            entry = self.catalog.table(self._name(call))
            fields, total = _selected(entry, call), entry.sizes.rows
            rows = self._stored_rows(entry, fields, start, limit)
        page = page_of(rows, fields, call, start, total)
        return {"kind": "bigquery#tableDataList", "totalRows": str(total), **page}

    def _stored_rows(self, entry: TableEntry, fields: list[Field], start: int, limit: int) -> list[Any]:
        if entry.view_sql is not None:
            raise Refusal("invalid", f"Cannot list a table of type VIEW: {entry.name.legacy}")
        columns = ", ".join(quoted(f["name"]) for f in fields)
        sql = f"SELECT {columns} FROM {entry.name.duckdb} LIMIT {limit} OFFSET {start}"
        with self.warehouse.reading() as cursor:
            return cursor.execute(sql).to_arrow_table().cast(arrow_schema(fields)).to_pylist()


def _selected(entry: TableEntry, call: Call) -> list[Field]:
    wanted = {name.split(".")[0] for name in call.query.get("selectedFields", "").split(",") if name}
    return [f for f in entry.fields if not wanted or f["name"] in wanted]


def _notes(field: Field) -> Field:
    return {key: field[key] for key in ("description", "policyTags") if key in field}


def _page(kind: str, key: str, items: list[Body], call: Call) -> Body:
    start = decode_token(call.query.get("pageToken"))
    size = call.number("maxResults", 500) or 500
    body: Body = {"kind": kind, key: items[start : start + size], "totalItems": len(items)}
    following = start + size
    return {**body, "nextPageToken": encode_token(following)} if following < len(items) else body
