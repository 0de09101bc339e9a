"""Approvals on the running stack: the Prefect form, codes, a policy that changed, a canary."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import open_environment
from bq_copilot import canary, codes, identity, signatures
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import Refused
from bq_copilot.local_user import local_user
from bq_copilot.phases import Phase
from bq_copilot.policy import Policy
from tests.live import PATIENCE, Live

QUESTION = "What was our total revenue in 2025?"
KEY, PUBLIC = signatures.new_key()
TIER_2 = {"tiers": [{"tier": 2, "always": True, "require_code": True}], "people": {"ben": {"key": PUBLIC}}}


def asked(copilot: Copilot, key: str | None = None) -> RunHandle:
    """Ask, and wait for the request."""
    run = copilot.ask(QUESTION, request_key=key, timeout=PATIENCE)
    assert run.phase is Phase.AWAITING_APPROVAL
    return run


def filled(stack: Live, run: RunHandle, **fields: Any) -> None:
    """Fill the form of the waiting flow run, as the Prefect UI does."""
    stack.in_state(run, "Paused", "Suspended")
    found = stack.flow_run(run)
    done = stack.prefect("POST", f"/flow_runs/{found['id']}/resume", {"run_input": {"decision": "approve", **fields}})
    assert done["status"] == "ACCEPT", done


def code_of(run: RunHandle) -> str:
    """Return ben's code for the open request."""
    plan = run.state.plan
    assert plan is not None and plan.request is not None
    expires = int(plan.request.expires_at.timestamp())
    return codes.sign(KEY, codes.Signed(plan.request.request_id, plan.digest, "approve", "ben", expires))


def events(run: RunHandle, kind: str) -> list[Any]:
    """Return the run's events of this kind."""
    return [u.event for u in run.updates() if u.kind == kind]


@pytest.fixture
def strict(stack: Live) -> Copilot:
    """An environment in which somebody else must approve with a code."""
    return stack.environment("strict", policy={"approvals": TIER_2})


def test_the_form_in_the_sandbox_names_nobody(stack: Live, copilot: Copilot) -> None:
    """A form without a code may decide tier 1 there, and is recorded as what it is."""
    run = asked(copilot)
    filled(stack, run)
    run.wait((), timeout=PATIENCE)
    (decided,) = events(run, "approval_decided")
    assert (decided.decision.by, decided.decision.identity) == ("unverified form user", "form")
    assert run.phase is Phase.COMPLETED


def test_the_form_needs_a_code_above_tier_1(stack: Live, strict: Copilot) -> None:
    """Without one it is refused and asked again, with ben's it executes; the requester's word is refused."""
    run = asked(strict)
    with pytest.raises(Refused, match="asked the question"):
        run.approve()
    filled(stack, run)
    run.wait(
        lambda s: bool(s.plan and s.plan.refused and s.plan.refused.decision.via == "prefect-form"), timeout=PATIENCE
    )
    filled(stack, run, approval_code=code_of(run))
    run.wait((), timeout=PATIENCE)
    (decided,) = events(run, "approval_decided")
    assert (decided.decision.by, decided.decision.identity, decided.decision.via) == ("ben", "code", "prefect-form")
    assert [r.failure.code for r in events(run, "decision_refused")] == ["own_request", "form_unverified"]
    assert strict.verify(run.run_id)[0]["verified"]


def test_a_policy_that_tightened_asks_again(stack: Live) -> None:
    """An approval of tier 1 does not execute once the policy asks tier 2; the new request is the stricter one."""
    loose: Mapping[str, Any] = {"tiers": [{"tier": 1, "always": True}], "people": {}}
    run = asked(stack.environment("tightening", policy={"approvals": loose}))
    stack.environment("tightening", policy={"approvals": TIER_2})
    run.approve()
    run.wait(lambda s: s.phase is Phase.AWAITING_APPROVAL and s.plan.revision == 2, timeout=PATIENCE)  # type: ignore[union-attr]
    assert run.phase is Phase.AWAITING_APPROVAL
    (void,) = events(run, "approval_voided")
    assert "tier 2" in void.changes[0]
    assert run.state.plan.request.approvers.tier == 2  # type: ignore[union-attr]
    assert stack.jobs_of_plan(run) == []
    run.approve(code=code_of(run)).wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED
    assert len(stack.jobs_of_plan(run)) == 1


def test_the_policy_of_this_moment_was_never_read_before(stack: Live) -> None:
    """What tightened right after a process had opened its blocks is seen by it, not only a while later."""
    stack.environment("moving", policy={"approvals": {"tiers": [{"tier": 1, "always": True}], "people": {}}})

    async def opened_then_tightened() -> tuple[Policy, Policy]:
        env = await open_environment("moving")
        await asyncio.to_thread(stack.environment, "moving", policy={"approvals": TIER_2})
        return env.policy, await env.policy_now()

    with temporary_settings({PREFECT_API_URL: stack.record.prefect_api_url}):
        found, now = asyncio.run(opened_then_tightened())
    assert [tier.tier for tier in found.approvals.tiers] == [1]
    assert [tier.tier for tier in now.approvals.tiers] == [2]


def test_an_approved_canary_runs_nothing(stack: Live) -> None:
    """It is recorded, the real request follows, and only that one sends a job."""
    rules = {"canary_rate": 0.2, "canary_seed": "live"}
    copilot = stack.environment("canaries", policy={"approvals": rules})
    policy = Policy.model_validate({"approvals": rules})
    keys = (uuid.uuid4().hex for _ in range(1_000))
    key = next(k for k in keys if canary.is_due(identity.run_id(local_user(), k), policy))
    run = asked(copilot, key)
    assert run.state.plan.request.canary  # type: ignore[union-attr]
    run.approve()
    run.wait(lambda s: s.phase is Phase.AWAITING_APPROVAL and not s.plan.request.canary, timeout=PATIENCE)  # type: ignore[union-attr]
    assert stack.jobs_of_plan(run) == []
    run.approve().wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED
    assert len(stack.jobs_of_plan(run)) == 1
