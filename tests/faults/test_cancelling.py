"""F10, F11: cancels through Prefect's own button, and while the warehouse does not answer, on the running stack."""

from __future__ import annotations

from typing import Any

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from tests.faults.conftest import QUESTION, executing_for
from tests.live import PATIENCE, RECOVERY, Live
from tests.waiting import until


def press_cancel(stack: Live, run: RunHandle) -> None:
    """Do what the button in the Prefect UI does."""
    state = {"type": "CANCELLING", "name": "Cancelling"}
    stack.prefect("POST", f"/flow_runs/{stack.flow_run(run)['id']}/set_state", {"state": state, "force": False})


def alarms(stack: Live, run: RunHandle) -> list[dict[str, Any]]:
    """Prefect's events about cancels of this run that could not be confirmed."""
    resource = {"id": [f"bq-copilot.run.{run.run_id}"]}
    body = {"filter": {"event": {"name": ["bq-copilot.cancel-unconfirmed"]}, "resource": resource}}
    return stack.prefect("POST", "/events/filter", body)["events"]


def test_F10_prefects_button_ends_a_sleeping_run(stack: Live) -> None:
    """The run has no process; the ledger gets the cancel, with where it came from, and ends at 0 bytes."""
    waiting = stack.ask_with(QUESTION, warm_seconds=0).wait(timeout=PATIENCE)
    stack.suspended(waiting)
    press_cancel(stack, waiting)
    waiting.wait((), timeout=RECOVERY)
    error = waiting.show()["error"]
    assert error is not None
    assert error["message"] == "cancelled by somebody in the Prefect UI (0 bytes billed)"
    stack.in_state(waiting, "Cancelled")


def test_F10_prefects_button_just_before_the_run_waits_is_not_written_over(stack: Live) -> None:
    """Pressed while the process prepares the plan: it does not go to sleep over it, and the run ends as cancelled."""
    run = stack.ask_with(QUESTION, warm_seconds=0)
    until(lambda: "turn_requested" in stack.kinds(run), PATIENCE)
    press_cancel(stack, run)
    run.wait((), timeout=RECOVERY)
    assert run.phase is Phase.CANCELLED
    stack.in_state(run, "Cancelled", seconds=RECOVERY)


def test_F11_prefects_button_stops_the_job(stack: Live) -> None:
    """Prefect kills the process; the job is stopped all the same before anybody says cancelled."""
    executing = executing_for(stack, seconds=120)
    press_cancel(stack, executing)
    executing.wait((), timeout=RECOVERY)
    assert executing.phase is Phase.CANCELLED
    (job,) = stack.jobs_of_plan(executing)
    assert job["status"]["errorResult"]["reason"] == "stopped"
    stack.in_state(executing, "Cancelled", seconds=RECOVERY)


def test_F11_a_warehouse_that_does_not_answer_makes_a_cancel_unconfirmed(stack: Live, executing: RunHandle) -> None:
    """It is said, an event is raised to alert on; in the end the run says what the warehouse says."""
    stack.arm_warehouse("503", times=2, match={"method": "jobs.cancel"})
    executing.cancel("too slow")
    executing.wait(lambda s: s.unconfirmed is not None, timeout=PATIENCE)
    waited = executing.state.waiting
    assert waited is None or waited.reason.startswith("cancel unconfirmed: cancelling bqc-")
    assert until(lambda: alarms(stack, executing), PATIENCE)
    executing.wait((), timeout=RECOVERY)
    (job,) = stack.jobs_of_plan(executing)
    stopped = job["status"].get("errorResult", {}).get("reason") == "stopped"
    assert executing.phase is (Phase.CANCELLED if stopped else Phase.COMPLETED)
    assert "cancel_unconfirmed" in stack.kinds(executing)
    stack.in_state(executing, "Cancelled" if stopped else "Completed", seconds=RECOVERY)
