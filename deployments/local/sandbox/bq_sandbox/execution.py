"""Running jobs: a pool of threads, cancellation that interrupts the engine, deadlines, and recovery.

Decides when a job runs and how it ends. A job that was accepted but not done when the process died is run again at
the next start, under its id: its effect and its end are one transaction, so "not done" proves "no effect". (Real
BigQuery jobs also outlive the loss of a worker.) One whose cancellation was asked for ends as cancelled instead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb

from bq_sandbox.catalog import now_ms
from bq_sandbox.engine_errors import refusal_for
from bq_sandbox.faults import Faults
from bq_sandbox.jobs import Job, Registry
from bq_sandbox.refusals import Refusal
from bq_sandbox.warehouse import Warehouse, rollback

CANCELLED = "Job execution was cancelled: User requested cancellation"
_LOG = logging.getLogger(__name__)
_INTERRUPT_EVERY_S = 0.05


class Running:
    """One job while it runs: its own cursor, and the wish to stop."""

    def __init__(self, job: Job, cursor: duckdb.DuckDBPyConnection) -> None:
        self.job = job
        self.cursor = cursor
        self._stop = threading.Event()
        self._over = threading.Event()
        self._message = CANCELLED

    def stop(self, message: str) -> None:
        """Interrupt the engine until the job has ended; a single interrupt may fall between two statements."""
        if self._stop.is_set():
            return
        self._message = message
        self._stop.set()
        threading.Thread(target=self._interrupt, daemon=True).start()

    def _interrupt(self) -> None:
        self.cursor.interrupt()
        while not self._over.wait(_INTERRUPT_EVERY_S):
            self.cursor.interrupt()

    def check(self) -> None:
        """Raise if the job is to stop."""
        if self._stop.is_set():
            raise self.stopped()

    def stopped(self) -> Refusal:
        """The end of a stopped job."""
        return Refusal("stopped", self._message)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked it to stop."""
        return self._stop.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not through a wish to stop."""
        self._stop.wait(seconds)
        self.check()

    def end(self) -> None:
        """No more interrupts."""
        self._over.set()

    def wait(self, seconds: float) -> bool:
        """Whether the job's thread was done with it in time."""
        return self._over.wait(max(0.0, seconds))


Work = Callable[[Running], None]


class Executor:
    """Runs accepted jobs, at most `workers` at a time; the others stay PENDING."""

    def __init__(self, warehouse: Warehouse, registry: Registry, faults: Faults, work: Work, workers: int = 4) -> None:
        self._warehouse = warehouse
        self._registry = registry
        self._faults = faults
        self._work = work
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="job")
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._closing = False

    def submit(self, job: Job) -> None:
        """Run an accepted job soon."""
        self._pool.submit(self._run, job.job_id)

    def recover(self) -> int:
        """Run again what the last process left behind; answers how many."""
        left = [job for job in self._registry.all() if not job.done and job.parent_id is None]
        for job in reversed(left):
            if job.cancel_requested:
                self._registry.save(job.failed(Refusal("stopped", CANCELLED)))
            else:
                self.submit(job)
        return len(left)

    def cancel(self, job: Job) -> None:
        """Stop a job if it has not ended; its outcome shows in its state, not here."""
        wanted = self._registry.request_cancel(job)
        with self._lock:
            running = self._running.get(wanted.parent_id or wanted.job_id)
        if running is not None:
            running.stop(CANCELLED)

    def _run(self, job_id: str) -> None:
        job = self._registry.find(job_id)
        if job is None or job.done:
            return
        started = replace(job, state="RUNNING", started_ms=now_ms())
        running = Running(started, self._warehouse.cursor())
        with self._lock:
            self._running[job_id] = running
        self._registry.publish(started)
        deadline = self._deadline(running)
        try:
            self._guarded(running)
        finally:
            running.end()
            deadline.cancel()
            with self._lock:
                del self._running[job_id]
            running.cursor.close()

    def _deadline(self, running: Running) -> threading.Timer:
        limit_ms = int(running.job.configuration.get("jobTimeoutMs") or 0)
        message = f"Job execution was cancelled: Job timed out after {limit_ms / 1000:g}s"
        timer = threading.Timer(limit_ms / 1000, running.stop, [message])
        timer.daemon = True
        if limit_ms > 0:
            timer.start()
        return timer

    def _guarded(self, running: Running) -> None:
        job = running.job
        try:
            current = self._registry.get(job.job_id)
            if current.cancel_requested:
                running.stop(CANCELLED)
            slow = self._faults.take({"slow_job"}, "job", job.job_id)
            if slow is not None:
                running.pause(float(slow.settings.get("seconds", 1)))
            running.check()
            self._work(running)
        except Refusal as refusal:
            self._fail(running, refusal)
        except duckdb.Error as error:
            stopped = running.stopping
            self._fail(running, running.stopped() if stopped else refusal_for(error, job.query.get("query", "")))
        except Exception as error:  # noqa: BLE001 - a job must end, whatever broke
            _LOG.exception("job failed", extra={"action": "job_failed", "job_id": job.job_id})
            self._fail(running, Refusal("internalError", f"The sandbox failed: {type(error).__name__}: {error}"))

    def _fail(self, running: Running, refusal: Refusal) -> None:
        rollback(running.cursor)
        latest = self._registry.find(running.job.job_id) or running.job
        if not latest.done and not self._closing:
            self._registry.save(latest.failed(refusal))

    def close(self, patience_s: float = 3) -> bool:
        """Stop what runs without ending it: the next start runs it again. Says whether all threads stopped."""
        self._closing = True
        with self._lock:
            left = list(self._running.values())
        for running in left:
            running.stop("The sandbox is shutting down")
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + patience_s
        return all(running.wait(deadline - time.monotonic()) for running in left)
