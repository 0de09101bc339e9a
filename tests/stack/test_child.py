"""When the supervisor starts a process again that has ended."""

from __future__ import annotations

import os
import signal
import sys
from types import SimpleNamespace

import pytest

from deployments.local import child as module
from deployments.local.child import Child
from deployments.local.plan import ProcessPlan
from deployments.local.probes import Running


class Silent(Running):
    """What never answers."""

    def healthy(self, since: float) -> bool:
        """Say that it does not."""
        return False


class Clock:
    """A clock that moves when told to."""

    now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The supervisor's clock."""
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=clock))
    return clock


def starts_again(clock: Clock, probe: Running, deaths: int) -> list[bool]:
    """Kill a process three seconds after each start; return whether it was there again a second after its death."""
    child = Child(
        ProcessPlan("p", (sys.executable, "-c", "import time; time.sleep(60)"), dict(os.environ), probe), None
    )
    found: list[bool] = []
    child.step(set())
    for _ in range(deaths):
        clock.now += 3
        child.step(set())
        pid = child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        child.step(set())
        clock.now += 1
        child.step(set())
        found.append(child.pid is not None)
        if not found[-1]:
            clock.now += 60
            child.step(set())
    child.signal(signal.SIGKILL)
    return found


def test_a_process_that_had_answered_is_back_within_a_second_however_often_it_is_killed(clock: Clock) -> None:
    """Runs wait for it, and it has shown that it can work."""
    assert starts_again(clock, Running(), 8) == [True] * 8


def test_a_process_that_never_answers_is_started_ever_more_rarely(clock: Clock) -> None:
    """One that cannot start must not take the cores from the others."""
    found = starts_again(clock, Silent(), 8)
    assert found[0] and not any(found[3:])
