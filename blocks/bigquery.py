"""BigQuery behind the core's `Warehouse` port, through the official client.

The client's own retries are switched off everywhere: with them a statement can run twice under two ids. Whoever
calls owns the retry. Results are read over REST; the Storage API is not used.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any

from google.api_core import exceptions as google
from google.cloud import bigquery

from blocks.bigquery_errors import job_failure, translate
from bq_copilot.catalog import Table
from bq_copilot.errors import CopilotError, Refused
from bq_copilot.gate.verdict import Parameter
from bq_copilot.identity import label
from bq_copilot.ports import DryRun, JobSpec, JobView, Page
from bq_copilot.values import ResultColumn

ONCE: Any = None
"""No retry of the client's own; its annotations leave out that None means this."""

FINGERPRINT = "bqc_fingerprint"
"""The job label that carries what was submitted, for comparison at adoption."""


class BigQueryWarehouse:
    """The Warehouse port over `google.cloud.bigquery.Client`."""

    def __init__(
        self,
        client: bigquery.Client | Callable[[], bigquery.Client],
        *,
        scratch: str,
        scratch_days: float,
        call_timeout: float,
        principal: str = "",
        writes: bool = True,
        executing: Callable[[str], BigQueryWarehouse] | None = None,
    ) -> None:
        self._given = client
        self._timeout = call_timeout
        self._scratch_days = scratch_days
        self.scratch = scratch
        """`project.dataset` that result tables are written to."""
        self.principal = principal
        """Who sends the requests of this adapter."""
        self.writes = writes
        """False for an account that only plans: it is never asked to write, and would refuse."""
        self._executing = executing
        self._acting: dict[str, BigQueryWarehouse] = {}

    @cached_property
    def _client(self) -> bigquery.Client:
        """The client, built when the first call needs it: until then this process holds no credential for it."""
        return self._given() if callable(self._given) else self._given

    def acting_for(self, requester: str) -> BigQueryWarehouse:
        """Return the adapter that runs this requester's approved jobs. Raises Refused when nobody may."""
        if self._executing is None:
            return self
        if requester not in self._acting:
            self._acting[requester] = self._executing(requester)
        return self._acting[requester]

    @property
    def project(self) -> str:
        """Project that runs the jobs."""
        return self._client.project

    @property
    def location(self) -> str:
        """Location of every job."""
        return self._client.location or "US"

    def prepare(self) -> None:
        """Create the scratch dataset if it is missing; its tables expire by themselves.

        Looked at first: an account that may write tables there need not be one that may create datasets.
        """
        try:
            self.describe_dataset(self.scratch)
            return
        except CopilotError as error:
            if not isinstance(error.__cause__, google.NotFound):
                raise
        dataset = bigquery.Dataset(self.scratch)
        dataset.location = self.location
        dataset.default_table_expiration_ms = int(self._scratch_days * 86_400_000)
        try:
            self._client.create_dataset(dataset, exists_ok=True, retry=ONCE, timeout=self._timeout)
        except Exception as error:
            raise translate(error, f"creating dataset {self.scratch}") from error

    def describe_dataset(self, dataset: str) -> dict[str, Any]:
        """Return a dataset as BigQuery shows it to this account."""
        try:
            return dict(self._client.get_dataset(dataset, retry=ONCE, timeout=self._timeout).to_api_repr())
        except Exception as error:
            raise translate(error, f"looking at dataset {dataset}") from error

    def list_tables(self, dataset: str) -> list[str]:
        """Return the ids of everything in `project.dataset`."""
        try:
            found = self._client.list_tables(dataset, retry=ONCE, timeout=self._timeout)
            return sorted(f"{t.project}.{t.dataset_id}.{t.table_id}" for t in found)
        except Exception as error:
            raise translate(error, f"listing {dataset}") from error

    def describe_table(self, table: str) -> Table:
        """Return schema, sizes, partitioning and tags of one table."""
        try:
            found = self._client.get_table(table, retry=ONCE, timeout=self._timeout)
        except Exception as error:
            raise translate(error, f"describing {table}") from error
        return Table.from_resource(found.to_api_repr())

    def modified_ms(self, table: str) -> int | None:
        """Return when a plain table last changed; None for views and for rows that are still being streamed in."""
        try:
            found = self._client.get_table(table, retry=ONCE, timeout=self._timeout)
        except google.NotFound:
            return None
        except Exception as error:
            raise translate(error, f"describing {table}") from error
        settled = found.table_type == "TABLE" and found.streaming_buffer is None and found.modified is not None
        return int(found.modified.timestamp() * 1000) if settled and found.modified else None

    def dry_run(self, sql: str, parameters: Sequence[Parameter]) -> DryRun:
        """Price a statement without running it."""
        config = self._config(parameters, dry_run=True)
        try:
            job = self._client.query(sql, config, retry=ONCE, job_retry=ONCE, timeout=self._timeout)
        except Exception as error:
            raise translate(error, "the dry run") from error
        return _dry_run(job._properties)

    def insert(self, spec: JobSpec) -> JobView:
        """Submit once under the id of `spec`. Raises Refused for a result table that this account shall not write."""
        config = self._config(spec.parameters)
        if spec.destination:
            self._may_write(spec.destination)
            config.destination = spec.destination
            config.write_disposition = "WRITE_EMPTY"
        config.maximum_bytes_billed = spec.maximum_bytes_billed
        config.job_timeout_ms = spec.timeout_ms
        config.labels = {**dict(spec.labels), FINGERPRINT: label(spec.fingerprint)}
        try:
            job = self._client.query(
                spec.sql, config, job_id=spec.job_id, retry=ONCE, job_retry=ONCE, timeout=self._timeout
            )
        except Exception as error:
            raise translate(error, f"submitting {spec.job_id}", submitting=True) from error
        return _view(job._properties)

    def job(self, job_id: str) -> JobView | None:
        """Return the job of this id, None when the warehouse does not know it."""
        try:
            job = self._client.get_job(job_id, location=self.location, retry=ONCE, timeout=self._timeout)
        except google.NotFound:
            return None
        except Exception as error:
            raise translate(error, f"looking up {job_id}") from error
        return _view(job._properties)

    def cancel(self, job_id: str) -> None:
        """Ask the warehouse to stop the job."""
        try:
            self._client.cancel_job(job_id, location=self.location, retry=ONCE, timeout=self._timeout)
        except google.NotFound:
            return
        except Exception as error:
            raise translate(error, f"cancelling {job_id}") from error

    def drop(self, table: str) -> bool:
        """Remove a table of the scratch dataset; False when it is not there. Raises Refused for any other table."""
        if table.rpartition(".")[0] != self.scratch:
            raise Refused(f"{table} is not in {self.scratch}; it is left alone.", code="not_scratch")
        self._may_write(table)
        try:
            self._client.delete_table(table, retry=ONCE, timeout=self._timeout)
        except google.NotFound:
            return False
        except Exception as error:
            raise translate(error, f"dropping {table}") from error
        return True

    def page(self, job_id: str, rows: int) -> Page:
        """Return at most `rows` rows of a finished job's result table."""
        try:
            job = self._client.get_job(job_id, location=self.location, retry=ONCE, timeout=self._timeout)
            table: Any = getattr(job, "destination", None)
            found = self._client.list_rows(table, max_results=rows, retry=ONCE, timeout=self._timeout)
            values = tuple(tuple(_json(v) for v in row.values()) for row in found)
        except Exception as error:
            raise translate(error, f"reading the result of {job_id}") from error
        columns = tuple(ResultColumn(name=f.name, type=_type(f)) for f in found.schema)
        return Page(columns, values, found.total_rows or len(values))

    def _may_write(self, table: str) -> None:
        if not self.writes:
            raise Refused(f"{self.principal} only plans; it does not write {table}.", code="reading_account")

    def _config(self, parameters: Sequence[Parameter], *, dry_run: bool = False) -> bigquery.QueryJobConfig:
        config = bigquery.QueryJobConfig(use_legacy_sql=False, dry_run=dry_run)
        if dry_run:
            config.use_query_cache = False
        config.query_parameters = [_parameter(p) for p in parameters]
        return config


