"""F30: many runs at once. Each requester has a share, people who wait go first, the dead hold no place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from bq_copilot.queues import PER_REQUESTER, queue_of
from tests.faults.conftest import QUESTION
from tests.live import PATIENCE, RECOVERY, Live
from tests.waiting import until


def queues(stack: Live) -> dict[str, dict[str, Any]]:
    """The work pool's queues by name."""
    return {q["name"]: q for q in stack.prefect("POST", "/work_pools/bq-copilot/queues/filter", {})}


def states(stack: Live, runs: list[RunHandle]) -> list[str]:
    """The states of their flow runs, in Prefect's words."""
    return [stack.flow_run(run)["state"]["type"] for run in runs]


def time_of(run: RunHandle, kind: str) -> datetime:
    """When the first event of this kind was recorded."""
    return next(u.at for u in run.updates() if u.kind == kind)


def test_F30_each_requester_has_a_queue_and_cannot_take_the_place_of_another(stack: Live) -> None:
    """It is made with the first question, limited, and stands before all that nobody waits for. With one place each,
    the second run of one starts after the first has ended; somebody else's does not wait."""
    first = stack.copilot.ask(QUESTION, requester="fair-ben", timeout=PATIENCE)
    mine, found = queue_of("fair-ben").name, queues(stack)
    assert stack.flow_run(first)["work_queue_name"] == mine
    assert found[mine]["concurrency_limit"] == PER_REQUESTER
    assert found[mine]["priority"] < found["interactive"]["priority"] < found["follow-ups"]["priority"]
    stack.prefect("PATCH", f"/work_pools/bq-copilot/queues/{mine}", {"concurrency_limit": 1})
    stack.arm_warehouse("slow_job", seconds=12, match={"job_id_prefix": f"bqc-{first.run_id}"})
    first.approve()
    first.wait(lambda s: "job_submitted" in stack.kinds(first), timeout=PATIENCE)
    second = stack.copilot.ask(QUESTION, requester="fair-ben", wait=False)
    other = stack.copilot.ask(QUESTION, requester="fair-cora", wait=False)
    for run in (second, other):
        run.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)
        run.cancel("seen")
    assert time_of(second, "run_started") > time_of(first, "job_finished") > time_of(other, "run_started")
    assert first.wait((), timeout=PATIENCE).phase is Phase.COMPLETED


def test_F30_a_dead_process_gives_its_place_back(stack: Live) -> None:
    """The only place of a requester is held by a run whose process dies: both of their runs end."""
    first = stack.copilot.ask(QUESTION, requester="fair-dora", timeout=PATIENCE)
    name = queue_of("fair-dora").name
    stack.prefect("PATCH", f"/work_pools/bq-copilot/queues/{name}", {"concurrency_limit": 1})
    stack.arm_warehouse("slow_job", seconds=4, match={"job_id_prefix": f"bqc-{first.run_id}"})
    first.approve()
    first.wait(lambda s: "job_submitted" in stack.kinds(first), timeout=PATIENCE)
    second = stack.copilot.ask(QUESTION, requester="fair-dora", wait=False)
    stack.kill(stack.process_of(first))
    first.wait((), timeout=RECOVERY)
    second.wait({Phase.AWAITING_APPROVAL}, timeout=RECOVERY)
    assert first.phase is Phase.COMPLETED
    second.cancel("seen")
    until(lambda: states(stack, [second]) == ["CANCELLED"], RECOVERY)
