"""Datasets and tables on the wire: REST resources out of catalog entries, and entries out of resources.

Decides which properties of a table a client may set. Anything else in a body is ignored, as BigQuery ignores
output-only fields.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bq_sandbox.catalog import TableEntry, now_ms
from bq_sandbox.fields import Field
from bq_sandbox.names import LOCATION, PROJECT, TableName
from bq_sandbox.refusals import Refusal

Body = dict[str, Any]
STORED = ("description", "friendlyName", "labels", "timePartitioning", "clustering")


def dataset_resource(dataset: Body) -> Body:
    """The whole dataset."""
    dataset_id = dataset["datasetReference"]["datasetId"]
    return {
        "kind": "bigquery#dataset",
        "id": f"{PROJECT}:{dataset_id}",
        "etag": dataset.get("lastModifiedTime", ""),
        "selfLink": f"/bigquery/v2/projects/{PROJECT}/datasets/{dataset_id}",
        **dataset,
    }


def dataset_item(dataset: Body) -> Body:
    """A dataset as `datasets.list` shows it."""
    whole = dataset_resource(dataset)
    return {k: whole[k] for k in ("kind", "id", "datasetReference", "location", "labels") if k in whole}


def table_resource(entry: TableEntry) -> Body:
    """The whole table."""
    body: Body = {
        "kind": "bigquery#table",
        "id": entry.name.legacy,
        "etag": f"{entry.name.table}-{entry.modified_ms}",
        "selfLink": f"/bigquery/v2/projects/{PROJECT}/datasets/{entry.name.dataset}/tables/{entry.name.table}",
        "tableReference": entry.name.reference(),
        "type": "TABLE" if entry.view_sql is None else "VIEW",
        "schema": {"fields": list(entry.fields)},
        "creationTime": str(entry.created_ms),
        "lastModifiedTime": str(entry.modified_ms),
        "location": LOCATION,
        **entry.details,
    }
    if entry.expires_ms is not None:
        body["expirationTime"] = str(entry.expires_ms)
    if entry.view_sql is not None:
        return {**body, "view": {"query": entry.view_sql, "useLegacySql": False}}
    size = str(entry.sizes.total_bytes)
    return {**body, "numRows": str(entry.sizes.rows), "numBytes": size, "numLongTermBytes": "0"}


def table_item(entry: TableEntry) -> Body:
    """A table as `tables.list` shows it."""
    whole = table_resource(entry)
    shown = (
        "kind",
        "id",
        "tableReference",
        "type",
        "friendlyName",
        "labels",
        "timePartitioning",
        "clustering",
        "creationTime",
        "expirationTime",
    )
    item = {key: whole[key] for key in shown if key in whole}
    return {**item, "view": {"useLegacySql": False}} if entry.view_sql is not None else item


def entry_from_body(name: TableName, body: Body) -> TableEntry:
    """A new table as a client describes it. A view's columns are the caller's to find out."""
    fields = tuple(checked_fields((body.get("schema") or {}).get("fields") or []))
    view_sql = (body.get("view") or {}).get("query")
    if view_sql is None and not fields:
        raise Refusal("invalid", "The sandbox needs a schema to create a table")
    expires = body.get("expirationTime")
    return TableEntry(
        name,
        fields,
        view_sql=view_sql,
        details={key: body[key] for key in STORED if body.get(key)},
        expires_ms=int(expires) if expires else None,
    )


def checked_fields(fields: list[Field]) -> list[Field]:
    """Fields with their mode spelled out; refuses one without a name or type."""
    checked: list[Field] = []
    for field in fields:
        if not field.get("name") or not field.get("type"):
            raise Refusal("invalid", "Every field needs a name and a type")
        inner = {"fields": checked_fields(field["fields"])} if field.get("fields") else {}
        checked.append({"mode": "NULLABLE", **field, **inner})
    return checked


def patched(entry: TableEntry, body: Body) -> TableEntry:
    """The entry with the body's properties; null removes one. Columns cannot be added, removed or retyped."""
    details = {**entry.details, **{key: body[key] for key in STORED if key in body}}
    details = {key: value for key, value in details.items() if value is not None}
    expires = entry.expires_ms
    if "expirationTime" in body:
        expires = int(body["expirationTime"]) if body["expirationTime"] else None
    fields = entry.fields
    if (body.get("schema") or {}).get("fields"):
        fields = tuple(checked_fields(body["schema"]["fields"]))
        if _shape(fields) != _shape(entry.fields):
            raise Refusal("invalid", "The sandbox changes descriptions and policy tags of columns only")
    return replace(entry, fields=fields, details=details, expires_ms=expires, modified_ms=now_ms())


def _shape(fields: tuple[Field, ...] | list[Field]) -> list[Any]:
    return [(f["name"], f["type"], _shape(f.get("fields", []))) for f in fields]
