"""Jobs: what one is, and the registry that remembers all of them.

Decides that a job id is used once, for ever, and that a job exists from the moment its acceptance is on disk. The
registry is an append-only log (the newest row of a job counts), so a row for "done" can be written by the same
transaction as the job's effect without ever conflicting with another writer.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import duckdb

from bq_sandbox.catalog import now_ms
from bq_sandbox.fields import Field
from bq_sandbox.names import PROJECT
from bq_sandbox.refusals import Refusal
from bq_sandbox.warehouse import REGISTRY_SCHEMA, Warehouse


@dataclass(frozen=True)
class Job:
    """One job as it stands. States are BigQuery's: PENDING, RUNNING, DONE."""

    job_id: str
    location: str
    user: str
    configuration: dict[str, Any]
    created_ms: int = field(default_factory=now_ms)
    state: str = "PENDING"
    started_ms: int | None = None
    ended_ms: int | None = None
    errors: tuple[dict[str, Any], ...] = ()
    fields: tuple[Field, ...] = ()
    total_rows: int | None = None
    has_result: bool = False
    processed: int = 0
    billed: int = 0
    cache_hit: bool = False
    result_of: str | None = None
    parent_id: str | None = None
    children: int = 0
    cancel_requested: bool = False
    statement_type: str = ""
    statistics: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self.state == "DONE"

    @property
    def query(self) -> dict[str, Any]:
        """Its query configuration; empty for a load."""
        return self.configuration.get("query", {})

    @property
    def result_id(self) -> str:
        """The job whose stored rows are this job's result."""
        return self.result_of or self.job_id

    def finished(self, **changes: Any) -> Job:
        """The job at its end."""
        return replace(self, state="DONE", ended_ms=now_ms(), **changes)

    def failed(self, refusal: Refusal, **changes: Any) -> Job:
        """The job at a bad end."""
        return self.finished(errors=(refusal.proto(),), **changes)


class Registry:
    """All jobs of the one project."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._lock = threading.RLock()
        self._seq = 0
        self._jobs: dict[str, Job] = {}
        self._ends: dict[str, Future[None]] = {}
        self._load()

    def _load(self) -> None:
        with self._warehouse.reading() as cursor:
            rows = cursor.execute(f"FROM {REGISTRY_SCHEMA}.job_log ORDER BY seq").fetchall()
            for job_id, seq, text in rows:
                self._seq = seq + 1
                if text is None:
                    self._jobs.pop(job_id, None)
                else:
                    self._jobs[job_id] = _from_json(text)
            self._compact(cursor, len(rows))

    def _compact(self, cursor: duckdb.DuckDBPyConnection, rows: int) -> None:
        if rows <= 4 * len(self._jobs) + 64:
            return
        with self._warehouse.transaction(cursor):
            cursor.execute(f"DELETE FROM {REGISTRY_SCHEMA}.job_log")
            for job in self._jobs.values():
                self.stage(cursor, job)

    def accept(self, job: Job) -> Job:
        """Remember a new job on disk, or `duplicate`."""
        with self._lock:
            if job.job_id in self._jobs:
                raise Refusal("duplicate", f"Already Exists: Job {PROJECT}:{job.location}.{job.job_id}")
            self.save(job)
            return job

    def get(self, job_id: str, location: str | None = None) -> Job:
        """A job, or `notFound` (also when asked for in another location)."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None or (location and location.upper() != job.location.upper()):
            raise Refusal("notFound", f"Not found: Job {PROJECT}:{job_id}")
        return job

    def find(self, job_id: str) -> Job | None:
        """A job, or nothing."""
        with self._lock:
            return self._jobs.get(job_id)

    def all(self) -> list[Job]:
        """Every job, newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: (job.created_ms, job.job_id), reverse=True)

    def stage(self, cursor: duckdb.DuckDBPyConnection, job: Job) -> None:
        """Write a job inside the caller's transaction. Call `publish` after the commit."""
        with self._lock:
            seq, self._seq = self._seq, self._seq + 1
        cursor.execute(f"INSERT INTO {REGISTRY_SCHEMA}.job_log VALUES (?, ?, ?)", [job.job_id, seq, _to_json(job)])

    def publish(self, job: Job) -> None:
        """Let readers see a job as it is; wakes those who wait for its end."""
        with self._lock:
            known = self._jobs.get(job.job_id)
            if known is not None and known.cancel_requested:
                job = replace(job, cancel_requested=True)
            self._jobs[job.job_id] = job
            end = self._ends.setdefault(job.job_id, Future())
            if job.done and not end.done():
                end.set_result(None)

    def save(self, job: Job) -> None:
        """Write and publish a job."""
        with self._warehouse.reading() as cursor:
            with self._warehouse.transaction(cursor):
                self.stage(cursor, job)
            self.publish(job)

    def end_of(self, job_id: str) -> Future[None]:
        """Resolves when the job is done."""
        with self._lock:
            end = self._ends.setdefault(job_id, Future())
            if self._jobs[job_id].done and not end.done():
                end.set_result(None)
            return end

    def request_cancel(self, job: Job) -> Job:
        """Record the wish on disk; the outcome is another matter."""
        wanted = replace(self.get(job.job_id), cancel_requested=True)
        self.save(wanted)
        return wanted

    def delete(self, job: Job) -> None:
        """Forget a finished job."""
        with self._lock, self._warehouse.reading() as cursor:
            with self._warehouse.transaction(cursor):
                cursor.execute(f"INSERT INTO {REGISTRY_SCHEMA}.job_log VALUES (?, ?, NULL)", [job.job_id, self._seq])
            self._seq += 1
            self._jobs.pop(job.job_id, None)
            self._ends.pop(job.job_id, None)


def _to_json(job: Job) -> str:
    return json.dumps(asdict(job))


def _from_json(text: str) -> Job:
    body = json.loads(text)
    return Job(**{**body, "errors": tuple(body["errors"]), "fields": tuple(body["fields"])})
