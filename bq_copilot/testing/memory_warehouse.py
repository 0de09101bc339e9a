"""A warehouse in memory: it prices, runs and remembers jobs, and counts how often each was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bq_copilot.catalog import Table
from bq_copilot.errors import Conflict, Refused
from bq_copilot.gate.verdict import Parameter
from bq_copilot.ports import DryRun, JobSpec, JobView, Page
from bq_copilot.values import ResultColumn


class MemoryWarehouse:
    """The Warehouse port over given tables; every query answers with `page`."""

    scratch = "memory.scratch"
    project = "memory"
    location = "US"
    principal = "runner@memory"
    writes = True

    def __init__(self, tables: Sequence[Table], page: Page, bytes_read: int = 1_000_000) -> None:
        self._tables: Mapping[str, Table] = {t.id: t for t in tables}
        self._page = page
        self._bytes = bytes_read
        self.made: set[str] = set()
        """Result tables that are there."""
        self.jobs: dict[str, JobView] = {}
        self.executions: dict[str, int] = {}
        self.dry_runs = 0
        self.modified: dict[str, int] = {}

    def acting_for(self, requester: str) -> MemoryWarehouse:
        """One account does everything."""
        return self

    def prepare(self) -> None:
        """Nothing has to be made."""

    def list_tables(self, dataset: str) -> list[str]:
        """Return the ids of everything in `project.dataset`."""
        return sorted(t for t in self._tables if t.rsplit(".", 1)[0] == dataset)

    def describe_table(self, table: str) -> Table:
        """Return one table. Raises Refused when there is none."""
        if table not in self._tables:
            raise Refused(f"Not found: Table {table}", code="notFound")
        return self._tables[table]

    def modified_ms(self, table: str) -> int | None:
        """Return when a table last changed: before every job, unless a test says otherwise."""
        return self.modified.get(table, 1) if table in self._tables else None

    def dry_run(self, sql: str, parameters: Sequence[Parameter]) -> DryRun:
        """Price a statement: every known table whose name stands in it counts as read."""
        self.dry_runs += 1
        return DryRun("SELECT", self._bytes, "PRECISE", self._read_by(sql), self._page.columns)

    def insert(self, spec: JobSpec) -> JobView:
        """Run once under the id of `spec`. Raises Conflict when the id exists."""
        if spec.job_id in self.jobs:
            raise Conflict(f"job {spec.job_id} exists", code="job_exists")
        self.executions[spec.job_id] = self.executions.get(spec.job_id, 0) + 1
        done = JobView(
            job_id=spec.job_id,
            state="DONE",
            fingerprint=spec.fingerprint,
            ok=True,
            bytes_processed=self._bytes,
            bytes_billed=max(self._bytes, 10 * 2**20),
            milliseconds=5,
            tables=self._read_by(spec.sql),
            statement_type="SELECT",
            destination=spec.destination,
            created_ms=1_000,
        )
        self.made |= {spec.destination} - {""}
        self.jobs[spec.job_id] = done
        return replace(done, state="PENDING", ok=False)

    def job(self, job_id: str) -> JobView | None:
        """Return the job of this id."""
        return self.jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        """Jobs are done at once; there is nothing to stop."""

    def drop(self, table: str) -> bool:
        """Remove a result table; False when it is not there. Raises Refused for a table that is not scratch."""
        if table.rpartition(".")[0] != self.scratch:
            raise Refused(f"{table} is not in {self.scratch}", code="not_scratch")
        was_there = table in self.made
        self.made.discard(table)
        return was_there

    def page(self, job_id: str, rows: int) -> Page:
        """Return at most `rows` rows of the result."""
        return replace(self._page, rows=self._page.rows[:rows])

    def _read_by(self, sql: str) -> tuple[str, ...]:
        return tuple(sorted(t for t in self._tables if t in sql))


def page_of(columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> Page:
    """Return a page from column names with types and rows."""
    named = tuple(ResultColumn(name=n, type=t) for n, t in columns.items())
    return Page(named, tuple(tuple(r) for r in rows), len(rows))
