"""The sample tables: loaded from Parquet once, at the first start on an empty folder.

Decides that a table whose name is in the catalog is never loaded again, so a second start is fast and keeps what was
changed since. Every column is cast to its declared type, so a seed file cannot smuggle in another schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bq_sandbox.catalog import Catalog, TableEntry
from bq_sandbox.fields import Field, duckdb_type
from bq_sandbox.names import PROJECT, TableName, check_dataset, check_table, quoted
from bq_sandbox.sizes import measure
from bq_sandbox.warehouse import Warehouse

_DETAILS = ("description", "friendlyName", "timePartitioning", "clustering", "labels")


def load_seed(warehouse: Warehouse, catalog: Catalog, folder: Path) -> int:
    """Load every table that is not there yet; answers how many were. Must run before the file is sealed."""
    loaded = 0
    for description in sorted(folder.glob("*.*.json")):
        dataset, table = description.stem.split(".", 1)
        name = TableName(PROJECT, check_dataset(dataset), check_table(table))
        known = {item["datasetReference"]["datasetId"] for item in catalog.datasets()}
        if dataset not in known:
            reference = {"projectId": PROJECT, "datasetId": dataset}
            catalog.create_dataset(dataset, {"datasetReference": reference})
        if catalog.find(name) is None:
            _load_table(warehouse, catalog, name, json.loads(description.read_text("utf-8")), folder)
            loaded += 1
    return loaded


def _load_table(
    warehouse: Warehouse, catalog: Catalog, name: TableName, resource: dict[str, Any], folder: Path
) -> None:
    fields: list[Field] = resource["schema"]["fields"]
    details = {key: resource[key] for key in _DETAILS if key in resource}
    entry = TableEntry(name, tuple(fields), details=details)
    columns = ", ".join(f"CAST({quoted(f['name'])} AS {duckdb_type(f)}) AS {quoted(f['name'])}" for f in fields)
    source = folder / f"{name.dataset}.{name.table}"
    files = str(source / "*.parquet") if source.is_dir() else f"{source}.parquet"
    with warehouse.reading() as cursor:
        with warehouse.transaction(cursor):
            cursor.execute(f"CREATE TABLE {name.duckdb} AS SELECT {columns} FROM read_parquet(?)", [files])
            sizes = measure(cursor, name.duckdb, fields, entry.partition_field, entry.partition_unit)
            entry = catalog.stage(cursor, TableEntry(name, entry.fields, details=details, sizes=sizes))
        catalog.publish(entry)
