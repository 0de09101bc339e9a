"""Datasets and tables: what exists, what it looks like, when it expires.

Decides the answer to "is there such a table". Entries are kept in memory and written through to the registry
schema by the same transaction that writes the rows, so a table and its entry cannot disagree after a crash. An
expired table is gone for every reader from its deadline on, whenever its storage is swept.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from bq_sandbox.fields import Field
from bq_sandbox.names import LOCATION, PROJECT, TableName, quoted, schema_of
from bq_sandbox.refusals import Refusal
from bq_sandbox.sizes import Sizes, sizes_from_json
from bq_sandbox.warehouse import REGISTRY_SCHEMA, Warehouse

EMPTY = Sizes((), {})


def now_ms() -> int:
    """Milliseconds since 1970, the clock of every resource."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class TableEntry:
    """A table or view. `details` holds the REST properties that the sandbox stores without acting on them."""

    name: TableName
    fields: tuple[Field, ...]
    view_sql: str | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    expires_ms: int | None = None
    created_ms: int = field(default_factory=now_ms)
    modified_ms: int = field(default_factory=now_ms)
    sizes: Sizes = EMPTY

    @property
    def partition_field(self) -> str | None:
        """The column that partitions the table, if one does."""
        return (self.details.get("timePartitioning") or {}).get("field")

    @property
    def partition_unit(self) -> str:
        """HOUR, DAY, MONTH or YEAR; hours are kept by day."""
        unit = (self.details.get("timePartitioning") or {}).get("type", "DAY")
        return "DAY" if unit == "HOUR" else unit

    def as_json(self) -> str:
        """The form kept in the registry."""
        body = {
            "fields": list(self.fields),
            "view_sql": self.view_sql,
            "details": self.details,
            "expires_ms": self.expires_ms,
            "created_ms": self.created_ms,
            "modified_ms": self.modified_ms,
            "sizes": self.sizes.as_json(),
        }
        return json.dumps(body)


def entry_from_json(name: TableName, text: str) -> TableEntry:
    """Read back what `as_json` wrote."""
    body = json.loads(text)
    sizes = sizes_from_json(body.pop("sizes"))
    return TableEntry(name=name, fields=tuple(body.pop("fields")), sizes=sizes, **body)


