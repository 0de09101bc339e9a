"""INFORMATION_SCHEMA: the catalog as rows, written into the query as constants.

Decides which of BigQuery's many views exist here: TABLES, COLUMNS and COLUMN_FIELD_PATHS of one dataset. They are
small enough to be spelled out as a literal array, so no table has to be kept in step with the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlglot
from sqlglot import exp

from bq_sandbox.catalog import Catalog, TableEntry
from bq_sandbox.fields import Field, sql_type, type_of
from bq_sandbox.names import check_dataset
from bq_sandbox.refusals import Refusal, invalid_query

Row = dict[str, Any]

_EMPTY: dict[str, Row] = {
    "TABLES": {
        "table_catalog": "",
        "table_schema": "",
        "table_name": "",
        "table_type": "",
        "is_insertable_into": "",
        "creation_time": datetime(1970, 1, 1, tzinfo=UTC),
    },
    "COLUMNS": {
        "table_catalog": "",
        "table_schema": "",
        "table_name": "",
        "column_name": "",
        "ordinal_position": 0,
        "is_nullable": "",
        "data_type": "",
        "is_partitioning_column": "",
        "clustering_ordinal_position": 0,
    },
    "COLUMN_FIELD_PATHS": {
        "table_catalog": "",
        "table_schema": "",
        "table_name": "",
        "column_name": "",
        "field_path": "",
        "data_type": "",
        "description": "",
    },
}


def information_schema(catalog: Catalog, dataset: str | None, view: str) -> exp.Expression:
    """A query whose result is the named view of a dataset."""
    name = view.upper().removeprefix("INFORMATION_SCHEMA.")
    if name not in _EMPTY:
        raise Refusal("notFound", f"Not found: the sandbox has no view {view}")
    if not dataset:
        raise invalid_query(f"{view} must be qualified with a dataset")
    catalog.dataset(check_dataset(dataset))
    rows = [row for entry in catalog.tables(dataset) for row in _rows(name, entry)]
    return _as_query(rows, _EMPTY[name])


def _rows(view: str, entry: TableEntry) -> Iterator[Row]:
    place: Row = {
        "table_catalog": entry.name.project,
        "table_schema": entry.name.dataset,
        "table_name": entry.name.table,
    }
    if view == "TABLES":
        made = datetime.fromtimestamp(entry.created_ms / 1000, UTC)
        kind, insertable = ("VIEW", "NO") if entry.view_sql else ("BASE TABLE", "YES")
        yield {**place, "table_type": kind, "is_insertable_into": insertable, "creation_time": made}
    elif view == "COLUMNS":
        for position, column in enumerate(entry.fields, start=1):
            yield {**place, **_column(entry, column, position)}
    else:
        for column in entry.fields:
            yield from _field_paths(place, column["name"], column, "")


def _column(entry: TableEntry, column: Field, position: int) -> Row:
    clustering = (entry.details.get("clustering") or {}).get("fields", [])
    name = column["name"]
    return {
        "column_name": name,
        "ordinal_position": position,
        "is_nullable": "NO" if column.get("mode") == "REQUIRED" else "YES",
        "data_type": sql_type(column),
        "is_partitioning_column": "YES" if name == entry.partition_field else "NO",
        "clustering_ordinal_position": clustering.index(name) + 1 if name in clustering else None,
    }


def _field_paths(place: Row, column: str, field: Field, prefix: str) -> Iterator[Row]:
    path = f"{prefix}{field['name']}"
    description = field.get("description")
    kind = sql_type(field)
    yield {**place, "column_name": column, "field_path": path, "data_type": kind, "description": description}
    if type_of(field) == "RECORD":
        for child in field["fields"]:
            yield from _field_paths(place, column, child, f"{path}.")


def _as_query(rows: list[Row], empty: Row) -> exp.Expression:
    structs = [
        exp.Struct(
            expressions=[
                exp.PropertyEQ(this=exp.to_identifier(key), expression=_constant(row[key], empty[key])) for key in empty
            ]
        )
        for row in rows or [empty]
    ]
    columns = ", ".join(f"r.{key} AS {key}" for key in empty)
    query = sqlglot.parse_one(f"SELECT {columns} FROM UNNEST([]) AS r", read="bigquery")
    unnest = query.find(exp.Unnest)
    assert unnest is not None
    unnest.set("expressions", [exp.Array(expressions=structs)])
    if rows:
        return query
    return query.where("FALSE")  # pyright: ignore[reportAttributeAccessIssue]


def _constant(value: Any, sample: Any) -> exp.Expression:
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.isoformat()), "TIMESTAMP", dialect="bigquery")
    if value is None:
        kind = "INT64" if isinstance(sample, int) else "STRING"
        return exp.cast(exp.null(), kind, dialect="bigquery")
    return exp.convert(value)
