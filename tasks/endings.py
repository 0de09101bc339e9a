"""How a run ends, how it stumbles, and how it waits for its ledger and its server."""

from __future__ import annotations

import asyncio

from prefect.client.orchestration import get_client

from bq_copilot.amounts import span
from bq_copilot.cancel_steps import billed
from bq_copilot.errors import CopilotError, LedgerUnavailable
from bq_copilot.events import CancelRequested, RunEnded, StepFailed
from bq_copilot.export_transitions import export_failed
from bq_copilot.phases import Phase
from bq_copilot.steps import End, PollJob, Step
from bq_copilot.values import CLOCK, Failure
from tasks.deadlines import StepTimedOut
from tasks.retries import stop_job
from tasks.run import Run, failure_of

LEDGER_PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between two looks at a ledger that does not answer; the last one is repeated."""

LEDGER_SECONDS = 600.0
"""How long a process waits for its ledger before it gives up; the recovery service starts another one."""

SERVER_PAUSE = 1.0
"""Seconds between two looks at a Prefect server that does not answer."""

OUTAGES = 20
"""Outages in a row at one step, each of them over when it was tried again, that are no outages but a fault."""

TRIES = 3
"""Processes that may fail at the same step with the same error before the run is parked."""


async def wait_for_ledger(run: Run) -> None:
    """Wait until the ledger answers and read what it says: whatever was in doubt stands there or does not.

    Nothing is done meanwhile. Raises LedgerUnavailable after ten minutes.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + LEDGER_SECONDS
    for turn in range(1_000_000):
        await asyncio.sleep(LEDGER_PAUSES[min(turn, len(LEDGER_PAUSES) - 1)])
        try:
            run.journal.refresh()
            return
        except LedgerUnavailable:
            if loop.time() > give_up:
                raise


async def wait_for_server(run: Run) -> None:
    """Wait until the Prefect server answers; the run loses nothing but time, and a decision still counts."""
    run.outages += 1
    while True:
        await asyncio.sleep(SERVER_PAUSE)
        run.journal.refresh()
        async with get_client() as client:
            if await client.api_healthcheck() is None:
                return


def stumble(run: Run, step: Step, error: Exception) -> None:
    """Record an error that nobody expected; after the last try an operator must look at the run."""
    failure = Failure(
        code="unexpected",
        message=f"{type(error).__name__} in {type(step).__name__}: {error}"[:1_000],
        next="Read the worker's log; then `bq-copilot resume` or `bq-copilot abandon`.",
    )
    event = StepFailed(step=type(step).__name__, failure=failure)
    before = [e.event for e in run.journal.ledger.read(run.id) if e.event.kind != "run_started"]
    again = [e for e in before[-TRIES + 1 :] if e == event]
    run.append(event)
    if len(again) >= TRIES - 1:
        parked = failure.model_copy(update={"message": f"parked after {TRIES} tries: {failure.message}"})
        run.append(RunEnded(phase=Phase.PARKED, failure=parked))


def time_out(run: Run, step: Step, error: StepTimedOut) -> None:
    """Stop what the step timed out on: its job alone, or the run where the step had no job."""
    state = run.state
    if isinstance(step, PollJob) and not step.job.cancel_requested:
        stop_job(run, step.job, str(error))
    elif state.live_jobs and state.cancel is None:
        run.append(CancelRequested(by="the run's clock", via=CLOCK, reason=str(error)))
    elif state.export is not None:
        run.append(export_failed(state.export, failure_of(error)))
    elif not state.live_jobs:
        failure = failure_of(error)
        told = failure.model_copy(update={"message": f"{failure.message} ({billed(state)})"})
        run.append(RunEnded(phase=Phase.FAILED, failure=told))


def overdue(run: Run) -> bool:
    """End the run, or stop what lives of it, once it has taken longer than a whole run may; True when it has."""
    left = seconds_left(run)
    if left is None or left > 0 or run.state.cancel is not None:
        return False
    reason = f"timed out after {span(run.rules.budgets.wall_seconds)} in the whole run (run clock)"
    run.append(CancelRequested(by="the run's clock", via=CLOCK, reason=reason))
    return True


def seconds_left(run: Run) -> float | None:
    """Return what is left of the time of the whole run; None once it is being stopped."""
    if run.state.received_at is None or run.state.cancel is not None or _at_work_again(run):
        return None
    age = (run.journal.ledger.now() - run.state.received_at).total_seconds()
    return run.rules.budgets.wall_seconds - age


def _at_work_again(run: Run) -> bool:
    """True for a run that had ended: its time is over, and what it does now has clocks of its own."""
    return run.state.undo is not None or run.state.export is not None


def end(run: Run, phase: Phase, error: CopilotError) -> None:
    """Record that the run ends because of an error; live jobs keep it from anything but parking."""
    phase = Phase.PARKED if run.state.live_jobs else phase
    run.append(RunEnded(phase=phase, failure=failure_of(error)))


def finish(run: Run, step: End) -> None:
    """Record the end that the step names."""
    run.append(RunEnded(phase=step.phase, failure=step.failure))
