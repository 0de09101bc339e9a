"""The declarative half of CREATE TABLE: columns, PARTITION BY, CLUSTER BY and OPTIONS as REST properties.

Decides which table options the sandbox keeps. An option that it does not know is refused rather than dropped, so
that nobody believes an expiration was set when it was not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlglot import exp

from bq_sandbox.constants import moment
from bq_sandbox.fields import Field
from bq_sandbox.refusals import invalid_query

_TYPES = {
    exp.DataType.Type.BIGINT: "INTEGER",
    exp.DataType.Type.INT: "INTEGER",
    exp.DataType.Type.DOUBLE: "FLOAT",
    exp.DataType.Type.FLOAT: "FLOAT",
    exp.DataType.Type.BOOLEAN: "BOOLEAN",
    exp.DataType.Type.TEXT: "STRING",
    exp.DataType.Type.BINARY: "BYTES",
    exp.DataType.Type.VARBINARY: "BYTES",
    exp.DataType.Type.DATE: "DATE",
    exp.DataType.Type.TIME: "TIME",
    exp.DataType.Type.DATETIME: "DATETIME",
    exp.DataType.Type.TIMESTAMP: "DATETIME",
    exp.DataType.Type.TIMESTAMPTZ: "TIMESTAMP",
    exp.DataType.Type.DECIMAL: "NUMERIC",
    exp.DataType.Type.BIGDECIMAL: "BIGNUMERIC",
    exp.DataType.Type.JSON: "JSON",
    exp.DataType.Type.GEOGRAPHY: "GEOGRAPHY",
}


def fields_of(schema: exp.Schema) -> list[Field]:
    """The column list as REST fields."""
    return [_field(item) for item in schema.expressions if isinstance(item, exp.ColumnDef)]


def _field(column: exp.ColumnDef) -> Field:
    kind = column.args["kind"]
    constraints = [c.args.get("kind") for c in column.args.get("constraints") or []]
    required = any(isinstance(c, exp.NotNullColumnConstraint) for c in constraints)
    field = _typed(column.name, kind, "REQUIRED" if required else "NULLABLE")
    for constraint in constraints:
        if isinstance(constraint, exp.Properties):
            options = {p.name.lower(): p.args["value"] for p in constraint.expressions}
            if "description" in options:
                field["description"] = options["description"].name
    return field


def _typed(name: str, kind: exp.DataType, mode: str) -> Field:
    if kind.this is exp.DataType.Type.ARRAY:
        return _typed(name, kind.expressions[0], "REPEATED")
    if kind.this is exp.DataType.Type.STRUCT:
        members = [_field(member) for member in kind.expressions]
        return {"name": name, "type": "RECORD", "mode": mode, "fields": members}
    if kind.this not in _TYPES:
        raise invalid_query(f"Type not found: {kind.sql('bigquery')}")
    return {"name": name, "type": _TYPES[kind.this], "mode": mode}


def options_of(tree: exp.Create) -> tuple[dict[str, Any], int | None]:
    """REST details and expiration of a CREATE statement."""
    details: dict[str, Any] = {}
    expires: int | None = None
    properties = tree.args.get("properties")
    for item in properties.expressions if properties else []:
        match item:
            case exp.PartitionedByProperty():
                details["timePartitioning"] = _partitioning(item.this)
            case exp.ClusterProperty():
                details["clustering"] = {"fields": [e.name for e in item.expressions]}
            case exp.Property() if "value" in item.args:
                expires = _option(details, item.name.lower(), item.args["value"], expires)
            case _:
                raise invalid_query(f"The sandbox does not know {item.sql('bigquery')}")
    return details, expires


def _partitioning(node: exp.Expression) -> dict[str, str]:
    unit = node.args.get("unit")
    column = node.find(exp.Column, exp.Identifier)
    if column is None:
        raise invalid_query("PARTITION BY must name a column")
    return {"type": unit.name.upper() if unit is not None else "DAY", "field": column.name}


def _option(details: dict[str, Any], name: str, value: exp.Expression, expires: int | None) -> int | None:
    if name in {"description", "friendly_name"}:
        details["friendlyName" if name == "friendly_name" else name] = value.name
    elif name == "labels" and isinstance(value, exp.Array):
        pairs = [tuple(part.name for part in item.expressions) for item in value.expressions]
        details["labels"] = dict(pairs)
    elif name == "expiration_timestamp":
        return _expiration(value)
    else:
        raise invalid_query(f"Unknown option: {name}")
    return expires


def _expiration(value: exp.Expression) -> int | None:
    if isinstance(value, exp.Null):
        return None
    when = moment(value)
    if when is None:
        raise invalid_query("expiration_timestamp must be a constant timestamp")
    if not isinstance(when, datetime):
        when = datetime(when.year, when.month, when.day)
    return int(when.replace(tzinfo=UTC).timestamp() * 1000)
