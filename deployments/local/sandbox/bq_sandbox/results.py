"""Results on disk: one Parquet file per job that returned rows.

Decides that rows are final once their file has its name: they are written beside it, flushed, then renamed. Columns
are brought to the types that the job's schema announces. Files are the sandbox's own affair: no query can name one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bq_sandbox.fields import Field, arrow_schema
from bq_sandbox.refusals import Refusal

_LIFETIME_S = 24 * 3600
_ROW_GROUP = 20_000


class Results:
    """The folder of result files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        for leftover in folder.glob("*.writing"):
            leftover.unlink()

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.parquet"

    def write(self, job_id: str, batches: pa.RecordBatchReader, fields: list[Field]) -> int:
        """Store a result; answers its number of rows."""
        schema, rows = arrow_schema(fields), 0
        pending = self._path(job_id).with_suffix(".writing")
        with pending.open("wb") as file:
            with pq.ParquetWriter(file, schema) as writer:
                for batch in batches:
                    table = _conform(batch, schema)
                    writer.write_table(table, row_group_size=_ROW_GROUP)
                    rows += table.num_rows
            file.flush()
            os.fsync(file.fileno())
        pending.replace(self._path(job_id))
        return rows

    def page(self, job_id: str, start: int, limit: int) -> list[dict[str, Any]]:
        """Some rows of a stored result, or `notFound` once it has expired."""
        path = self._path(job_id)
        if not path.exists():
            raise Refusal("notFound", "Not found: the job's result has expired")
        rows: list[dict[str, Any]] = []
        with pq.ParquetFile(path) as file:
            seen = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if seen + size > start and seen < start + limit:
                    low, high = max(0, start - seen), min(size, start + limit - seen)
                    rows.extend(file.read_row_group(group).slice(low, high - low).to_pylist())
                seen += size
        return rows

    def table(self, job_id: str) -> pa.Table:
        """A whole stored result."""
        return pq.read_table(self._path(job_id))

    def exists(self, job_id: str) -> bool:
        """Whether a result is still stored."""
        return self._path(job_id).exists()

    def delete(self, job_id: str) -> None:
        """Remove a result, if it is there."""
        self._path(job_id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove results older than a day, as BigQuery's anonymous tables are."""
        horizon = time.time() - _LIFETIME_S
        for path in self._folder.glob("*.parquet"):
            if path.stat().st_mtime < horizon:
                path.unlink(missing_ok=True)


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)
