"""Ask Google's analyzer what a statement over the acme catalog means.

Decides: whether a corpus statement is one that BigQuery's own grammar and types would accept, and
which tables it names. Never: the gate's verdict; nothing here imports the gate, so that a corpus
label and the code under test cannot share a mistake. Works on the raw protocol messages because the
package's Python model drops the catalog after every call; the compiled module is cached per user.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.resources
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wasmtime import Config, Engine, Linker, Module, Store, WasiConfig
from zetasql.core.exceptions import ZetaSQLError
from zetasql.core.wasm_client import WasmClient, get_tzinfo_dir
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2, simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import options_pb2 as language
from zetasql.wasi._pb2.zetasql.public import simple_table_pb2, type_pb2

SCHEMA = Path(__file__).with_name("acme.json")
NOT_IN_BIGQUERY = ("TEST_", "LATERAL_COLUMN", "ROW_TYPE", "SPANNER", "DISABLE_TEXTMAPPER", "PROTO_BASE")


class NotGoogleSQL(ValueError):
    """Google's analyzer refuses this text; the message is the analyzer's own."""


@dataclass(frozen=True)
class Analysis:
    """What the analyzer resolved: the statement's kind and its resolved tree."""

    kind: str
    tree: Any


class CachedClient(WasmClient):
    """The package's client, started from a precompiled module and with block copies of memory."""

    exports: Any
    memory: Any

    def __init__(self, wasm_path: str) -> None:  # the base class compiles for 15 s
        wasi = WasiConfig()
        wasi.inherit_stderr()
        if zones := get_tzinfo_dir():
            wasi.preopen_dir(zones, "/usr/share/zoneinfo")
        config = Config()
        config.shared_memory = True
        engine = Engine(config)
        self.store = Store(engine)
        self.store.set_wasi(wasi)
        self.module = _compiled(engine, Path(wasm_path))
        linker = Linker(engine)
        linker.define_wasi()
        self.instance = linker.instantiate(self.store, self.module)
        self.exports = self.instance.exports(self.store)
        self.exports["_initialize"](self.store)
        self.memory = self.exports["memory"]

    def _address(self, ptr: int) -> int:
        start = ctypes.cast(self.memory.data_ptr(), ctypes.c_void_p).value or 0
        return start + (ptr & 0xFFFFFFFF)  # wasm pointers are unsigned, Python sees them signed

    def write_bytes(self, ptr: int, data: bytes) -> None:
        ctypes.memmove(self._address(ptr), data, len(data))

    def read_bytes(self, ptr: int, size: int) -> bytes:
        return ctypes.string_at(self._address(ptr), size)


def _compiled(engine: Engine, wasm: Path) -> Module:
    stamp = f"{wasm}:{wasm.stat().st_size}:{importlib.resources.files('wasmtime')}"
    name = f"gate-corpus-{os.getuid()}-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.cwasm"
    path = Path(tempfile.gettempdir()) / name
    if path.exists() and path.stat().st_uid == os.getuid():
        return Module.deserialize_file(engine, str(path))
    module = Module.from_file(engine, str(wasm))
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(module.serialize())
    draft.replace(path)
    return module


class GoogleSQL:
    """Parse and analyze single statements against one catalog file."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._client = CachedClient(str(get_wasm_path()))
        self._options = self._language()
        request = service.RegisterCatalogRequest(simple_catalog=_catalog(schema, self._options))
        self._catalog = self._call("RegisterCatalog", request, service.RegisterResponse).registered_id

    def parse(self, sql: str) -> str:
        """Parse one statement and return its kind; raise NotGoogleSQL when it is not one."""
        request = service.ParseRequest(sql_statement=sql, options=self._options)
        return _kind(self._call("Parse", request, service.ParseResponse).parsed_statement)

    def analyze(self, sql: str, params: dict[str, str] | None = None) -> Analysis:
        """Resolve one statement; `params` maps a name (or, for `?`, an index) to its type's name."""
        options = options_pb2.AnalyzerOptionsProto(language_options=self._options, prune_unused_columns=True)
        options.default_timezone = "UTC"
        for name, kind in (params or {}).items():
            if name.isdigit():
                options.parameter_mode = language.PARAMETER_POSITIONAL
                options.positional_query_parameters.append(_type(kind, None, "NULLABLE"))
            else:
                options.query_parameters.add(name=name.lower(), type=_type(kind, None, "NULLABLE"))
        request = service.AnalyzeRequest(options=options, registered_catalog_id=self._catalog, sql_statement=sql)
        found = self._call("Analyze", request, service.AnalyzeResponse).resolved_statement
        return Analysis(_kind(found), found)

    def _language(self) -> Any:
        request = service.LanguageOptionsRequest(maximum_features=True)
        options = self._call("GetLanguageOptions", request, options_pb2.LanguageOptionsProto)
        kept = [
            feature
            for feature in options.enabled_language_features
            if not any(word in language.LanguageFeature.Name(feature) for word in NOT_IN_BIGQUERY)
        ]
        del options.enabled_language_features[:]
        options.enabled_language_features.extend(kept)
        options.product_mode = language.PRODUCT_EXTERNAL
        del options.supported_statement_kinds[:]  # an empty list supports every kind
        options.enabled_language_features.append(language.FEATURE_DIFFERENTIAL_PRIVACY)
        for word in {"QUALIFY", "GRAPH_TABLE"} - set(options.reserved_keywords):
            options.reserved_keywords.append(word)
        return options

    def _call(self, method: str, request: Any, response: type[Any]) -> Any:
        try:
            return self._client.call_grpc_func(f"ZetaSqlLocalService_{method}", request, response)
        except ZetaSQLError as error:
            raise NotGoogleSQL(str(error)) from error


