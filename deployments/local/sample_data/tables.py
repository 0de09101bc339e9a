"""The six tables as BigQuery describes them, read from the YAML files beside this module.

Decides: names, types, descriptions, partitions and personal-data tags of the sample tables. Never does: hold
rows. Why this shape: one short file per table is the single source of both the table resource and the Arrow
schema of the Parquet file, so the two cannot disagree.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa
import yaml

TABLES = ("shop.customers", "shop.products", "shop.orders", "shop.refunds", "web.sessions", "web.events")
PERSONAL_DATA_TAG = "projects/bq-copilot-sandbox/locations/us/taxonomies/1/policyTags/pii"
_ARROW: dict[str, pa.DataType] = {
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "STRING": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}


@cache
def _definition(table: str) -> dict[str, Any]:
    text = files("deployments.local.sample_data").joinpath("tables", f"{table}.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def resource(table: str) -> dict[str, Any]:
    """The table's BigQuery resource: the writable subset of the REST API's Table object."""
    definition = _definition(table)
    dataset, name = table.split(".")
    found: dict[str, Any] = {
        "tableReference": {"projectId": "bq-copilot-sandbox", "datasetId": dataset, "tableId": name},
        "type": "TABLE",
        "description": definition["description"],
        "labels": definition["labels"],
        "schema": {"fields": [_field(key, column) for key, column in definition["columns"].items()]},
        "clustering": {"fields": definition["clustering"]},
    }
    if "partitioned_by" in definition:
        found["timePartitioning"] = {"type": "DAY", "field": definition["partitioned_by"]}
    return found


def _field(name: str, column: dict[str, Any]) -> dict[str, Any]:
    field: dict[str, Any] = {
        "name": name,
        "type": column["type"],
        "mode": column.get("mode", "NULLABLE"),
        "description": column["about"],
    }
    if column.get("personal"):
        field["policyTags"] = {"names": [PERSONAL_DATA_TAG]}
    if "fields" in column:
        field["fields"] = [_field(key, inner) for key, inner in column["fields"].items()]
    return field


def arrow_schema(table: str) -> pa.Schema:
    """The Parquet file's schema."""
    return pa.schema([_arrow_field(key, column) for key, column in _definition(table)["columns"].items()])


def _arrow_field(name: str, column: dict[str, Any]) -> pa.Field:
    if column["type"] == "RECORD":
        inner = pa.struct([_arrow_field(key, child) for key, child in column["fields"].items()])
    else:
        inner = _ARROW[column["type"]]
    repeated = column.get("mode") == "REPEATED"
    return pa.field(name, pa.list_(pa.field("element", inner)) if repeated else inner)
