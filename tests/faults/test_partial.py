"""F13, F14: a question of two parts through the whole product: one card, two jobs, one fails, the rest is retried."""

from __future__ import annotations

from bq_copilot.phases import Phase
from tests.live import RECOVERY, Live

QUESTION = "Revenue per month in 2025 and also revenue per country in 2025"
QUOTA = "Quota exceeded: your project exceeded quota for bytes scanned"
EACH = 10 * 2**20


def test_F14_F13_one_query_of_two_fails_and_a_retry_runs_only_that_one(stack: Live) -> None:
    """Both stand on one card; the run is partial with the bytes of each; the retry asks nobody and bills one job more.

    The first job breaks down for a passing reason on its way (F14) and is tried again under its own number.
    """
    run = stack.ask(QUESTION)
    approval = run.show()["approval"]
    assert approval is not None and len(approval["sql"]) == 2
    job = f"bqc-{run.run_id}-q"
    stack.arm_warehouse("fail_after_commit", times=1, match={"job_id_prefix": f"{job}1-v1-a1"})
    stack.arm_warehouse("quota_exceeded", times=1, match={"method": "jobs.insert", "job_id_prefix": f"{job}2"})
    run.approve().wait((), timeout=RECOVERY)
    view, error = run.show(), run.show()["error"]
    assert (run.phase, [p["state"] for p in view["parts"]]) == (Phase.PARTIAL, ["finished", "failed"])
    assert [(p["attempts"], p["bytes_billed"]) for p in view["parts"]] == [(2, 2 * EACH), (1, 0)]
    assert error is not None
    assert error["message"] == f"partial: 1 of 2 queries finished (20.0 MiB billed); q2 failed: {QUOTA}"
    assert error["next"] == f"`bq-copilot retry {run.run_id}` runs only the rest; what finished stays readable."
    assert [p["advice"] for p in view["parts"]] == ["it is not run again", "safe, once the quota is there again"]
    assert len(run.page("q1")) == 12
    stack.in_state(run, "Partial")

    run.retry("the quota is there again").wait((), timeout=RECOVERY)
    jobs = sorted((j["query"], j["attempt"], j["ok"]) for j in run.show()["jobs"])
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    assert jobs == [("q1", 1, False), ("q1", 2, True), ("q2", 1, False), ("q2", 2, True)]
    assert stack.kinds(run).count("approval_requested") == 1
    assert {c["query"] for c in run.show()["answer"]["citations"]} == {"q1", "q2"}
    stack.in_state(run, "Completed")
