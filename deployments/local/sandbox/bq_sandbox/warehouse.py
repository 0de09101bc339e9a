"""The DuckDB file: how it is opened, sealed, and shared between jobs.

Decides what SQL can reach. After `seal` no connection can read or write host files, load extensions, see Python
variables as tables or undo any of it; the query fence (`references.py`) is the first lock and this is the second.
Each job works on a cursor of its own, so that one can be interrupted while the others go on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from bq_sandbox.engine_import import register_builtin_udfs
from bq_sandbox.names import quoted

REGISTRY_SCHEMA = "_sandbox"

# GoogleSQL has these, DuckDB or the translator gets them wrong: see `dialect.py`, which writes the calls.
# `time_bucket` keeps the type of its argument (DATE stays DATE) where `date_trunc` does not.
_MACROS = (
    "bqs_same(x) AS x",
    "bqs_int64(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') "
    "THEN CAST(round(TRY_CAST(x AS DOUBLE)) AS BIGINT) ELSE CAST(x AS BIGINT) END",
    "bqs_int64_or_null(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') "
    "THEN TRY_CAST(round(TRY_CAST(x AS DOUBLE)) AS BIGINT) ELSE TRY_CAST(x AS BIGINT) END",
    "bqs_numeric(x) AS CAST(x AS DECIMAL(38, 9))",
    "bqs_numeric_or_null(x) AS TRY_CAST(x AS DECIMAL(38, 9))",
    "bqs_bignumeric(x) AS CAST(x AS DECIMAL(38, 18))",
    "bqs_bignumeric_or_null(x) AS TRY_CAST(x AS DECIMAL(38, 18))",
    "bqs_without_nulls(x) AS list_filter(x, lambda item: item IS NOT NULL)",
    "bqs_trunc_day(x) AS time_bucket(INTERVAL '1 day', x)",
    "bqs_trunc_hour(x) AS time_bucket(INTERVAL '1 hour', x)",
    "bqs_trunc_minute(x) AS time_bucket(INTERVAL '1 minute', x)",
    "bqs_trunc_second(x) AS time_bucket(INTERVAL '1 second', x)",
    "bqs_trunc_month(x) AS time_bucket(INTERVAL '1 month', x)",
    "bqs_trunc_quarter(x) AS time_bucket(INTERVAL '3 months', x)",
    "bqs_trunc_year(x) AS time_bucket(INTERVAL '12 months', x)",
    *(f"bqs_trunc_week{day}(x) AS time_bucket(INTERVAL '7 days', x, DATE '2000-01-0{day + 2}')" for day in range(7)),
    "bqs_week(x, d) AS CAST((dayofyear(x) + 6 - ((dayofweek(x) - d + 7) % 7)) // 7 AS BIGINT)",
)

_TABLES = (
    "datasets(dataset VARCHAR, resource VARCHAR)",
    "tables(dataset VARCHAR, table_id VARCHAR, resource VARCHAR)",
    "job_log(job_id VARCHAR, seq BIGINT, body VARCHAR)",
)


class Warehouse:
    """One open DuckDB file. Not to be opened by two processes at once (DuckDB refuses that itself)."""

    def __init__(self, data_dir: Path) -> None:
        spill = data_dir / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        config = {"temp_directory": str(spill), "memory_limit": "4GB", "autoinstall_known_extensions": "false"}
        self._root = duckdb.connect(str(data_dir / "warehouse.duckdb"), config=config)
        self._root.execute("SET TimeZone = 'UTC'")
        self._cursor_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        register_builtin_udfs(self._root)
        self._create_registry()

    def _create_registry(self) -> None:
        self._root.execute(f"CREATE SCHEMA IF NOT EXISTS {REGISTRY_SCHEMA}")
        for table in _TABLES:
            self._root.execute(f"CREATE TABLE IF NOT EXISTS {REGISTRY_SCHEMA}.{table}")
        for macro in _MACROS:
            self._root.execute(f"CREATE OR REPLACE MACRO main.{macro}")

    def seal(self) -> None:
        """Close every way out of the file. Cannot be undone while the process lives."""
        for setting in (
            "python_enable_replacements = false",
            "autoload_known_extensions = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._root.execute(f"SET {setting}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same data; interrupting it interrupts nothing else."""
        with self._cursor_lock:
            return self._root.cursor()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A short-lived cursor."""
        cursor = self.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def transaction(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """All of the block's writes or none of them, on disk when the block ends."""
        cursor.execute("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            rollback(cursor)
            raise
        with self._commit_lock:
            cursor.execute("COMMIT")

    def drop(self, cursor: duckdb.DuckDBPyConnection, schema: str, table: str) -> None:
        """Remove a stored table if it is there."""
        cursor.execute(f"DROP TABLE IF EXISTS {quoted(schema)}.{quoted(table)}")

    def close(self) -> None:
        """Write everything to the main file and let go of it."""
        self._root.close()


def rollback(cursor: duckdb.DuckDBPyConnection) -> None:
    """Undo an open transaction; an interrupted or failed one may already be gone."""
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return
