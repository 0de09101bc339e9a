"""How a run waits for a passing fault, and how it ends."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

from bq_copilot.errors import CopilotError, Transient
from bq_copilot.events import RunEnded, Waited
from bq_copilot.phases import Phase
from bq_copilot.steps import End, Step
from tasks.run import Run, failure_of

LEDGER_PAUSE = 0.5
"""Seconds between two looks at a ledger that does not answer."""

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


async def _sleep(run: Run, seconds: float) -> None:
    """Sleep, but wake when somebody records something, such as a cancel."""
    loop = asyncio.get_running_loop()
    end_at = loop.time() + seconds
    while (left := end_at - loop.time()) > 0:
        await asyncio.sleep(min(left, 0.5))
        if run.journal.refresh():
            return


def end(run: Run, phase: Phase, error: CopilotError) -> None:
    """Record that the run ends because of an error; live jobs keep it from anything but parking."""
    phase = Phase.PARKED if run.state.live_jobs else phase
    run.append(RunEnded(phase=phase, failure=failure_of(error)))


def finish(run: Run, step: End) -> None:
    """Record the end that the step names."""
    run.append(RunEnded(phase=step.phase, failure=step.failure))
