"""Writing rows and structure: destination tables, DML and DDL, each inside one transaction of the caller's.

Decides what a disposition means when the table is there or not. Nothing here commits: the caller stages the job's
end in the same transaction, so the effect and the record of it appear together or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from bq_sandbox.catalog import Catalog, TableEntry, now_ms
from bq_sandbox.fields import Field, duckdb_type
from bq_sandbox.names import TableName, quoted
from bq_sandbox.refusals import Refusal, invalid_query
from bq_sandbox.sizes import measure
from bq_sandbox.table_options import fields_of, options_of

Cursor = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Destination:
    """Where a query's rows go, and on which conditions."""

    name: TableName
    write: str = "WRITE_EMPTY"
    create: str = "CREATE_IF_NEEDED"
    details: dict[str, Any] | None = None
    expires_ms: int | None = None


def check_destination(catalog: Catalog, destination: Destination) -> TableEntry | None:
    """The table as it is, or nothing; refuses what the dispositions forbid."""
    catalog.dataset(destination.name.dataset)
    entry = catalog.find(destination.name)
    if entry is None and destination.create == "CREATE_NEVER":
        raise Refusal("notFound", f"Not found: Table {destination.name.legacy}")
    if entry is not None and entry.view_sql is not None:
        raise Refusal("invalid", f"{destination.name.legacy} is a view and cannot be written to")
    if entry is not None and destination.write == "WRITE_EMPTY" and entry.sizes.rows:
        raise Refusal("duplicate", f"Already Exists: Table {destination.name.legacy}")
    return entry


def write_rows(
    cursor: Cursor, catalog: Catalog, destination: Destination, rows: pa.Table, fields: list[Field]
) -> TableEntry:
    """Put a result into its destination. Call `catalog.publish` with the answer after the commit."""
    known = check_destination(catalog, destination)
    fresh = known is None or destination.write == "WRITE_TRUNCATE"
    if fresh:
        details = destination.details if destination.details is not None else (known.details if known else {})
        stored = [{k: v for k, v in f.items() if k != "mode" or v == "REPEATED"} for f in fields]
        expires = destination.expires_ms or (known.expires_ms if known else None)
        entry = TableEntry(destination.name, tuple(_nullable(stored)), details=details, expires_ms=expires)
        create_storage(cursor, entry)
    else:
        assert known is not None
        entry = known
    _insert(cursor, entry, rows)
    return stage_measured(cursor, catalog, entry)


def _nullable(fields: list[Field]) -> list[Field]:
    return [{"mode": "NULLABLE", **f} for f in fields]


def _insert(cursor: Cursor, entry: TableEntry, rows: pa.Table) -> None:
    view = "incoming_rows"
    stored = {f["name"].lower(): f for f in entry.fields}
    unknown = [name for name in rows.column_names if name.lower() not in stored]
    if unknown:
        raise Refusal("invalid", f"Provided Schema does not match Table {entry.name.legacy}: {unknown[0]}")
    columns = ", ".join(quoted(name) for name in rows.column_names)
    values = ", ".join(f"CAST({quoted(name)} AS {duckdb_type(stored[name.lower()])})" for name in rows.column_names)
    cursor.register(view, rows)
    try:
        cursor.execute(f"INSERT INTO {entry.name.duckdb} ({columns}) SELECT {values} FROM {view}")
    finally:
        cursor.unregister(view)


def create_storage(cursor: Cursor, entry: TableEntry) -> None:
    """An empty table of the entry's schema in place of whatever had its name."""
    columns = ", ".join(
        f"{quoted(f['name'])} {duckdb_type(f)}{' NOT NULL' if f.get('mode') == 'REQUIRED' else ''}"
        for f in entry.fields
    )
    cursor.execute(f"CREATE OR REPLACE TABLE {entry.name.duckdb} ({columns})")


def stage_measured(cursor: Cursor, catalog: Catalog, entry: TableEntry) -> TableEntry:
    """Weigh the table as the transaction sees it and stage its entry."""
    sizes = measure(cursor, entry.name.duckdb, list(entry.fields), entry.partition_field, entry.partition_unit)
    return catalog.stage(cursor, replace(entry, sizes=sizes, modified_ms=now_ms()))


def run_dml(cursor: Cursor, catalog: Catalog, sql: str, target: TableName) -> tuple[TableEntry, int]:
    """INSERT, UPDATE, DELETE or MERGE; answers the new entry and the rows touched."""
    row = cursor.execute(sql).fetchone()
    touched = int(row[0]) if row and isinstance(row[0], int) else 0
    return stage_measured(cursor, catalog, catalog.table(target)), touched


def truncate(cursor: Cursor, catalog: Catalog, target: TableName) -> TableEntry:
    """Remove all rows."""
    cursor.execute(f"DELETE FROM {target.duckdb}")
    return stage_measured(cursor, catalog, catalog.table(target))


def create_table(cursor: Cursor, catalog: Catalog, tree: exp.Create, target: TableName) -> TableEntry | None:
    """CREATE TABLE with a column list; nothing if it may and does exist."""
    catalog.dataset(target.dataset)
    if catalog.find(target) is not None and not tree.args.get("replace"):
        if tree.args.get("exists"):
            return None
        raise Refusal("duplicate", f"Already Exists: Table {target.legacy}")
    if not isinstance(tree.this, exp.Schema):
        raise invalid_query("CREATE TABLE needs a column list or AS")
    details, expires = options_of(tree)
    entry = TableEntry(target, tuple(fields_of(tree.this)), details=details, expires_ms=expires)
    create_storage(cursor, entry)
    return stage_measured(cursor, catalog, entry)
