"""Translates our catalog into the analyzer's: every table under its full name, families under their pattern.

Decides type names only. Tables outside the policy are translated too: whether a table is allowed is L3's question,
and an analyzer that does not know it could not disagree.
"""

from __future__ import annotations

from typing import Any

from zetasql.wasi._pb2.zetasql.proto import simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import type_pb2

from bq_copilot.catalog import Catalog, Column, Table

KINDS = {
    "INT64": "TYPE_INT64",
    "STRING": "TYPE_STRING",
    "BYTES": "TYPE_BYTES",
    "BOOL": "TYPE_BOOL",
    "FLOAT64": "TYPE_DOUBLE",
    "NUMERIC": "TYPE_NUMERIC",
    "BIGNUMERIC": "TYPE_BIGNUMERIC",
    "DATE": "TYPE_DATE",
    "DATETIME": "TYPE_DATETIME",
    "TIME": "TYPE_TIME",
    "TIMESTAMP": "TYPE_TIMESTAMP",
    "INTERVAL": "TYPE_INTERVAL",
    "JSON": "TYPE_JSON",
    "GEOGRAPHY": "TYPE_GEOGRAPHY",
}


def translated(catalog: Catalog, language: Any) -> Any:
    """Return the analyzer's catalog message."""
    message: Any = simple_catalog_pb2.SimpleCatalogProto(name="gate")
    message.builtin_function_options.language_options.CopyFrom(language)
    for table in catalog.tables:
        _add(message, table.id, table)
    for family in catalog.families:
        schema = catalog.table(family.schema_of)
        if schema is not None:
            _add(message, family.pattern, schema, suffix=True)
    return message


def _add(message: Any, name: str, table: Table, *, suffix: bool = False) -> None:
    entry: Any = message.table.add(name=name, serialization_id=len(message.table) + 1)
    for column in table.columns:
        added: Any = entry.column.add(name=column.name)
        added.type.CopyFrom(_type(column))
    if suffix:
        pseudo: Any = entry.column.add(name="_TABLE_SUFFIX", is_pseudo_column=True)
        pseudo.type.CopyFrom(_simple("STRING"))


def _type(column: Column, *, inside: bool = False) -> Any:
    if column.mode == "REPEATED" and not inside:
        array: Any = type_pb2.TypeProto(type_kind=_kind("TYPE_ARRAY"))
        array.array_type.element_type.CopyFrom(_type(column, inside=True))
        return array
    if column.fields:
        struct: Any = type_pb2.TypeProto(type_kind=_kind("TYPE_STRUCT"))
        for field in column.fields:
            added: Any = struct.struct_type.field.add(field_name=field.name)
            added.field_type.CopyFrom(_type(field))
        return struct
    if column.type.startswith("RANGE<"):
        span: Any = type_pb2.TypeProto(type_kind=_kind("TYPE_RANGE"))
        span.range_type.element_type.CopyFrom(_simple(column.type[6:-1]))
        return span
    return _simple(column.type)


def _simple(name: str) -> Any:
    return type_pb2.TypeProto(type_kind=_kind(KINDS[name.split("(")[0]]))


def _kind(name: str) -> Any:
    return type_pb2.TypeKind.Value(name)
