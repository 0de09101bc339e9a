"""The clock of a step: how long each kind of step may take, and what a step says that took longer.

Decides: the limits, in seconds, by the kind of step. They lie far above what a step takes with all its own retries:
who comes to one has hung. Waits for people have none, they expire in the ledger. Why this shape: the flow awaits
every step under its limit; and because a hung thread may not give way, the lease of a process is renewed only while
its step is in time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from bq_copilot import steps
from bq_copilot.errors import Refused
from bq_copilot.steps import Step
from bq_copilot.wording import step_words

MINUTE = 60.0

LIMITS: dict[type[Step], float] = {
    steps.Pin: 5 * MINUTE,
    steps.TakeTurn: 10 * MINUTE,
    steps.RulePlan: 2 * MINUTE,
    steps.EstimatePlan: 5 * MINUTE,
    steps.ConsumeApproval: 5 * MINUTE,
    steps.SubmitJob: 5 * MINUTE,
    steps.CancelJob: 2 * MINUTE,
    steps.ReadResult: 5 * MINUTE,
    steps.End: 2 * MINUTE,
}

USUAL = MINUTE
"""Limit of a step that only thinks and records."""

UNLIMITED: tuple[type[Step], ...] = (steps.AwaitAnswer, steps.AwaitDecision, steps.Done)

NAMES: dict[type[Step], str] = {
    steps.Pin: "reading the schemas",
    steps.TakeTurn: "asking the model",
    steps.RulePlan: "the gate",
    steps.EstimatePlan: "dry run",
    steps.ConsumeApproval: "the check before execution",
    steps.SubmitJob: "submitting the job",
    steps.PollJob: "the job",
    steps.CancelJob: "cancelling the job",
    steps.ReadResult: "reading the result",
    steps.End: "publishing the answer",
}

MARGIN = 30.0
"""Seconds past its limit after which a step that did not give way makes its process unfit to hold the run."""


class StepTimedOut(Refused):
    """A step took longer than anything of its kind may; the run ends, and its jobs are stopped."""

    code = "timed_out"


def limit_of(step: Step, job_seconds: float) -> float | None:
    """Return how long a step may take; a job as long as the warehouse allows it, and a little more to say so."""
    if isinstance(step, UNLIMITED):
        return None
    if isinstance(step, steps.PollJob):
        return job_seconds + 2 * MINUTE
    return LIMITS.get(type(step), USUAL)


class StepClock:
    """When the present step is over its time; read by the thread that renews the lease."""

    def __init__(self) -> None:
        self._due: float | None = None

    @property
    def in_time(self) -> bool:
        """False once a step has hung for so long that its process must lose the run."""
        due = self._due
        return due is None or time.monotonic() < due + MARGIN

    async def run(self, step: Step, seconds: float | None, work: Awaitable[None]) -> None:
        """Await one step. Raises StepTimedOut."""
        due = self._due = None if seconds is None else time.monotonic() + seconds
        try:
            await asyncio.wait_for(work, seconds)
        except TimeoutError as error:
            if due is None or time.monotonic() < due:
                raise
            raise StepTimedOut(
                f"timed out after {_words(seconds)} in {_name(step)} (run clock)",
                next="Ask again; if it happens again, look at what answers so slowly.",
            ) from error
        finally:
            self._due = None


def _name(step: Step) -> str:
    return NAMES.get(type(step)) or f"the step that {step_words(step)}"


def _words(seconds: float | None) -> str:
    assert seconds is not None
    return f"{seconds / MINUTE:.0f} min" if seconds >= MINUTE else f"{seconds:.0f} s"
