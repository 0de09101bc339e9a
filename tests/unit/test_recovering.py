"""The recovery table: who is left alone, who is woken, who is restarted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bq_copilot.ledger import Lease, RunHead
from bq_copilot.prefect_api import FlowRun
from bq_copilot.recovering import Remedy, Witnesses, remedy

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def seen(phase: str, state: str | None, *, name: str = "", age: float = 60, **more: object) -> Witnesses:
    """Return witnesses of a run in `phase` whose flow run has been in `state` for `age` seconds."""
    since = NOW - timedelta(seconds=age)
    expires = NOW + timedelta(seconds=float(str(more.get("expires_in", 3600))))
    head = RunHead("r-1", 3, phase, "q", "ana", since, since, expires, "f-1")
    flow_run = FlowRun("f-1", "n", state, name or state.title(), since) if state else None
    lease = None
    if "lease_left" in more:
        lease = Lease("r-1", "h:1:1", 1, NOW + timedelta(seconds=float(str(more["lease_left"]))))
    return Witnesses(head, lease, bool(more.get("dead", False)), flow_run, NOW)


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "CRASHED", "FAILED", "PENDING", "CANCELLED"])
def test_a_run_with_a_live_lease_is_never_touched(state: str) -> None:
    """Prefect's word alone proves no death."""
    assert remedy(seen("executing", state, lease_left=5)) is Remedy.NONE


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "CRASHED", "FAILED", "PENDING"])
def test_a_run_without_a_process_is_restarted(state: str) -> None:
    """Past the grace, with no lease, it goes back to its queue."""
    assert remedy(seen("executing", state)) is Remedy.RESTART


def test_an_expired_lease_counts_as_no_process() -> None:
    """Across hosts, death is the end of the lease."""
    assert remedy(seen("executing", "RUNNING", lease_left=-1)) is Remedy.RESTART


def test_a_provably_dead_holder_counts_at_once() -> None:
    """On one host it may be faster than the lease."""
    assert remedy(seen("executing", "RUNNING", lease_left=10, dead=True)) is Remedy.RESTART


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "CRASHED"])
def test_a_fresh_state_is_given_its_grace(state: str) -> None:
    """A report may be on its way twice."""
    assert remedy(seen("executing", state, age=0.5)) is Remedy.NONE


def test_a_suspended_run_that_waits_is_left_alone() -> None:
    """Waiting costs nothing and needs nobody."""
    assert remedy(seen("awaiting_approval", "PAUSED", name="Suspended")) is Remedy.NONE


def test_a_suspended_run_with_nothing_to_wait_for_is_woken() -> None:
    """A decision whose wake-up was lost is found."""
    assert remedy(seen("executing", "PAUSED", name="Suspended")) is Remedy.WAKE


def test_a_zombie_pause_is_restarted() -> None:
    """A paused process that died would otherwise wait for ever."""
    assert remedy(seen("awaiting_approval", "PAUSED", name="Paused")) is Remedy.RESTART


def test_a_wait_past_its_expiry_expires() -> None:
    """Whether or not a process lives."""
    assert remedy(seen("awaiting_approval", "PAUSED", name="Suspended", expires_in=-1)) is Remedy.EXPIRE
    assert remedy(seen("awaiting_answer", "PAUSED", lease_left=5, expires_in=-1)) is Remedy.EXPIRE


def test_a_run_in_its_queue_is_left_alone() -> None:
    """Scheduled runs wait for a worker."""
    assert remedy(seen("executing", "SCHEDULED")) is Remedy.NONE


def test_a_received_run_without_a_flow_run_gets_one() -> None:
    """Its client died between the ledger and Prefect."""
    assert remedy(seen("received", None)) is Remedy.CREATE
    assert remedy(seen("received", None, age=1)) is Remedy.NONE


def test_a_cancel_in_prefect_becomes_a_cancel_in_the_ledger() -> None:
    """The label alone would leave the job alive."""
    assert remedy(seen("executing", "CANCELLED")) is Remedy.CANCEL
    assert remedy(seen("cancelling", "CANCELLED")) is Remedy.RESTART


def test_an_ended_run_that_still_sleeps_is_woken_to_end_in_prefect_too() -> None:
    """Prefect's state agrees with the phase in the end."""
    assert remedy(seen("expired", "PAUSED", name="Suspended")) is Remedy.WAKE
    assert remedy(seen("completed", "COMPLETED")) is Remedy.NONE
