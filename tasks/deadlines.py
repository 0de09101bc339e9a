"""The clocks of a step: how long it may run and give no sign of life, and what a step says that took longer.

Decides: which clock runs out first, and in which words. The limits stand in the policy; waits for people have none,
they expire in the ledger; how long a job may be queued is measured where it is polled. Why this shape: the flow
awaits every step under its clocks; and because a hung thread may not give way, the lease of a process is renewed
only while its step is in time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass

from bq_copilot import steps
from bq_copilot.amounts import span
from bq_copilot.errors import Refused
from bq_copilot.policy import Clocks, StepName
from bq_copilot.steps import Step
from bq_copilot.wording import step_words

UNLIMITED: tuple[type[Step], ...] = (steps.AwaitAnswer, steps.AwaitDecision, steps.AwaitFollowUp, steps.Done)

NAMES: dict[type[Step], tuple[StepName, str]] = {
    steps.Pin: ("schemas", "reading the schemas"),
    steps.Brief: ("schemas", "gathering what is known"),
    steps.TakeTurn: ("model", "asking the model"),
    steps.RulePlan: ("gate", "the gate"),
    steps.EstimatePlan: ("dry_run", "dry run"),
    steps.ConsumeApproval: ("check", "the check before execution"),
    steps.SubmitJob: ("submit", "submitting the job"),
    steps.PollJob: ("job", "the job"),
    steps.CancelJob: ("cancel", "cancelling the job"),
    steps.UndoEffect: ("undo", "removing what the run made"),
    steps.ReadResult: ("result", "reading the result"),
    steps.CheckReuse: ("check", "comparing with the earlier result"),
    steps.ScheduleSeries: ("other", "scheduling the follow-up"),
    steps.End: ("publish", "recording the end"),
}

MARGIN = 30.0
"""Seconds past its limit after which a step that did not give way makes its process unfit to hold the run."""

JOB_MARGIN = 60.0
"""Seconds that a job gets beyond its own limit to say that the warehouse has stopped it."""


class StepTimedOut(Refused):
    """A step took longer than anything of its kind may; what it timed out on is stopped."""

    code = "timed_out"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a step may run in all, and without a sign of life."""

    running: float
    idle: float


def limits_of(step: Step, clocks: Clocks, left: float | None = None) -> Limits | None:
    """Return the limits of a step; `left` is what remains of the whole run. None for waits for people."""
    if isinstance(step, UNLIMITED):
        return None
    own = clocks.of(NAMES[type(step)][0] if type(step) in NAMES else "other")
    assert own.running_seconds is not None and own.idle_seconds is not None
    running = own.running_seconds
    if isinstance(step, steps.PollJob):
        assert own.queued_seconds is not None
        running += own.queued_seconds + JOB_MARGIN
    return Limits(running if left is None else max(0.1, min(running, left)), own.idle_seconds)


def timed_out(step: Step, seconds: float, clock: str) -> StepTimedOut:
    """Return the error that names the step, the time and the clock."""
    hint = "Ask again; if it happens again, look at what answers so slowly."
    return StepTimedOut(f"timed out after {span(seconds)} in {name_of(step)} ({clock} clock)", next=hint)


def name_of(step: Step) -> str:
    """Return what a person calls the step."""
    return NAMES[type(step)][1] if type(step) in NAMES else f"the step that {step_words(step)}"


class StepClock:
    """When the present step is over its time; read by the thread that renews the lease."""

    def __init__(self) -> None:
        self._due: float | None = None
        self._sign = time.monotonic()

    @property
    def in_time(self) -> bool:
        """False once a step has hung for so long that its process must lose the run."""
        due = self._due
        return due is None or time.monotonic() < due + MARGIN

    def touch(self) -> None:
        """Note a sign of life: whoever is asked has answered."""
        self._sign = time.monotonic()

    async def run(self, step: Step, limits: Limits | None, work: Awaitable[None]) -> None:
        """Await one step. Raises StepTimedOut."""
        if limits is None:
            await work
            return
        began = time.monotonic()
        self.touch()
        self._due = began + limits.running
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                due, seconds, clock = self._next(began, limits)
                if time.monotonic() >= due:
                    raise timed_out(step, seconds, clock)
                await asyncio.wait({task}, timeout=due - time.monotonic())
            task.result()
        finally:
            self._due = None
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=1.0)

    def _next(self, began: float, limits: Limits) -> tuple[float, float, str]:
        """Return when which clock runs out first, and after how long."""
        run = (began + limits.running, limits.running, "run")
        return min(run, (self._sign + limits.idle, limits.idle, "idle"))
