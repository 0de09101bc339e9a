"""How a run waits for a passing fault, and how it ends."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from prefect.client.orchestration import get_client

from bq_copilot.errors import CopilotError, LedgerUnavailable, Transient
from bq_copilot.events import CancelRequested, RunEnded, StepFailed, Waited
from bq_copilot.phases import Phase
from bq_copilot.steps import End, Step
from bq_copilot.values import CLOCK, Failure
from tasks.deadlines import StepTimedOut
from tasks.run import Run, failure_of

LEDGER_PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between two looks at a ledger that does not answer; the last one is repeated."""

LEDGER_SECONDS = 600.0
"""How long a process waits for its ledger before it gives up; the recovery service starts another one."""

SERVER_PAUSE = 1.0
"""Seconds between two looks at a Prefect server that does not answer."""

OUTAGES = 20
"""Outages in a row at one step, each of them over when it was tried again, that are no outages but a fault."""

ATTEMPTS = 6
"""Recorded waits in a row for one step before the run fails."""

LONGEST = 60.0
"""Seconds that one wait takes at the most, unless the other side asked for more."""


async def wait_or_fail(run: Run, step: Step, error: Transient) -> None:
    """Record that the step waits and until when, and wait; after the last attempt the run fails."""
    what = type(step).__name__
    before = run.state.waiting
    attempt = before.attempt + 1 if before and before.what == what else 1
    if attempt > ATTEMPTS:
        end(run, Phase.FAILED, error)
        return
    seconds = error.retry_after or min(LONGEST, 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
    until = run.journal.ledger.now() + timedelta(seconds=seconds)
    run.append(Waited(what=what, reason=str(error), attempt=attempt, until=until))
    await _sleep(run, seconds)


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


async def _sleep(run: Run, seconds: float) -> None:
    """Sleep, but wake when somebody records something, such as a cancel."""
    loop = asyncio.get_running_loop()
    end_at = loop.time() + seconds
    while (left := end_at - loop.time()) > 0:
        await asyncio.sleep(min(left, 0.5))
        if run.journal.refresh():
            return


TRIES = 3
"""Processes that may fail at the same step with the same error before the run is parked."""


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


def time_out(run: Run, error: StepTimedOut) -> None:
    """End the run because a step hung; jobs that are alive are stopped first, and what they cost is said."""
    if run.state.live_jobs and run.state.cancel is None:
        run.append(CancelRequested(by="the run's clock", via=CLOCK, reason=str(error)))
    else:
        end(run, Phase.FAILED, error)


def end(run: Run, phase: Phase, error: CopilotError) -> None:
    """Record that the run ends because of an error; live jobs keep it from anything but parking."""
    phase = Phase.PARKED if run.state.live_jobs else phase
    run.append(RunEnded(phase=phase, failure=failure_of(error)))


def finish(run: Run, step: End) -> None:
    """Record the end that the step names."""
    run.append(RunEnded(phase=step.phase, failure=step.failure))
