"""How a step waits for a passing fault, and how it gives up: the only place where anything is retried.

What to do says `bq_copilot.retrying`. The wait is recorded first, then shown in Prefect's state message; whoever
records something meanwhile, such as a cancel, ends it. A job that may live is never given up on: it is stopped.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import suppress
from datetime import datetime, timedelta

from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import Abort
from prefect.flow_runs import asuspend_flow_run
from prefect.runtime import flow_run
from prefect.states import Running

from bq_copilot.circuits import Provider
from bq_copilot.errors import CopilotError, Transient
from bq_copilot.events import CancelUnconfirmed, JobCancelRequested, RunEnded
from bq_copilot.export_transitions import export_failed
from bq_copilot.phases import Phase
from bq_copilot.retrying import GiveUp, next_wait, unconfirmed_pause
from bq_copilot.state import Job, RunState
from bq_copilot.step_types import (
    CancelJob,
    ConsumeApproval,
    EstimatePlan,
    Pin,
    PollJob,
    ReadResult,
    Step,
    SubmitJob,
    TakeTurn,
)
from bq_copilot.undo_transitions import stopping, what_stops
from bq_copilot.values import Failure
from tasks.outage import is_outage
from tasks.run import Run

WAREHOUSE_STEPS = (Pin, EstimatePlan, ConsumeApproval, SubmitJob, PollJob, ReadResult)

HELD_TRIES = 4
"""Tries to confirm a cancel before the process ends; from then on the recovery service starts one for each try."""

AGAIN = "Ask again later; `bq-copilot doctor` says what answers."

UNCONFIRMED = "bq-copilot.cancel-unconfirmed"
"""Name of the Prefect event that an automation can alert on."""


def provider_of(step: Step, state: RunState) -> Provider | None:
    """Return whom the step asks; what stops a job asks whatever the circuit says."""
    if isinstance(step, TakeTurn):
        return "model"
    stops = state.cancel is not None or (isinstance(step, PollJob) and step.job.cancel_requested)
    return "warehouse" if isinstance(step, WAREHOUSE_STEPS) and not stops else None


def admit(run: Run, step: Step) -> None:
    """Raises Transient while the circuit of the step's provider is open."""
    provider = provider_of(step, run.state)
    found = run.env.circuits.ask(provider) if provider else None
    if found is None or found.open_until is None:
        return
    left = (found.open_until - run.journal.ledger.now()).total_seconds()
    raise Transient(
        f"the {provider} failed {found.failures} times in a row; nobody asks it for a while",
        code="circuit_open",
        retry_after=max(0.5, left),
        tried=False,
    )


def note(run: Run, step: Step, *, ok: bool) -> None:
    """Tell the circuit of the step's provider how it went."""
    provider = provider_of(step, run.state)
    if provider is not None:
        run.env.circuits.note(provider, ok=ok)


async def wait_or_give_up(run: Run, step: Step, error: Transient) -> None:
    """Record that the step waits and until when, and wait; when the budget is spent, end what it was about."""
    if stopping(run.state):
        await stay_unconfirmed(run, step, error)
        return
    what, now = type(step).__name__, run.journal.ledger.now()
    patience = run.rules.retries
    if isinstance(step, PollJob):  # the job goes on whether it is looked at or not: only time ends the looking
        patience = patience.model_copy(update={"attempts": sys.maxsize})
    found = next_wait(what, error, run.state.waiting, now, patience, random.uniform(0.5, 1.0))  # noqa: S311 - jitter
    if isinstance(found, GiveUp):
        _give_up(run, step, error, found.why)
        return
    run.append(found)
    await tell(f"waiting: {found.reason}, next try {_clock(found.until)}")
    await sleep(run, (found.until - now).total_seconds())
    await tell(f"tries again after: {found.reason}")


def _give_up(run: Run, step: Step, error: Transient, why: str) -> None:
    """A job that the warehouse may have is stopped, and so is settled; anything else ends the run."""
    job = _job_of(run.state, step)
    if job is not None:
        stop_job(run, job, why)
        return
    if run.state.live_jobs:
        stop_job(run, run.state.live_jobs[0], why)
        return
    failure = Failure(code=error.code, message=why, next=error.next or AGAIN)
    if run.state.export is not None:
        run.append(export_failed(run.state.export, failure))
        return
    run.append(RunEnded(phase=Phase.FAILED, failure=failure))


def _job_of(state: RunState, step: Step) -> Job | None:
    query = step.query.id if isinstance(step, SubmitJob) else None
    query = step.job.intent.query if isinstance(step, (PollJob, CancelJob)) else query
    job = state.jobs.get(query) if query else None
    return job if job is not None and job.is_live else None


def stop_job(run: Run, job: Job, why: str) -> None:
    """Record that one job shall stop, and why; what becomes of it is polled for."""
    intent = job.intent
    run.append(JobCancelRequested(query=intent.query, job_id=intent.job_id, attempt=intent.attempt, reason=why))


async def stay_unconfirmed(run: Run, step: Step, error: CopilotError) -> None:
    """Record that nobody knows yet whether the jobs have stopped, raise the alarm, wait; later, end the process."""
    tries = run.state.unconfirmed.tries + 1 if run.state.unconfirmed else 1
    jobs = tuple(job.intent.job_id for job in run.state.live_jobs)
    until = run.journal.ledger.now() + timedelta(seconds=unconfirmed_pause(tries))
    run.append(CancelUnconfirmed(tries=tries, jobs=jobs, reason=str(error), until=until))
    _alarm(run, tries, jobs, str(error))
    await tell(f"{what_stops(run.state)} unconfirmed: {error}, next try {_clock(until)}")
    run.unconfirmed += 1
    if run.unconfirmed >= HELD_TRIES:
        await rest(run, tries)
    await sleep(run, unconfirmed_pause(tries))


def _alarm(run: Run, tries: int, jobs: tuple[str, ...], reason: str) -> None:
    emit_event(
        event=UNCONFIRMED,
        resource={"prefect.resource.id": f"bq-copilot.run.{run.id}", "prefect.resource.name": run.id},
        payload={"run": run.id, "tries": tries, "jobs": list(jobs), "reason": reason},
    )


async def rest(run: Run, tries: int) -> None:
    """End this process; the recovery service wakes the run to try again. Raises Prefect's Pause."""
    if not flow_run.id:
        raise Abort("nobody can be woken here")
    await asuspend_flow_run(key=f"unconfirmed-{run.id}-{tries}", timeout=None)


async def tell(message: str) -> None:
    """Show in Prefect what the run waits for; where that cannot be shown, the ledger has it."""
    if not flow_run.id:
        return
    try:
        async with get_client() as client:
            await client.set_flow_run_state(flow_run.id, Running(message=message))
    except Exception as error:
        if not is_outage(error):
            raise


async def sleep(run: Run, seconds: float) -> None:
    """Sleep, but wake when somebody records something, such as a cancel."""
    loop = asyncio.get_running_loop()
    end_at = loop.time() + seconds
    while (left := end_at - loop.time()) > 0:
        with suppress(asyncio.TimeoutError):
            await asyncio.sleep(min(left, 0.5))
        if run.journal.refresh():
            return


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
