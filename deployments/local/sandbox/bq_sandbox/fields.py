"""Schemas: BigQuery's field lists to and from DuckDB's and Arrow's types.

Decides how each type is stored and how each result column is named on the wire. REST field lists (`name`, `type`,
`mode`, `fields`) are the sandbox's only schema form; everything else is derived from them.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from bq_sandbox.names import quoted
from bq_sandbox.refusals import Refusal

Field = dict[str, Any]

_TO_DUCKDB = {
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP",
    "NUMERIC": "DECIMAL(38, 9)",
    "BIGNUMERIC": "DECIMAL(38, 18)",
    "JSON": "JSON",
    "GEOGRAPHY": "VARCHAR",
    "INTERVAL": "INTERVAL",
}

_TO_ARROW = {
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "DATETIME": pa.timestamp("us"),
    "NUMERIC": pa.decimal128(38, 9),
    "BIGNUMERIC": pa.decimal128(38, 18),
    "JSON": pa.string(),
    "GEOGRAPHY": pa.string(),
    "INTERVAL": pa.string(),
}

_SYNONYMS = {
    "INT64": "INTEGER",
    "INT": "INTEGER",
    "BIGINT": "INTEGER",
    "FLOAT64": "FLOAT",
    "DOUBLE": "FLOAT",
    "BOOL": "BOOLEAN",
    "STRUCT": "RECORD",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
    "TEXT": "STRING",
    "VARCHAR": "STRING",
}

_SQL_NAMES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}

_FROM_DUCKDB = {
    "varchar": "STRING",
    "blob": "BYTES",
    "boolean": "BOOLEAN",
    "double": "FLOAT",
    "float": "FLOAT",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "DATETIME",
    "timestamp_s": "DATETIME",
    "timestamp_ms": "DATETIME",
    "timestamp_ns": "DATETIME",
    "timestamp with time zone": "TIMESTAMP",
    "json": "JSON",
    "uuid": "STRING",
    "enum": "STRING",
    "interval": "INTERVAL",
    "null": "INTEGER",
    '"null"': "INTEGER",
    "sqlnull": "INTEGER",
}


def type_of(field: Field) -> str:
    """The field's type by its REST name (INTEGER, FLOAT, RECORD, ...)."""
    name = str(field["type"]).upper()
    return _SYNONYMS.get(name, name)


def is_repeated(field: Field) -> bool:
    """Whether the field is an array."""
    return field.get("mode", "NULLABLE") == "REPEATED"


def duckdb_type(field: Field) -> str:
    """The DuckDB type that stores the field."""
    kind = type_of(field)
    if kind == "RECORD":
        inner = ", ".join(f"{quoted(f['name'])} {duckdb_type(f)}" for f in field["fields"])
        text = f"STRUCT({inner})"
    elif kind in _TO_DUCKDB:
        text = _TO_DUCKDB[kind]
    else:
        raise Refusal("invalid", f"Field {field['name']} has the unsupported type {kind}.")
    return f"{text}[]" if is_repeated(field) else text


def arrow_type(field: Field) -> pa.DataType:
    """The Arrow type in which the field's results are kept on disk."""
    kind = type_of(field)
    inner = pa.struct([(f["name"], arrow_type(f)) for f in field["fields"]]) if kind == "RECORD" else _TO_ARROW[kind]
    return pa.list_(inner) if is_repeated(field) else inner


def arrow_schema(fields: list[Field]) -> pa.Schema:
    """The Arrow schema of a whole result."""
    return pa.schema([(f["name"], arrow_type(f)) for f in fields])


def sql_type(field: Field) -> str:
    """The type as GoogleSQL spells it, for INFORMATION_SCHEMA and for static analysis."""
    kind = type_of(field)
    if kind == "RECORD":
        inner = ", ".join(f"{f['name']} {sql_type(f)}" for f in field["fields"])
        text = f"STRUCT<{inner}>"
    else:
        text = _SQL_NAMES.get(kind, kind)
    return f"ARRAY<{text}>" if is_repeated(field) else text


def field_from_duckdb(name: str, kind: duckdb.DuckDBPyType | Any) -> Field:
    """The REST field of a DuckDB result column."""
    label = kind.id
    if label in {"list", "array"}:
        return {**field_from_duckdb(name, kind.children[0][1]), "mode": "REPEATED"}
    if label == "struct":
        inner = [field_from_duckdb(n or f"_field_{i}", k) for i, (n, k) in enumerate(kind.children, 1)]
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": inner}
    return {"name": name, "type": _scalar(label, kind), "mode": "NULLABLE"}


def _scalar(label: str, kind: Any) -> str:
    if label in {"decimal"}:
        return "BIGNUMERIC" if dict(kind.children)["scale"] > 9 else "NUMERIC"
    if str(kind).upper() == "JSON":
        return "JSON"
    if label.endswith("int") or label in {"integer", "bigint"}:
        return "INTEGER"
    return _FROM_DUCKDB.get(label, "STRING")
