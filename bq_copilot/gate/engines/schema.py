"""Translates our catalog into the analyzer's: every table under its full name, families under their pattern.

Decides type names only. Tables outside the policy are translated too: whether a table is allowed is L3's question,
and an analyzer that does not know it could not disagree.
"""

from __future__ import annotations

from typing import Any

from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.gate.engines import messages
from bq_copilot.gate.lexer import tokenize

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


def named_in(sql: str, catalog: Catalog) -> Catalog:
    """Return the part of a large catalog whose table names occur in the text; the rest could not be found by it."""
    words = {part.casefold() for token in tokenize(sql) for part in token.text.strip("`").split(".")}
    families = tuple(f for f in catalog.families if f.pattern in sql)
    wanted = {f.schema_of for f in families}
    tables = tuple(t for t in catalog.tables if t.id in wanted or t.id.rsplit(".", 1)[1].casefold() in words)
    return Catalog(tables=tables, families=families, default_project=catalog.default_project)


def translated(catalog: Catalog, language: Any) -> Any:
    """Return the analyzer's catalog message."""
    message: Any = messages.catalogs().SimpleCatalogProto(name="gate")
    message.builtin_function_options.language_options.CopyFrom(language)
    _add_functions(message)
    projects = _Folders(message)
    for table in catalog.tables:
        project, dataset, name = table.id.split(".", 2)
        _add(message, table.id, table.id, table)
        _add(projects.inside(project, dataset), name, table.id, table)
        if project == catalog.default_project:
            _add(projects.inside(dataset), name, table.id, table)
    for family in catalog.families:
        schema = catalog.table(family.schema_of)
        if schema is not None:
            _add(message, family.pattern, family.pattern, schema, suffix=True)
    return message


def _add_functions(message: Any) -> None:
    """Declare the few functions that BigQuery has and the analyzer's own list lacks."""
    any_1, any_2 = (messages.functions().SignatureArgumentKind.Value(f"ARG_TYPE_ANY_{n}") for n in (1, 2))
    fixed = messages.functions().SignatureArgumentKind.Value("ARG_TYPE_FIXED")
    modes = messages.functions().FunctionEnums.Mode
    for name in ("CONTAINS_SUBSTR", "SEARCH"):
        made: Any = message.custom_function.add(name_path=[name], group="bigquery", mode=modes.Value("SCALAR"))
        signature: Any = made.signature.add()
        signature.argument.add(kind=any_1, num_occurrences=1)
        signature.argument.add(kind=fixed, num_occurrences=1).type.CopyFrom(_simple("STRING"))
        signature.return_type.kind = fixed
        signature.return_type.type.CopyFrom(_simple("BOOL"))
    for name in ("MAX_BY", "MIN_BY"):
        made = message.custom_function.add(name_path=[name], group="bigquery", mode=modes.Value("AGGREGATE"))
        signature = made.signature.add()
        signature.argument.add(kind=any_1, num_occurrences=1)
        signature.argument.add(kind=any_2, num_occurrences=1)
        signature.return_type.kind = any_1


class _Folders:
    """Catalogs inside catalogs, so that `p.d.t` resolves as three names as well as one."""

    def __init__(self, root: Any) -> None:
        self._known: dict[tuple[str, ...], Any] = {(): root}

    def inside(self, *path: str) -> Any:
        """Return the catalog at a path, made when it is not there."""
        if path not in self._known:
            self._known[path] = self.inside(*path[:-1]).catalog.add(name=path[-1])
        return self._known[path]


def _add(message: Any, name: str, full_name: str, table: Table, *, suffix: bool = False) -> None:
    entry: Any = message.table.add(name=name, full_name=full_name)
    for column in table.columns:
        added: Any = entry.column.add(name=column.name)
        added.type.CopyFrom(_type(column))
    if suffix:
        pseudo: Any = entry.column.add(name="_TABLE_SUFFIX", is_pseudo_column=True)
        pseudo.type.CopyFrom(_simple("STRING"))


def _type(column: Column, *, inside: bool = False) -> Any:
    if column.mode == "REPEATED" and not inside:
        array: Any = messages.types().TypeProto(type_kind=_kind("TYPE_ARRAY"))
        array.array_type.element_type.CopyFrom(_type(column, inside=True))
        return array
    if column.fields:
        struct: Any = messages.types().TypeProto(type_kind=_kind("TYPE_STRUCT"))
        for field in column.fields:
            added: Any = struct.struct_type.field.add(field_name=field.name)
            added.field_type.CopyFrom(_type(field))
        return struct
    if column.type.startswith("RANGE<"):
        span: Any = messages.types().TypeProto(type_kind=_kind("TYPE_RANGE"))
        span.range_type.element_type.CopyFrom(_simple(column.type[6:-1]))
        return span
    return _simple(column.type)


def declared(kind: str) -> Any:
    """Return the type message of a parameter's type name (`INT64`, `ARRAY<STRING>`)."""
    name = kind.upper().replace(" ", "")
    if name.startswith("ARRAY<") and name.endswith(">"):
        return _type(Column(name="parameter", type=name[6:-1], mode="REPEATED"))
    return _simple(name if name.split("(")[0] in KINDS else "STRING")


def _simple(name: str) -> Any:
    """Return a plain type; one that BigQuery may add later counts as text, so calculating with it is refused."""
    return messages.types().TypeProto(type_kind=_kind(KINDS.get(name.split("(", maxsplit=1)[0], "TYPE_STRING")))


def _kind(name: str) -> Any:
    return messages.types().TypeKind.Value(name)
