"""The Python API: the same verbs, against the same ledger."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bq_copilot import Copilot, RunHandle
from bq_copilot.errors import Conflict, Refused, Unreachable
from bq_copilot.journal import UnknownRun
from bq_copilot.local_user import local_user
from bq_copilot.policy import Policy
from tests import recorded_runs as rr
from tests.cli.prefect_double import PrefectDouble
from tests.cli.worker_double import WorkerDouble


def handle_of(run: rr.Recording) -> RunHandle:
    """Open a recorded run through the API."""
    return Copilot(installation=run.installation).run(run.run_id)


def test_ask_returns_when_a_person_is_needed(home: Path, prefect: PrefectDouble) -> None:
    """`ask` comes back at the approval; approving and waiting gives the answer."""
    prefect.on_create = WorkerDouble(home)
    run = Copilot().ask(rr.QUESTION, timeout=20)
    assert run.phase == "awaiting_approval"
    run.approve().wait(until="completed", timeout=20)
    answer = run.show()["answer"]
    assert answer and answer["summary"].startswith("US leads")


def test_a_stream_yields_every_event_once_until_the_end(home: Path, prefect: PrefectDouble) -> None:
    """Updates come in order without gaps, and the stream ends with the run."""
    run = rr.finished(home)
    updates = list(Copilot().run(run.run_id).stream(timeout=5))
    assert [u.seq for u in updates] == list(range(1, run.state.seq + 1))
    assert (updates[-1].kind, updates[-1].phase) == ("run_ended", "completed")


def test_a_stream_goes_on_after_the_seq_that_was_seen_last(home: Path) -> None:
    """A reader that was restarted misses nothing and sees nothing twice."""
    run = rr.finished(home)
    assert [u.seq for u in Copilot().run(run.run_id).stream(after=20)] == [21, 22, 23]


def test_waiting_too_long_raises_and_leaves_the_run_alone(home: Path) -> None:
    """A timeout is Python's own TimeoutError; nothing is recorded for it."""
    run = rr.waiting_for_approval(home)
    handle = Copilot().run(run.run_id)
    with pytest.raises(TimeoutError):
        handle.wait(until=["completed"], timeout=0.05)
    assert handle.state.seq == run.state.seq


def test_a_result_is_a_data_frame(home: Path) -> None:
    """The stored page comes back with its column names; the answer's own query is the default."""
    frame = handle_of(rr.finished(home)).result()
    assert list(frame.columns) == ["country", "orders"]
    assert frame["orders"].sum() == 221_651


def test_a_result_that_is_not_there_is_refused_with_the_names_that_are(home: Path) -> None:
    """Asking for a query without a result names those that have one."""
    handle = handle_of(rr.finished(home))
    with pytest.raises(Refused, match="it has q1"):
        handle.result("q9")


def test_errors_are_typed(home: Path) -> None:
    """An unknown run, a lost race and an unknown stack each have their own class."""
    run = rr.waiting_for_approval(home).decided(by="bob")
    with pytest.raises(UnknownRun):
        Copilot().run("r-x")
    with pytest.raises(Conflict) as caught:
        Copilot().run(run.run_id).reject("no")
    assert (caught.value.winner, caught.value.verdict) == ("bob", "approve")
    with pytest.raises(Unreachable):
        Copilot().ask("How many?")


def test_two_handles_of_one_run_see_each_other(home: Path) -> None:
    """State is read from the ledger on every look, so no handle is ever stale."""
    run_id = rr.waiting_for_approval(home).run_id
    one, other = Copilot().run(run_id), Copilot().run(run_id)
    one.approve()
    assert other.phase == "executing"


def test_who_decides_is_the_user_id_and_no_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that anybody can set do not change who approved."""
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.setenv(name, "the-boss")
    handle = handle_of(rr.waiting_for_approval(home)).approve()
    approval = handle.show()["approval"]
    assert approval and approval["decided_by"] == local_user() != "the-boss"


def test_the_requester_may_not_approve_where_the_policy_forbids_it(home: Path) -> None:
    """Tier 2: the refusal says why, and the attempt is recorded."""
    tiers = [{"tier": 2, "always": True}]
    policy = Policy.model_validate({"allowed_datasets": ["p.shop"], "approvals": {"tiers": tiers}})
    handle = handle_of(rr.waiting_for_approval(home, requester=local_user(), policy=policy))
    with pytest.raises(Refused) as caught:
        handle.approve()
    assert caught.value.code == "own_request"
    assert handle.updates()[-1].kind == "decision_refused"


def test_it_needs_no_environment_but_the_home(home: Path) -> None:
    """The installation is found from BQ_COPILOT_HOME alone."""
    rr.finished(home)
    assert os.environ["BQ_COPILOT_HOME"] == str(home)
    assert [r["phase"] for r in Copilot().runs()] == ["completed"]