@cache
def googlesql() -> GoogleSQL:
    """The analyzer for acme.json, one per process."""
    return GoogleSQL(json.loads(SCHEMA.read_text()))


def _kind(union: Any) -> str:
    while (slot := union.WhichOneof("node")) is not None:
        union = getattr(union, slot)
        if not any(oneof.name == "node" for oneof in union.DESCRIPTOR.oneofs):
            return slot.removesuffix("_node")
    return "nothing"


def _type(name: str, fields: list[dict[str, Any]] | None, mode: str) -> Any:
    kind: Any = type_pb2.TypeProto()
    if mode == "REPEATED":
        kind.type_kind = type_pb2.TYPE_ARRAY
        kind.array_type.element_type.CopyFrom(_type(name, fields, "NULLABLE"))
    elif name.startswith("ARRAY<"):
        return _type(name[6:-1], None, "REPEATED")
    elif name.startswith("RANGE<"):
        kind.type_kind = type_pb2.TYPE_RANGE
        kind.range_type.element_type.CopyFrom(_type(name[6:-1], None, "NULLABLE"))
    elif name == "STRUCT":
        kind.type_kind = type_pb2.TYPE_STRUCT
        for field in fields or []:
            inner = _type(field["type"], field.get("fields"), field["mode"])
            kind.struct_type.field.add(field_name=field["name"], field_type=inner)
    else:
        kind.type_kind = type_pb2.TypeKind.Value("TYPE_DOUBLE" if name == "FLOAT64" else f"TYPE_{name}")
    return kind


def _table(full: str, name: str, columns: list[dict[str, Any]], pseudo: tuple[str, ...]) -> Any:
    table = simple_table_pb2.SimpleTableProto(name=name, name_in_catalog=name, full_name=full)
    for column in columns:
        kind = _type(column["type"], column.get("fields"), column["mode"])
        table.column.add(name=column["name"], type=kind)
    for extra in pseudo:
        table.column.add(name=extra, type=_type("STRING", None, "NULLABLE"), is_pseudo_column=True)
    return table


def _catalog(schema: dict[str, Any], options: Any) -> Any:
    """Every spelling that BigQuery takes: parts quoted one by one, together, or without the project."""
    root = simple_catalog_pb2.SimpleCatalogProto(name="root")
    root.builtin_function_options.language_options.CopyFrom(options)
    tables = {name: (table["columns"], ()) for name, table in schema["tables"].items()}
    for family, spec in schema["wildcard_families"].items():
        prefix = family.removesuffix("*")
        for cut in range(prefix.rindex(".") + 2, len(prefix) + 2):
            tables[f"{prefix[: cut - 1]}*"] = (tables[spec["schema_of"]][0], tuple(spec["pseudo_columns"]))
        for extra in ("2025*", "202501*"):
            tables[f"{prefix}{extra}"] = (tables[spec["schema_of"]][0], tuple(spec["pseudo_columns"]))
    for full, (columns, pseudo) in tables.items():
        project, dataset, name = full.split(".")
        root.table.append(_table(full, full, columns, pseudo))
        root.table.append(_table(full, f"{dataset}.{name}", columns, pseudo))
        for path in ((project, dataset), (dataset,), (f"{project}.{dataset}",)):
            _folder(root, path).table.append(_table(full, name, columns, pseudo))
        _folder(root, (project,)).table.append(_table(full, f"{dataset}.{name}", columns, pseudo))
    return root


def _folder(root: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        found = next((child for child in root.catalog if child.name == part), None)
        root = found if found is not None else root.catalog.add(name=part)
    return root
