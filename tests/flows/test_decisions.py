"""What a person may decide about a plan, through the public API, and what becomes of it."""

from __future__ import annotations

import pytest

from bq_copilot.client import RunHandle
from bq_copilot.events import ApprovalDecided
from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live, asks_about, events_of, rows_of
from tests.sample_data.frames import Frames

QUESTION = "What was our total revenue in 2025?"
ORDERS = "`bq-copilot-sandbox.shop.orders`"


@pytest.fixture
def waiting(stack: Live) -> RunHandle:
    """A run that waits for an approval, its process still there."""
    run = stack.ask(QUESTION)
    assert run.phase is Phase.AWAITING_APPROVAL
    return run


def test_a_rejected_plan_never_runs(stack: Live, waiting: RunHandle) -> None:
    """Reject ends the run with the person's words, and no job was sent."""
    waiting.reject("wrong year").wait((), timeout=PATIENCE)
    error = waiting.show()["error"]
    assert waiting.phase is Phase.REJECTED
    assert error is not None
    assert "wrong year" in error["message"]
    assert stack.jobs_of_plan(waiting) == []


def test_an_allowed_edit_runs_the_new_sql(stack: Live, waiting: RunHandle, all_frames: Frames) -> None:
    """The edited query is asked about again, and it is the one job that runs."""
    sql = f"SELECT COUNT(*) AS orders FROM {ORDERS}"
    first = waiting.show()["approval"]
    assert first is not None
    waiting.edit({"q1": sql})
    waiting.wait(asks_about(2), timeout=PATIENCE)
    again = waiting.show()["approval"]
    assert again is not None
    assert again["digest"] != first["digest"]
    waiting.approve(digest=again["digest"]).wait((), timeout=PATIENCE)
    assert rows_of(waiting) == [[len(all_frames.orders)]]
    assert len(stack.jobs_of_plan(waiting)) == 1
    answer = waiting.show()["answer"]
    assert answer is not None and "A person changed the SQL" in answer["summary"], "the model was not told"


def test_a_denied_edit_brings_the_old_plan_back_with_a_note(stack: Live, waiting: RunHandle) -> None:
    """An edit that reads personal data is not run: the plan from before it is asked about again, and says why."""
    before = waiting.show()["approval"]
    waiting.edit({"q1": "SELECT email FROM `bq-copilot-sandbox.shop.customers`"})
    waiting.wait(asks_about(3), timeout=PATIENCE)
    after = waiting.show()["approval"]
    assert before is not None
    assert after is not None
    assert after["sql"] == before["sql"]
    assert "not accepted" in after["note"]
    assert stack.jobs_of_plan(waiting) == []
    waiting.cancel("the test has seen enough")


@pytest.mark.parametrize(("warm_seconds", "state"), [(120, "Paused"), (0, "Suspended")])
def test_an_approval_wakes_a_warm_and_a_suspended_run(stack: Live, warm_seconds: int, state: str) -> None:
    """Whether its process still waits or has ended, an approved run goes on and sends one job."""
    run = stack.ask_with(QUESTION, warm_seconds=warm_seconds).wait(timeout=PATIENCE)
    stack.in_state(run, state)
    run.approve().wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    assert len(stack.jobs_of_plan(run)) == 1
    assert stack.in_state(run, "Completed")


def test_the_decision_is_in_the_receipts_with_its_author(waiting: RunHandle) -> None:
    """The one decision event names who decided, by what way, and about which digest."""
    approval = waiting.show()["approval"]
    assert approval is not None
    waiting.approve(reason="fine").wait((), timeout=PATIENCE)
    (event,) = events_of(waiting, ApprovalDecided)
    decision = event.decision
    assert (decision.verdict, decision.via, decision.digest) == ("approve", "api", approval["digest"])
    assert decision.reason == "fine"
    assert decision.by
