"""A warehouse whose jobs live until a test ends them, and that can be out of reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bq_copilot.errors import Transient
from bq_copilot.gate.verdict import Parameter
from bq_copilot.ports import DryRun, JobSpec, JobView
from bq_copilot.testing import MemoryWarehouse
from bq_copilot.testing.memory_warehouse import page_of
from bq_copilot.values import Failure
from tests.approvals.stage import CATALOG, ORDERS

MIB = 2**20
BILLED = 10 * MIB
PAGE = page_of({"region": "STRING", "n": "INTEGER"}, [["north", 3], ["south", 4]])


class Works(MemoryWarehouse):
    """Jobs are RUNNING until `finish` or `cancel`; each of them makes its table only when it ends well."""

    scratch = "p.copilot_scratch"
    project = "p"

    def __init__(self) -> None:
        super().__init__(CATALOG.tables, PAGE, bytes_read=5_000_000)
        self.down = False
        self.cancels: list[str] = []
        self.hold = True
        """Jobs live until they are ended; else each is done when it is first looked at."""
        self.state = "RUNNING"
        """The state of jobs that live."""
        self.too_late = False
        """True when a cancel finds the job done."""
        self.ends: dict[str, Failure] = {}
        """Why the jobs whose id holds this text fail."""
        self.on_look: Callable[[str], None] = lambda job_id: None

    def _reached(self, what: str) -> None:
        if self.down:
            raise Transient(f"the warehouse did not answer {what}", code="warehouse_unreachable")

    @property
    def live(self) -> list[str]:
        """Ids of the jobs that are not DONE."""
        return [j.job_id for j in self.jobs.values() if j.state != "DONE"]

    def insert(self, spec: JobSpec) -> JobView:
        """Take a job; it lives until it is ended."""
        self._reached(f"submitting {spec.job_id}")
        view = super().insert(spec)
        self.made.discard(spec.destination)
        self.jobs[spec.job_id] = replace(self.jobs[spec.job_id], state=self.state, ok=False, bytes_billed=0)
        return replace(view, state="PENDING")

    def finish(self, job_id: str, *, failure: Failure | None = None, retryable: bool = False) -> None:
        """End a job well, or with a failure."""
        made = {} if failure else {"ok": True}
        self.jobs[job_id] = replace(
            self.jobs[job_id], state="DONE", bytes_billed=BILLED, failure=failure, retryable=retryable, **made
        )
        if failure is None:
            self.made.add(self.jobs[job_id].destination)

    def job(self, job_id: str) -> JobView | None:
        """Return the job of this id."""
        self.on_look(job_id)
        self._reached(f"looking up {job_id}")
        found = self.jobs.get(job_id)
        if found is not None and found.state != "DONE" and not self.hold:
            why = next((f for text, f in self.ends.items() if text in job_id), None)
            self.finish(job_id, failure=why, retryable=why is not None and why.code == "backendError")
        return self.jobs.get(job_id)

    def cancel(self, job_id: str) -> None:
        """Stop a live job; what it has read is billed."""
        self._reached(f"cancelling {job_id}")
        self.cancels.append(job_id)
        if job_id in self.live:
            stopped = None if self.too_late else Failure(code="stopped", message="Job execution was cancelled")
            self.finish(job_id, failure=stopped)

    def drop(self, table: str) -> bool:
        """Remove a result table."""
        self._reached(f"dropping {table}")
        return super().drop(table)

    def dry_run(self, sql: str, parameters: Sequence[Parameter]) -> DryRun:
        """Price a statement."""
        self._reached("the dry run")
        return super().dry_run(sql, parameters)

    def describe_table(self, table: str) -> Any:
        """Return one table."""
        self._reached(f"describing {table}")
        return super().describe_table(table)

    def list_tables(self, dataset: str) -> list[str]:
        """Return the ids of the tables."""
        self._reached(f"listing {dataset}")
        return super().list_tables(dataset)


__all__ = ["BILLED", "MIB", "ORDERS", "Works"]