def _parameter(parameter: Parameter) -> bigquery.ScalarQueryParameter:
    value: Any = parameter.value
    return bigquery.ScalarQueryParameter(parameter.name or None, parameter.type, value)


def _dry_run(properties: Mapping[str, Any]) -> DryRun:
    query = properties.get("statistics", {}).get("query", {})
    total = query.get("totalBytesProcessed")
    tables = query.get("referencedTables")
    fields = query.get("schema", {}).get("fields")
    return DryRun(
        statement_type=query.get("statementType"),
        bytes=None if total is None else int(total),
        accuracy=query.get("totalBytesProcessedAccuracy"),
        tables=None if tables is None else tuple(sorted(_table_id(t) for t in tables)),
        columns=None if fields is None else tuple(_result_column(f) for f in fields),
    )


def _result_column(field: Mapping[str, Any]) -> ResultColumn:
    repeated = field.get("mode") == "REPEATED"
    kind = str(field.get("type", ""))
    return ResultColumn(name=str(field.get("name", "")), type=f"ARRAY<{kind}>" if repeated else kind)


def _table_id(reference: Mapping[str, Any]) -> str:
    return ".".join(str(reference[k]) for k in ("projectId", "datasetId", "tableId"))


def _view(properties: Mapping[str, Any]) -> JobView:
    status = properties.get("status", {})
    statistics = properties.get("statistics", {})
    query = statistics.get("query", {})
    failure, retryable = job_failure(status.get("errorResult"))
    state = str(status.get("state", "PENDING"))
    return JobView(
        job_id=str(properties["jobReference"]["jobId"]),
        state=state,
        fingerprint=properties.get("configuration", {}).get("labels", {}).get(FINGERPRINT, ""),
        ok=state == "DONE" and failure is None,
        bytes_processed=int(query.get("totalBytesProcessed") or 0),
        bytes_billed=int(query.get("totalBytesBilled") or 0),
        cache_hit=bool(query.get("cacheHit", False)),
        milliseconds=max(0, int(statistics.get("endTime") or 0) - int(statistics.get("startTime") or 0)),
        failure=failure,
        retryable=retryable,
        tables=tuple(sorted(_table_id(t) for t in query.get("referencedTables", []))),
        statement_type=str(query.get("statementType", "")),
        destination=_destination(properties),
        created_ms=int(statistics.get("creationTime") or 0),
    )


def _destination(properties: Mapping[str, Any]) -> str:
    named = properties.get("configuration", {}).get("query", {}).get("destinationTable")
    return _table_id(named) if named else ""


def _type(field: bigquery.SchemaField) -> str:
    return f"ARRAY<{field.field_type}>" if field.mode == "REPEATED" else str(field.field_type)


def _json(value: Any) -> Any:
    """Return a cell as a JSON value; numbers that a double would round stay text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return _decimal(value)
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(k): _json(v) for k, v in value.items()}
        case list() | tuple():
            return [_json(v) for v in value]
        case _:
            return str(value)


def _decimal(value: Decimal) -> int | float | str:
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    return float(value) if len(value.normalize().as_tuple().digits) <= 15 else format(value, "f")
