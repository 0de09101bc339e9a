"""What the fault tests share: the deployment that can be killed at a named point, and a question that takes long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from tests.faults.killable_deployment import deploy_killable
from tests.live import PATIENCE, Live

QUESTION = "What was our total revenue in 2025?"

AskKilled = Callable[..., RunHandle]


@pytest.fixture(scope="session")
def killable(session_stack: Live) -> str:
    """Full name of a deployment of the same flow, loaded from `killable_analysis.py`."""
    session_stack.healthy()
    return deploy_killable(session_stack, "analyze/killable")


@pytest.fixture
def ask_killed(stack: Live, killable: str) -> AskKilled:
    """Ask with a process that dies at a point, e.g. `job_submitted:before-append`; does not wait."""

    def ask(point: str, times: int = 1, **parameters: object) -> RunHandle:
        variables = {"BQ_COPILOT_KILL_AT": point, "BQ_COPILOT_KILL_TIMES": str(times)}
        return stack.ask_with(QUESTION, deployment=killable, variables=variables, **parameters)

    return ask


@pytest.fixture
def waiting(stack: Live) -> RunHandle:
    """A run that waits for an approval, its process still there."""
    run = stack.ask(QUESTION)
    assert run.phase is Phase.AWAITING_APPROVAL
    return run


@pytest.fixture
def executing(stack: Live) -> RunHandle:
    """A run whose approved job takes ten seconds and has begun."""
    return executing_for(stack, seconds=10)


def executing_for(stack: Live, seconds: float) -> RunHandle:
    """Return a run whose approved job takes so long, if nobody stops it, and has begun."""
    stack.arm_warehouse("slow_job", seconds=seconds, match={"job_id_prefix": "bqc-"})
    run = stack.ask(QUESTION)
    run.approve()
    return run.wait(lambda s: "job_submitted" in stack.kinds(run), timeout=PATIENCE)
