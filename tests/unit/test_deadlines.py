"""The clock of a step: what hangs is given up, with a message that says what, and after how long."""

from __future__ import annotations

import asyncio

import pytest

from bq_copilot import steps
from bq_copilot.events import CancelRequested
from bq_copilot.phases import Phase
from bq_copilot.policy import Clocks
from bq_copilot.values import CLOCK
from tasks import deadlines
from tasks.deadlines import Limits, StepClock, StepTimedOut, limits_of
from tests.unit.walker import Walker


async def test_F06_a_hung_step_is_given_up_and_named() -> None:
    """The message says which step, after how long, and by which clock."""
    with pytest.raises(StepTimedOut, match=r"timed out after 0 s in the gate \(run clock\)"):
        await StepClock().run(steps.RulePlan(plan=None), Limits(0.02, 9), asyncio.sleep(30))  # type: ignore[arg-type]


async def test_F06_a_step_without_a_sign_of_life_is_given_up_by_the_idle_clock() -> None:
    """It may run for long as long as whoever it asks answers; then it says which clock ran out."""
    clock, signs = StepClock(), 0

    async def answers_then_hangs() -> None:
        nonlocal signs
        while signs < 5:
            signs += 1
            await asyncio.sleep(0.02)
            clock.touch()
        await asyncio.sleep(30)

    with pytest.raises(StepTimedOut, match=r"timed out after 0 s in reading the result \(idle clock\)"):
        await clock.run(steps.ReadResult(job=None), Limits(9, 0.06), answers_then_hangs())  # type: ignore[arg-type]
    assert signs == 5


async def test_a_timeout_of_the_step_itself_is_not_the_clocks() -> None:
    """Only what took longer than its limit has hung."""

    async def fails() -> None:
        raise TimeoutError("the socket's own")

    with pytest.raises(TimeoutError, match="the socket's own"):
        await StepClock().run(steps.Pin(), Limits(30, 30), fails())


def test_waits_for_people_have_no_limit_and_everything_else_has() -> None:
    """People expire in the ledger; a job may be queued and run, each for its time, and then say that it was stopped."""
    clocks = Clocks(queued_seconds=100, running_seconds=200, idle_seconds=50)
    assert limits_of(steps.AwaitDecision(plan=None), clocks) is None  # type: ignore[arg-type]
    assert limits_of(steps.PollJob(job=None), clocks) == Limits(360, 50)  # type: ignore[arg-type]
    assert limits_of(steps.Pin(), clocks) == Limits(200, 50)


def test_each_kind_of_step_may_have_clocks_of_its_own() -> None:
    """And no step outlives the run."""
    clocks = Clocks.model_validate({"steps": {"dry_run": {"running_seconds": 7, "idle_seconds": 3}}})
    step = steps.EstimatePlan(plan=None)  # type: ignore[arg-type]
    assert limits_of(step, clocks) == Limits(7, 3)
    assert limits_of(step, clocks, left=5) == Limits(5, 3)


async def test_a_process_whose_step_does_not_give_way_is_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that renews the lease sees that the step is long over its time."""
    monkeypatch.setattr(deadlines, "MARGIN", -1.0)
    clock = StepClock()
    assert clock.in_time

    async def look() -> None:
        assert not clock.in_time

    await clock.run(steps.Pin(), Limits(0.5, 0.5), look())
    assert clock.in_time


def test_a_run_that_its_clock_stopped_failed_and_was_not_cancelled_by_a_person() -> None:
    """The failure says what hung and what it cost."""
    walker = Walker(1)
    reason = "timed out after 12 min in the job (run clock)"
    walker.journal.append(CancelRequested(by="the run's clock", via=CLOCK, reason=reason))
    step = steps.next_step(walker.journal.state)
    assert isinstance(step, steps.End)
    assert step.failure is not None
    assert (step.phase, step.failure.code) == (Phase.FAILED, "timed_out")
    assert step.failure.message == f"{reason} (0 bytes billed)"
