"""What one recovery process remembers: deaths, tries, slices of long lists."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from bq_copilot.ledger import Lease
from deployments.watching import Deaths, Slices, Tries, Trouble, is_starting
from tasks.lease import holder, is_dead
from tests.waiting import Clock, until

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def test_a_death_is_timed_from_when_it_was_first_seen() -> None:
    """Not from any time that another clock wrote down."""
    clock, host = Clock(), holder().partition(":")[0]
    deaths, lease = Deaths(clock), Lease("r-1", f"{host}:999999999:1", 3, NOW)
    assert deaths.look([lease])
    clock.now += 2.5
    assert not deaths.look([lease])
    assert deaths.seconds(lease) == 2.5
    assert deaths.seconds(Lease("r-1", holder(), 4, NOW)) is None


def test_only_a_process_of_this_host_and_boot_can_be_seen_to_be_dead() -> None:
    """A host of the same name but another boot or container has other pids."""
    host, pid, started = holder().split(":")
    assert not is_dead(f"{host}:{pid}:{started}")
    assert is_dead(f"{host}:{pid}:1{started}")
    assert not is_dead(f"{host}x:{pid}:1{started}")


def test_the_pause_between_two_tries_doubles_until_the_run_moves() -> None:
    """A run that cannot be helped now costs little; one that moved is helped at once."""
    clock = Clock()
    tries = Tries(clock)
    tries.note("r-1", 7)
    assert not tries.may("r-1", 7)
    clock.now += 1.5
    assert tries.may("r-1", 7)
    tries.note("r-1", 7)
    clock.now += 1.5
    assert not tries.may("r-1", 7)
    assert (tries.count("r-1", 7), tries.count("r-1", 8)) == (2, 0)
    assert tries.may("r-1", 8)


def test_a_long_list_is_taken_a_slice_at_a_time_and_then_again() -> None:
    """Every item has its turn."""
    slices = Slices(4)
    taken = [list(slices.take(range(10))) for _ in range(4)]
    assert taken == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]


def test_a_starting_process_is_known_by_its_environment() -> None:
    """A pid alone may have been given to somebody else since."""
    environ = {**os.environ, "PREFECT__FLOW_RUN_ID": "f-1"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environ, stdin=subprocess.PIPE) as child:
        until(lambda: is_starting(str(child.pid), "f-1"), 10)
        assert not is_starting(str(child.pid), "f-2")
        child.communicate(b"\n", timeout=10)
    assert not is_starting(str(child.pid), "f-1")


def test_a_trouble_is_said_once_until_it_changes_or_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is down for an hour is one line; the next outage is another."""
    trouble = Trouble(logging.getLogger("a test"))
    for words in ("server down", "server down", "disk full", "server down"):
        trouble.tell(words)
    trouble.over()
    trouble.tell("server down")
    assert caplog.messages == ["server down", "disk full", "server down", "server down"]
