"""The recovery table: who is left alone, who is woken, who is restarted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bq_copilot.ledger import Lease, RunHead
from bq_copilot.prefect_api import FlowRun
from bq_copilot.recovering import Remedy, Witnesses, remedy

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def seen(
    phase: str, state: str | None, *, name: str = "", age: float = 60, skew: float = 0, **more: object
) -> Witnesses:
    """Return witnesses of a run in `phase` whose flow run has been in `state` for `age` seconds.

    `skew` is how many seconds the Prefect server's clock is ahead of the ledger's.
    """
    since = NOW - timedelta(seconds=age)
    expires = NOW + timedelta(seconds=float(str(more.get("expires_in", 3600))))
    head = RunHead("r-1", 3, phase, "q", "ana", since, since, expires, "f-1")
    flow_run = FlowRun("f-1", "n", state, name or state.title(), since) if state else None
    lease = None
    if "lease_left" in more:
        lease = Lease("r-1", "h:1:1", 1, NOW + timedelta(seconds=float(str(more["lease_left"]))))
    server_now = NOW + timedelta(seconds=skew) if skew else None
    if flow_run and skew:
        flow_run = FlowRun("f-1", "n", flow_run.state_type, flow_run.state_name, since + timedelta(seconds=skew))
    dead_for = float(str(more.get("dead_for", 3_600)))
    tries, starting = int(str(more.get("tries", 0))), bool(more.get("starting", False))
    dead = bool(more.get("dead", False))
    taker_is_dead = bool(more.get("taker_is_dead", False))
    return Witnesses(head, lease, dead, flow_run, NOW, server_now, dead_for, tries, starting, taker_is_dead)


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "FAILED", "PENDING", "CANCELLED", "SCHEDULED"])
def test_a_run_with_a_live_lease_is_never_touched(state: str) -> None:
    """Prefect's word alone proves no death."""
    assert remedy(seen("executing", state, lease_left=5)) is Remedy.NONE


def test_a_live_run_that_prefect_calls_crashed_is_only_called_running_again() -> None:
    """A worker's second report of the crash before hits the process after it; nothing is started."""
    assert remedy(seen("executing", "CRASHED", lease_left=5)) is Remedy.RELABEL
    assert remedy(seen("executing", "CRASHED", lease_left=5, age=0.5)) is Remedy.NONE
    assert remedy(seen("awaiting_approval", "CRASHED", lease_left=5)) is Remedy.NONE


def test_a_live_run_that_no_worker_stops_is_told_of_the_cancel_by_the_ledger() -> None:
    """The worker that should have stopped it may be gone."""
    assert remedy(seen("executing", "CANCELLING", lease_left=5)) is Remedy.CANCEL
    assert remedy(seen("cancelling", "CANCELLING", lease_left=5)) is Remedy.NONE
    assert remedy(seen("executing", "CANCELLING", lease_left=5, age=2)) is Remedy.NONE


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


def test_a_dead_holder_speaks_only_for_the_state_that_it_died_in() -> None:
    """The process after it gets the time to start that any process gets."""
    old = {"lease_left": 10, "dead": True}
    assert remedy(seen("executing", "RUNNING", age=30, dead_for=3, **old)) is Remedy.RESTART
    assert remedy(seen("executing", "RUNNING", age=1, dead_for=3, **old)) is Remedy.NONE
    assert remedy(seen("executing", "PENDING", age=5, dead_for=9, **old)) is Remedy.NONE


def test_the_workers_own_report_is_waited_for_but_not_for_long() -> None:
    """A worker that lives says Crashed within two seconds; then the run goes on at once."""
    old = {"lease_left": 10, "dead": True}
    assert remedy(seen("executing", "RUNNING", age=30, dead_for=1, **old)) is Remedy.NONE
    assert remedy(seen("executing", "CRASHED", age=0.1, dead_for=0.2, **old)) is Remedy.NONE
    assert remedy(seen("executing", "CRASHED", age=0.1, dead_for=1.0, **old)) is Remedy.RESTART


def test_a_machine_that_is_too_busy_to_start_anything_is_given_more_time_each_time() -> None:
    """Starting again what is still starting would only make it busier."""
    assert remedy(seen("executing", "PENDING", age=15)) is Remedy.RESTART
    assert remedy(seen("executing", "PENDING", age=15, tries=1)) is Remedy.NONE
    assert remedy(seen("executing", "PENDING", age=30, tries=1)) is Remedy.RESTART
    assert remedy(seen("executing", "PENDING", age=110, starting=True)) is Remedy.NONE
    assert remedy(seen("executing", "PENDING", age=130, starting=True)) is Remedy.RESTART


@pytest.mark.parametrize("skew", [-3_600.0, 3_600.0])
def test_a_server_whose_clock_is_wrong_delays_and_hastens_nothing(skew: float) -> None:
    """Ages are taken within one clock: the server's with the server's."""
    assert remedy(seen("executing", "RUNNING", age=60, skew=skew)) is Remedy.RESTART
    assert remedy(seen("executing", "RUNNING", age=1, skew=skew)) is Remedy.NONE


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


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "PAUSED", "CRASHED", "CANCELLING"])
def test_an_ended_run_that_prefect_still_believes_in_is_closed(state: str) -> None:
    """Its process died between the last event and Prefect's last state."""
    assert remedy(seen("completed", state)) is Remedy.RESTART
    assert remedy(seen("completed", state, age=1)) is Remedy.NONE
    assert remedy(seen("completed", state, lease_left=5)) is Remedy.NONE


@pytest.mark.parametrize(
    ("phase", "state"), [("cancelled", "FAILED"), ("completed", "CANCELLED"), ("failed", "COMPLETED")]
)
def test_F11_an_ended_run_that_ended_otherwise_in_prefect_is_put_right(phase: str, state: str) -> None:
    """After a moment; once two processes could not say it, without one."""
    assert remedy(seen(phase, state)) is Remedy.RESTART
    assert remedy(seen(phase, state, tries=2)) is Remedy.SETTLE
    assert remedy(seen(phase, state, age=1)) is Remedy.NONE
    assert remedy(seen(phase, state, lease_left=5)) is Remedy.NONE


def test_a_run_whose_worker_died_with_it_in_hand_is_restarted_soon() -> None:
    """Whoever took it cannot start it any more; without that proof a start may be slow, and is waited for."""
    assert remedy(seen("received", "PENDING", age=3, taker_is_dead=True)) is Remedy.RESTART
    assert remedy(seen("received", "PENDING", age=3)) is Remedy.NONE
    assert remedy(seen("received", "PENDING", age=1, taker_is_dead=True)) is Remedy.NONE
    assert remedy(seen("received", "PENDING", age=3, taker_is_dead=True, lease_left=5)) is Remedy.NONE
    assert remedy(seen("received", "PENDING", age=15, taker_is_dead=True, tries=3)) is Remedy.RESTART
