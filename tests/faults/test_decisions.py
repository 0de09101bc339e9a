"""People decide late, twice, without the right to, or about something that has changed meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import ApprovalDecided, ApprovalVoided
from bq_copilot.phases import Phase
from tests.faults.conftest import QUESTION
from tests.live import PATIENCE, PROJECT, Live, asks_about, events_of

HASTY = {"approvals": {"expire_after_seconds": 6}}


@pytest.fixture(scope="module")
def hasty(session_stack: Live) -> Copilot:
    """An environment in which a request expires after six seconds."""
    session_stack.healthy()
    return session_stack.environment("hasty", policy=HASTY)


@pytest.fixture(scope="module")
def expired(hasty: Copilot) -> RunHandle:
    """A run whose request nobody decided in time."""
    run = hasty.ask(QUESTION, timeout=PATIENCE)
    assert run.phase is Phase.AWAITING_APPROVAL
    return run.wait((), timeout=PATIENCE)


@pytest.fixture(scope="module")
def two_eyes(session_stack: Live) -> Copilot:
    """An environment in which nobody approves their own request."""
    session_stack.healthy()
    return session_stack.environment("two-eyes", policy={"approvals": {"tiers": [{"tier": 2, "always": True}]}})


@pytest.fixture
def scratch_table(stack: Live) -> Iterator[str]:
    """A small table of this test's own among the allowed ones: `shop.promotions(code)`."""
    tables = f"{stack.record.warehouse_url}/bigquery/v2/projects/{PROJECT}/datasets/shop/tables"
    make_promotions(tables, "code")
    yield tables
    httpx.delete(f"{tables}/promotions", timeout=20)


def make_promotions(tables: str, *columns: str) -> None:
    """Make the table anew with these columns."""
    httpx.delete(f"{tables}/promotions", timeout=20)
    schema = {"fields": [{"name": name, "type": "STRING"} for name in columns]}
    reference = {"projectId": PROJECT, "datasetId": "shop", "tableId": "promotions"}
    httpx.post(tables, json={"tableReference": reference, "schema": schema}, timeout=20).raise_for_status()


def test_F08_an_undecided_request_expires(stack: Live, expired: RunHandle) -> None:
    """Nobody decides: the run ends as expired by itself, and nothing was executed."""
    run = expired
    error = run.show()["error"]
    assert run.phase is Phase.EXPIRED
    assert error is not None
    assert "0 bytes billed" in error["message"]
    assert stack.jobs_of_plan(run) == []


def test_F17_a_late_decision_is_refused_and_recorded(stack: Live, expired: RunHandle) -> None:
    """An approval after the expiry is told when it expired, is in the receipts, and wakes nothing."""
    run = expired
    with pytest.raises(Refused, match="expired at"):
        run.approve()
    assert run.phase is Phase.EXPIRED
    assert stack.kinds(run)[-1] == "decision_refused"
    assert stack.jobs_of_plan(run) == []


def test_F15_one_request_key_is_one_run_and_one_question(stack: Live, copilot: Copilot) -> None:
    """Two submissions at the same moment: one run, one flow run; the key never answers another question."""
    with ThreadPoolExecutor(2) as pool:
        asks = [pool.submit(stack.ask, QUESTION, key="f15") for _ in range(2)]
        first, second = (a.result() for a in asks)
    assert first.run_id == second.run_id
    assert stack.flow_run(first)["idempotency_key"] == first.run_id
    with pytest.raises(Conflict, match="another question"):
        copilot.ask("How many customers do we have in each country?", request_key="f15", wait=False)
    first.cancel("enough")


def test_F16_approve_against_reject_has_one_winner(stack: Live, waiting: RunHandle) -> None:
    """Two processes decide at the same moment: one decision event, and the loser is told who won and how."""
    environ = {**stack.environ, "BQ_COPILOT_HOME": str(stack.home.root)}
    verbs = ("approve", "reject")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "bq_copilot.cli", verb, waiting.run_id, "--json"],
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for verb in verbs
    ]
    said = [json.loads(p.communicate(timeout=PATIENCE)[0]) for p in started]
    waiting.wait((), timeout=PATIENCE)
    (decided,) = [e.decision for e in events_of(waiting, ApprovalDecided)]
    loser = said[1 - verbs.index(decided.verdict)]
    assert loser["error"]["verdict"] == decided.verdict
    assert loser["error"]["winner"] == decided.by
    assert len(stack.jobs_of_plan(waiting)) == (decided.verdict == "approve")


def test_F18_a_requester_does_not_approve_above_tier_one(stack: Live, two_eyes: Copilot) -> None:
    """Somebody else must approve: the requester is told so, the attempt is recorded, nothing runs."""
    run = two_eyes.ask(QUESTION, timeout=PATIENCE)
    with pytest.raises(Refused) as told:
        run.approve()
    assert told.value.code == "own_request"
    assert run.phase is Phase.AWAITING_APPROVAL
    assert "decision_refused" in stack.kinds(run)
    assert stack.jobs_of_plan(run) == []
    run.cancel("enough")


def test_F20_a_schema_that_changed_after_the_request_voids_the_approval(stack: Live, scratch_table: str) -> None:
    """A column is added while a person thinks: the approval is void, and the new request says what changed."""
    run = stack.ask(QUESTION)
    run.edit({"q1": f"SELECT COUNT(code) AS codes FROM `{PROJECT}.shop.promotions`"})
    run.wait(asks_about(2), timeout=PATIENCE)
    make_promotions(scratch_table, "code", "added")
    run.approve()
    run.wait(asks_about(3), timeout=PATIENCE)
    (voided,) = events_of(run, ApprovalVoided)
    approval = run.show()["approval"]
    assert any("schema" in change for change in voided.changes)
    assert approval is not None
    assert "Asked again" in approval["note"]
    assert stack.jobs_of_plan(run) == []
    run.approve().wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED, run.show()["error"]


def test_F20_a_policy_that_became_stricter_voids_the_approval(stack: Live) -> None:
    """Four eyes are asked for while one person thinks: what was approved alone does not run."""
    lax = stack.environment("drifting", policy={"name": "drifting"})
    run = lax.ask(QUESTION, timeout=PATIENCE)
    stack.environment("drifting", policy={"name": "drifting", "approvals": {"tiers": [{"tier": 2, "always": True}]}})
    run.approve()
    run.wait(asks_about(2), timeout=PATIENCE)
    assert "approval_voided" in stack.kinds(run)
    assert stack.jobs_of_plan(run) == []
    run.cancel("enough")