class Catalog:
    """All datasets and tables of the one project."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.RLock()
        self._datasets: dict[str, dict[str, Any]] = {}
        self._tables: dict[TableName, TableEntry] = {}
        with warehouse.reading() as cursor:
            for dataset, text in cursor.execute(f"FROM {REGISTRY_SCHEMA}.datasets").fetchall():
                self._datasets[dataset] = json.loads(text)
            for dataset, table, text in cursor.execute(f"FROM {REGISTRY_SCHEMA}.tables").fetchall():
                name = TableName(PROJECT, dataset, table)
                self._tables[name] = entry_from_json(name, text)

    def datasets(self) -> list[dict[str, Any]]:
        """Every dataset, by name."""
        with self._lock:
            return [self._datasets[name] for name in sorted(self._datasets)]

    def dataset(self, dataset: str) -> dict[str, Any]:
        """One dataset, or `notFound`."""
        with self._lock:
            if dataset not in self._datasets:
                raise Refusal("notFound", f"Not found: Dataset {PROJECT}:{dataset}")
            return self._datasets[dataset]

    def create_dataset(self, dataset: str, properties: dict[str, Any]) -> dict[str, Any]:
        """Make a dataset, or `duplicate`."""
        with self._lock:
            if dataset in self._datasets:
                raise Refusal("duplicate", f"Already Exists: Dataset {PROJECT}:{dataset}")
            stamp = str(now_ms())
            resource = {"location": LOCATION, **properties, "creationTime": stamp, "lastModifiedTime": stamp}
            self._store_dataset(dataset, resource)
            return resource

    def update_dataset(self, dataset: str, properties: dict[str, Any]) -> dict[str, Any]:
        """Change some of a dataset's properties; null removes one."""
        with self._lock:
            merged = {**self.dataset(dataset), **properties, "lastModifiedTime": str(now_ms())}
            resource = {k: v for k, v in merged.items() if v is not None}
            self._store_dataset(dataset, resource)
            return resource

    def _store_dataset(self, dataset: str, resource: dict[str, Any]) -> None:
        with self._warehouse.reading() as cursor, self._warehouse.transaction(cursor):
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema_of(dataset))}")
            cursor.execute(f"DELETE FROM {REGISTRY_SCHEMA}.datasets WHERE dataset = ?", [dataset])
            cursor.execute(f"INSERT INTO {REGISTRY_SCHEMA}.datasets VALUES (?, ?)", [dataset, json.dumps(resource)])
        self._datasets[dataset] = resource

    def delete_dataset(self, dataset: str, *, contents: bool) -> None:
        """Remove a dataset; one with tables only when `contents` says so."""
        with self._lock:
            self.dataset(dataset)
            if self.tables(dataset) and not contents:
                raise Refusal("resourceInUse", f"Dataset {PROJECT}:{dataset} is still in use")
            with self._warehouse.reading() as cursor, self._warehouse.transaction(cursor):
                cursor.execute(f"DROP SCHEMA IF EXISTS {quoted(schema_of(dataset))} CASCADE")
                cursor.execute(f"DELETE FROM {REGISTRY_SCHEMA}.tables WHERE dataset = ?", [dataset])
                cursor.execute(f"DELETE FROM {REGISTRY_SCHEMA}.datasets WHERE dataset = ?", [dataset])
            del self._datasets[dataset]
            self._tables = {n: e for n, e in self._tables.items() if n.dataset != dataset}

    def tables(self, dataset: str) -> list[TableEntry]:
        """A dataset's living tables, by name."""
        with self._lock:
            entries = [e for n, e in self._tables.items() if n.dataset == dataset and not _expired(e)]
            return sorted(entries, key=lambda entry: entry.name.table)

    def find(self, name: TableName) -> TableEntry | None:
        """A living table, or nothing."""
        with self._lock:
            entry = self._tables.get(name)
            return None if entry is None or _expired(entry) else entry

    def table(self, name: TableName) -> TableEntry:
        """A living table, or `notFound`."""
        entry = self.find(name)
        if entry is None:
            self.dataset(name.dataset)
            raise Refusal("notFound", f"Not found: Table {name.legacy}")
        return entry

    def count(self) -> int:
        """How many tables and views live."""
        with self._lock:
            return sum(not _expired(entry) for entry in self._tables.values())

    def stage(self, cursor: duckdb.DuckDBPyConnection, entry: TableEntry) -> TableEntry:
        """Write an entry inside the caller's transaction. Call `publish` with the result after the commit."""
        name, dataset = entry.name, self.dataset(entry.name.dataset)
        if entry.expires_ms is None and self.find(name) is None and "defaultTableExpirationMs" in dataset:
            entry = replace(entry, expires_ms=entry.created_ms + int(dataset["defaultTableExpirationMs"]))
        self.stage_removal(cursor, name)
        cursor.execute(
            f"INSERT INTO {REGISTRY_SCHEMA}.tables VALUES (?, ?, ?)",
            [name.dataset, name.table, entry.as_json()],
        )
        return entry

    def stage_removal(self, cursor: duckdb.DuckDBPyConnection, name: TableName) -> None:
        """Remove an entry inside the caller's transaction. Call `forget` after the commit."""
        cursor.execute(
            f"DELETE FROM {REGISTRY_SCHEMA}.tables WHERE dataset = ? AND table_id = ?",
            [name.dataset, name.table],
        )

    def publish(self, entry: TableEntry) -> None:
        """Let readers see a committed entry."""
        with self._lock:
            self._tables[entry.name] = entry

    def forget(self, name: TableName) -> None:
        """Let readers no longer see a removed entry."""
        with self._lock:
            self._tables.pop(name, None)

    def save(self, entry: TableEntry) -> TableEntry:
        """Write and publish an entry whose rows do not change."""
        with self._warehouse.reading() as cursor:
            with self._warehouse.transaction(cursor):
                entry = self.stage(cursor, entry)
            self.publish(entry)
        return entry

    def remove(self, name: TableName) -> None:
        """Drop a table or view with its storage."""
        with self._warehouse.reading() as cursor:
            with self._warehouse.transaction(cursor):
                self._warehouse.drop(cursor, schema_of(name.dataset), name.table)
                self.stage_removal(cursor, name)
            self.forget(name)

    def sweep(self) -> int:
        """Drop the storage of expired tables; answers how many there were."""
        with self._lock:
            gone = [name for name, entry in self._tables.items() if _expired(entry)]
        for name in gone:
            self.remove(name)
        return len(gone)


def _expired(entry: TableEntry) -> bool:
    return entry.expires_ms is not None and entry.expires_ms <= now_ms()
