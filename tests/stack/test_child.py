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
from tests.waiting import Clock


class Silent(Running):
    """What never answers."""

    def healthy(self, since: float) -> bool:
        """Say that it does not."""
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The supervisor's clock."""
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(time=clock))
    return clock


def starts_again(clock: Clock, probe: Running, deaths: int) -> list[bool]:
    """Kill a process three seconds after each start; return whether it was there again a second after its death."""
    child = Child(ProcessPlan("p", (sys.executable, "-c", "import signal; signal.pause()"), os.environ, probe), None)
    found: list[bool] = []
    child.step(set())
    for _ in range(deaths):
        clock.now += 3
        child.step(set())
        kill(child)
        child.step(set())
        clock.now += 1
        child.step(set())
        found.append(child.pid is not None)
        if not found[-1]:
            clock.now += 60
            child.step(set())
    kill(child)
    assert child.has_ended()
    return found


def kill(child: Child) -> None:
    """SIGKILL the present process; it is gone afterwards, and nobody has asked yet how it ended."""
    assert child.pid is not None
    child.signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def test_a_process_that_had_answered_is_back_within_a_second_however_often_it_is_killed(clock: Clock) -> None:
    """Runs wait for it, and it has shown that it can work."""
    assert starts_again(clock, Running(), 8) == [True] * 8


def test_a_process_that_never_answers_is_started_ever_more_rarely(clock: Clock) -> None:
    """One that cannot start must not take the cores from the others."""
    found = starts_again(clock, Silent(), 8)
    assert found[0] and not any(found[3:])
