"""Load jobs: an uploaded file of rows becomes a table.

Decides how a file is read: Parquet, newline-delimited JSON or CSV, by the table's schema if it has one, else by the
job's, else as the file shows (autodetect). The file is read here and not by the engine, which may open no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from bq_sandbox.catalog import Catalog
from bq_sandbox.execution import Running
from bq_sandbox.fields import Field, arrow_schema, type_of
from bq_sandbox.jobs import Registry
from bq_sandbox.names import table_from_reference
from bq_sandbox.refusals import Refusal
from bq_sandbox.warehouse import Warehouse
from bq_sandbox.wire_tables import STORED, checked_fields
from bq_sandbox.writing import Destination, write_rows

_FROM_ARROW = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_time, "TIME"),
    (pa.types.is_decimal, "NUMERIC"),
    (pa.types.is_binary, "BYTES"),
)


@dataclass(frozen=True)
class LoadWork:
    """Runs load jobs whose files lie in `folder` under the job's id."""

    warehouse: Warehouse
    catalog: Catalog
    registry: Registry
    folder: Path

    def __call__(self, running: Running) -> None:
        """Run the job to its end; raises what ends it badly."""
        job, load = running.job, running.job.configuration["load"]
        destination = Destination(
            table_from_reference(load.get("destinationTable") or {}),
            load.get("writeDisposition") or "WRITE_APPEND",
            load.get("createDisposition") or "CREATE_IF_NEEDED",
            {key: load[key] for key in STORED if load.get(key)} or None,
        )
        path = self.folder / job.job_id
        rows, fields = self._read(path, load, destination)
        with self.warehouse.transaction(running.cursor):
            entry = write_rows(running.cursor, self.catalog, destination, rows, fields)
            counted = {
                "outputRows": str(rows.num_rows),
                "inputFiles": "1",
                "inputFileBytes": str(path.stat().st_size),
                "outputBytes": str(rows.nbytes),
                "badRecords": "0",
            }
            ended = self.registry.get(job.job_id).finished(statistics=counted)
            self.registry.stage(running.cursor, ended)
        self.catalog.publish(entry)
        self.registry.publish(ended)
        path.unlink(missing_ok=True)

    def _read(self, path: Path, load: dict[str, Any], destination: Destination) -> tuple[pa.Table, list[Field]]:
        if not path.exists():
            raise Refusal("invalid", "The sandbox loads uploaded files only; the upload is not there")
        known = self.catalog.find(destination.name)
        given = checked_fields((load.get("schema") or {}).get("fields") or [])
        replace = destination.write == "WRITE_TRUNCATE"
        fields = given or (list(known.fields) if known is not None and not replace else [])
        try:
            table = _read_file(path, load, fields)
            fields = fields or [_field(f) for f in table.schema]
            return table.select([f["name"] for f in fields]).cast(arrow_schema(fields)), fields
        except (pa.ArrowException, KeyError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise Refusal("invalid", f"Error while reading data, error message: {reason}") from error


def _read_file(path: Path, load: dict[str, Any], fields: list[Field]) -> pa.Table:
    schema = arrow_schema(fields) if fields else None
    match load.get("sourceFormat") or "CSV":
        case "PARQUET":
            return pq.read_table(path)
        case "NEWLINE_DELIMITED_JSON":
            parsing = pa_json.ParseOptions(explicit_schema=_spelled(fields) if fields else None)
            return pa_json.read_json(path, parse_options=parsing)
        case "CSV":
            types = {f.name: f.type for f in schema} if schema is not None else None
            skip = int(load.get("skipLeadingRows") or 0)
            reading = pa_csv.ReadOptions(
                column_names=schema.names if schema is not None else None,
                skip_rows=skip if schema is not None else 0,
            )
            converting = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
            return pa_csv.read_csv(path, read_options=reading, convert_options=converting)
        case other:
            raise Refusal("invalid", f"The sandbox does not load {other}")


def _spelled(fields: list[Field]) -> pa.Schema:
    """The schema as JSON can spell it: dates, times, decimals and bytes are strings until they are cast."""
    return arrow_schema([_spelled_field(f) for f in fields])


def _spelled_field(field: Field) -> Field:
    if type_of(field) == "RECORD":
        return {**field, "fields": [_spelled_field(f) for f in field["fields"]]}
    return field if type_of(field) in {"INTEGER", "FLOAT", "BOOLEAN"} else {**field, "type": "STRING"}


def _field(field: pa.Field) -> Field:
    kind = field.type
    if pa.types.is_list(kind):
        return {**_field(pa.field(field.name, kind.value_type)), "mode": "REPEATED"}
    if pa.types.is_struct(kind):
        members = [_field(member) for member in kind]
        return {"name": field.name, "type": "RECORD", "mode": "NULLABLE", "fields": members}
    if pa.types.is_timestamp(kind):
        name = "TIMESTAMP" if kind.tz else "DATETIME"
    else:
        name = next((label for test, label in _FROM_ARROW if test(kind)), "STRING")
    made: Field = {"name": field.name, "type": name, "mode": "NULLABLE"}
    return {**made, "type": type_of(made)}
