"""The model talks nonsense, the warehouse fails for a while, a result is too large, a plan is not safe."""

from __future__ import annotations

from bq_copilot.client import Copilot
from bq_copilot.events import CallAnswered, PlanRuled, TurnRequested, Waited
from bq_copilot.phases import Phase
from tests.faults.conftest import QUESTION
from tests.live import PATIENCE, RECOVERY, Live, asks_about, events_of

KEPT_ROWS = 1_000


def test_F07_a_rate_limit_of_the_model_is_waited_for(stack: Live) -> None:
    """429 with Retry-After: the run records that it waits, until when and why, and goes on."""
    stack.arm_model("rate_limit", times=1, retry_after=2)
    run = stack.ask(QUESTION)
    waited = events_of(run, Waited)
    assert run.phase is Phase.AWAITING_APPROVAL
    assert [w.reason for w in waited] == ["model rate limit"]
    shown = stack.prefect("GET", f"/flow_run_states/?flow_run_id={stack.flow_run(run)['id']}")
    assert f"waiting: model rate limit, next try {waited[0].until:%H:%M:%S} UTC" in [s["message"] for s in shown]
    run.cancel("enough")


def test_F07_a_rate_limit_of_the_warehouse_is_waited_for(stack: Live) -> None:
    """403 rateLimitExceeded at the submit: the same job id is sent again, and billed once."""
    run = stack.ask(QUESTION)
    stack.arm_warehouse("rate_limit_403", times=2, match={"job_id_prefix": f"bqc-{run.run_id}"})
    run.approve().wait((), timeout=RECOVERY)
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    assert len(stack.jobs_of_plan(run)) == 1


def test_F09_no_approval_lifts_a_denied_edit(stack: Live) -> None:
    """A person's edit that writes is denied with the rule's name; what can be approved is the plan from before."""
    run = stack.ask(QUESTION)
    run.edit({"q1": "DELETE FROM `bq-copilot-sandbox.shop.orders` WHERE TRUE"})
    run.wait(asks_about(3), timeout=PATIENCE)
    ruled = events_of(run, PlanRuled)
    assert [v.ruling for v in ruled[1].verdicts] == ["deny"]
    approval = run.show()["approval"]
    assert approval is not None
    assert "DELETE" not in approval["sql"][0]
    run.cancel("enough")


def test_F21_an_unusable_call_is_repaired(stack: Live) -> None:
    """The model is told what was wrong with its call, twice for two different ones, and the run goes on."""
    stack.arm_model("malformed_call", times=1)
    stack.arm_model("unknown_tool", times=1)
    run = stack.ask(QUESTION)
    codes = [e.code for e in events_of(run, CallAnswered) if not e.ok]
    assert run.phase is Phase.AWAITING_APPROVAL
    assert len(set(codes)) == 2
    run.cancel("enough")


def test_F21_a_model_that_never_makes_sense_ends_the_run(stack: Live) -> None:
    """After a bounded number of repairs the run fails and says so."""
    stack.arm_model("malformed_call", times=50)
    run = stack.ask(QUESTION)
    error = run.show()["error"]
    assert run.phase is Phase.FAILED
    assert error is not None
    assert "model output unusable" in error["message"]


def test_F21_an_endless_loop_ends_with_the_budget(stack: Live) -> None:
    """A model that only ever lists tables spends the run's turns, and no more."""
    brief: Copilot = stack.environment("brief", policy={"budgets": {"turns": 6}})
    stack.arm_model("endless_loop", times=50)
    run = brief.ask(QUESTION, timeout=PATIENCE)
    error = run.show()["error"]
    assert (run.phase, len(run.state.turns)) == (Phase.FAILED, 6)
    assert error is not None
    assert error["code"] == "budget_turns"


def test_F26_a_large_result_is_cut_and_says_so(stack: Live) -> None:
    """All orders, one row each: the count is right, a page is kept, and the model gets far less than that."""
    run = stack.ask(QUESTION)
    run.edit({"q1": "SELECT order_id, order_date, total FROM `bq-copilot-sandbox.shop.orders`"})
    run.wait(asks_about(2), timeout=PATIENCE)
    run.approve().wait((), timeout=PATIENCE)
    (result,) = run.show()["results"]
    assert (result["truncated"], len(result["rows"])) == (True, KEPT_ROWS)
    assert result["row_count"] > 300_000
    prompts = [e.prompt_bytes for e in events_of(run, TurnRequested)]
    assert max(prompts) < 200_000
