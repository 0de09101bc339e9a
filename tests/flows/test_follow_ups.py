"""Follow-ups on the running stack: accepted in Prefect's own form, run by a real schedule, stopped."""

from __future__ import annotations

from bq_copilot.phases import Phase
from tests.live import RECOVERY, Live
from tests.waiting import until


def test_a_follow_up_is_accepted_in_the_form_and_runs_by_its_schedule(stack: Live) -> None:
    """Proposed by the model, accepted with a grant in the form, run every few seconds without a word."""
    run = stack.ask("What was our total revenue in 2025? Please send me this every Monday")
    run.approve().wait(until={Phase.AWAITING_FOLLOW_UP}, timeout=RECOVERY)
    assert run.state.answer is not None, run.state.failure
    series = run.state.series[-1].id
    stack.in_state(run, "Paused", "Suspended", seconds=RECOVERY)
    filled = {"decision": "accept", "approval": "standing grant", "when": "every 3 seconds"}
    flow_run = stack.flow_run(run)["id"]
    answer = stack.prefect("POST", f"/flow_runs/{flow_run}/resume", {"run_input": filled})
    assert answer["status"] == "ACCEPT"
    assert run.wait(until={Phase.COMPLETED}, timeout=RECOVERY).phase is Phase.COMPLETED
    followups = stack.copilot.followups

    def ran() -> bool:
        return sum(r["outcome"] == "completed" for r in followups.show(series)["history"]) >= 2

    try:
        until(ran, RECOVERY)
    finally:
        followups.stop(series)
    found = followups.show(series)
    done = [r for r in found["history"] if r["outcome"] == "completed"]
    assert all(r["granted"] and r["reused"] and r["bytes_billed"] == 0 for r in done)
    assert found["follow_up"]["stands"] == "stopped"
    deployment = stack.prefect("GET", f"/deployments/name/follow-up/{series}")
    assert deployment["paused"] is True and deployment["work_queue_name"] == "follow-ups"
    for one in (run.run_id, *(r["run_id"] for r in done if r["run_id"])):
        assert stack.copilot.verify(one)[0]["verified"]
