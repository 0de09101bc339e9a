"""Processes die by SIGKILL: the run's own, the worker, the Prefect server. Nobody acts, and the run converges."""

from __future__ import annotations

from bq_copilot.client import RunHandle
from bq_copilot.events import JobIntended, RunStarted, TurnTaken
from bq_copilot.phases import Phase
from tests.faults.conftest import QUESTION, AskKilled
from tests.live import PATIENCE, RECOVERY, Live, events_of
from tests.waiting import until


def once_each(run: RunHandle) -> bool:
    """True when no model turn was asked twice and no job was intended twice."""
    turns = [e.turn for e in events_of(run, TurnTaken)]
    jobs = [e.job_id for e in events_of(run, JobIntended)]
    return len(set(turns)) == len(turns) and len(set(jobs)) == len(jobs)


def recoveries(run: RunHandle) -> list[int]:
    """The attempts that took over from a dead process."""
    return [e.attempt for e in events_of(run, RunStarted) if e.reason == "recovered"]


def ends_well(stack: Live, run: RunHandle) -> None:
    """The run is completed with one job, each step done once, and receipts that verify."""
    run.wait((), timeout=RECOVERY)
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    assert len(stack.jobs_of_plan(run)) == 1
    assert once_each(run)
    assert run.receipts()["verified"]


def approved(run: RunHandle) -> RunHandle:
    """Approve as soon as it is asked for, however long the recovery before it takes."""
    run.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)
    return run.approve()


def test_F01_killed_between_two_steps_goes_on_where_it_stopped(stack: Live, ask_killed: AskKilled) -> None:
    """A SIGKILL after the first table was described: no step before it is done again."""
    run = ask_killed("call_answered:after-append")
    ends_well(stack, approved(run))
    assert recoveries(run) == [2]


def test_F01_killed_while_it_waits_is_woken_by_the_approval(stack: Live, waiting: RunHandle) -> None:
    """A SIGKILL in the warm window, then an approval: one job, one answer."""
    stack.kill(stack.process_of(waiting))
    waiting.approve()
    ends_well(stack, waiting)
    assert len(events_of(waiting, RunStarted)) == 2, "another process took it"


def test_F01_killed_while_its_job_runs_binds_to_the_same_job(stack: Live, executing: RunHandle) -> None:
    """A SIGKILL while the warehouse works: the job goes on, and its result is read once."""
    stack.kill(stack.process_of(executing))
    ends_well(stack, executing)
    assert recoveries(executing) == [2]


def test_F02_killed_after_the_effect_and_before_its_record(stack: Live, ask_killed: AskKilled) -> None:
    """The job was submitted, the process died before saying so: the job is found by its id and billed once."""
    run = ask_killed("job_submitted:before-append")
    ends_well(stack, approved(run))
    kinds = stack.kinds(run)
    assert kinds.index("job_intended") < len(kinds) - 1 - kinds[::-1].index("run_started")
    assert kinds.count("job_submitted") + kinds.count("job_adopted") == 1


def test_F02_an_unanswered_submit_is_adopted_not_repeated(stack: Live) -> None:
    """The warehouse took the job and the connection broke: it is looked up by its id and adopted."""
    run = stack.ask(QUESTION)
    stack.arm_warehouse("reset_after_accept", times=1, match={"job_id_prefix": f"bqc-{run.run_id}"})
    run.approve()
    ends_well(stack, run)
    assert "job_adopted" in stack.kinds(run)


def test_F03_killed_worker_leaves_no_run_behind(stack: Live, executing: RunHandle) -> None:
    """A SIGKILL of the worker: it comes back, the run's process outlives it, and the job is not sent again."""
    process, worker = stack.process_of(executing), stack.record.pids["worker"]
    stack.kill(worker)
    assert stack.holder_of(executing) == process
    until(lambda: stack.record.pids.get("worker", worker) != worker, 30)
    ends_well(stack, executing)
    assert recoveries(executing) == []


def test_F04_killed_server_while_the_job_runs(stack: Live, executing: RunHandle) -> None:
    """The Prefect server dies and comes back while the warehouse works: nothing is lost."""
    stack.kill_part("server")
    ends_well(stack, executing)
    assert stack.in_state(executing, "Completed")


def test_F04_a_decision_counts_while_the_server_is_down(stack: Live, waiting: RunHandle) -> None:
    """Approved through the ledger at the moment when no server answers: the run goes on when it is back."""
    stack.kill(stack.record.pids["server"])
    waiting.approve()
    assert "approval_decided" in stack.kinds(waiting)
    ends_well(stack, waiting)


def test_F29_a_run_that_kills_every_process_is_parked(stack: Live, ask_killed: AskKilled) -> None:
    """After some fruitless attempts the run waits for an operator, and another run is not blocked by it."""
    run = ask_killed("run_pinned:before-append", times=100)
    other = stack.ask(QUESTION)
    assert other.phase is Phase.AWAITING_APPROVAL
    other.cancel("only to see that it moves")
    run.wait((), timeout=2 * RECOVERY)
    error = run.show()["error"]
    assert run.phase is Phase.PARKED
    assert error is not None
    assert error["code"] == "poison"


def test_F10_cancelled_while_it_waits_ends_at_once(stack: Live, waiting: RunHandle) -> None:
    """Cancel in the approval wait: cancelled, with who did it, 0 bytes and no job."""
    waiting.cancel("changed my mind").wait((), timeout=PATIENCE)
    view = waiting.show()
    assert (view["phase"], view["spent"]["bytes_billed"]) == (Phase.CANCELLED, 0)
    assert view["cancel_requested_by"]
    assert stack.jobs_of_plan(waiting) == []
    stack.in_state(waiting, "Cancelled", "Cancelling")


def test_F11_cancelled_while_its_job_runs_leaves_no_live_job(stack: Live, executing: RunHandle) -> None:
    """The warehouse says DONE before the run says cancelled."""
    executing.cancel("too slow").wait((), timeout=PATIENCE)
    assert executing.phase is Phase.CANCELLED
    (job,) = stack.jobs_of_plan(executing)
    assert job["status"]["state"] == "DONE"
    assert job["status"]["errorResult"]["reason"] == "stopped"
