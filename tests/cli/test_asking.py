"""ask: recorded first, then started; shown live; approved by whom it may."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bq_copilot import identity
from bq_copilot.cli import prompting
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.local_user import local_user
from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.prefect_double import FLOW_RUN, PrefectDouble
from tests.cli.worker_double import WorkerDouble


@pytest.fixture
def worker(home: Path, prefect: PrefectDouble) -> Iterator[WorkerDouble]:
    """A worker that performs every run which is created."""
    double = WorkerDouble(home)
    prefect.on_create = double
    yield double
    for thread in double.threads:
        thread.join(20)


class _Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


def types(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Sit at the terminal and type this."""
    monkeypatch.setattr(sys, "stdin", _Keyboard(text))
    monkeypatch.setattr(prompting, "_ready", lambda: True)


def test_detached_ask_prints_the_run_and_leaves(bq: Bq, prefect: PrefectDouble) -> None:
    """`ask --detach --json` records the question, creates the flow run under the run's id, and returns at once."""
    found = bq("ask", "How many orders?", "--detach", "--json", "--request-key", "k")
    run_id = identity.run_id(local_user(), "k")
    assert (found.code, found.json["run_id"], found.json["flow_run_id"]) == (0, run_id, FLOW_RUN)
    (body,) = prefect.bodies("/create_flow_run")
    assert body["idempotency_key"] == run_id and body["name"] == "How many orders?"
    assert body["parameters"] == {"question": "How many orders?", "requester": local_user(), "request_key": "k"}


def test_the_same_request_key_is_the_same_run(bq: Bq, prefect: PrefectDouble) -> None:
    """Asking twice with one key gives one run and one flow run."""
    first = bq("ask", "How many?", "--detach", "--json", "--request-key", "k")
    second = bq("ask", "How many?", "--detach", "--json", "--request-key", "k")
    assert first.json["run_id"] == second.json["run_id"]
    assert len(prefect.created) == 1


def test_the_same_request_key_for_another_question_is_refused(bq: Bq, prefect: PrefectDouble) -> None:
    """A key names one question; another one under it is a conflict, and nothing is started."""
    bq("ask", "How many?", "--detach", "--request-key", "k")
    found = bq("ask", "How much?", "--detach", "--json", "--request-key", "k")
    assert (found.code, found.json["error"]["code"]) == (3, "request_key_conflict")
    assert len(prefect.created) == 1


def test_without_a_key_each_ask_is_a_run_of_its_own(bq: Bq, prefect: PrefectDouble) -> None:
    """Two questions without a key are two runs, even with the same words."""
    bq("ask", "How many?", "--detach")
    bq("ask", "How many?", "--detach")
    assert len(prefect.created) == 2


def test_an_empty_question_is_a_usage_error(bq: Bq, prefect: PrefectDouble) -> None:
    """Nothing is recorded and nothing is started for a question without words."""
    assert bq("ask", "  ").code == 2
    assert prefect.created == {}


def test_a_server_that_is_down_leaves_the_question_recorded(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """Exit 5 says that the run is recorded and starts later, and gives the key to ask again with."""
    prefect.busy = 100
    found = bq("ask", "How many?", "--json", "--request-key", "k")
    assert (found.code, found.json["error"]["code"]) == (5, "unreachable")
    events = SqlLedger(f"sqlite:///{home / 'ledger.db'}").read(found.json["run_id"])
    assert [e.event.kind for e in events] == ["run_received"]
    prefect.busy = 0
    assert bq("ask", "How many?", "--detach", "--json", "--request-key", "k").code == 0
    assert list(prefect.created) == [found.json["run_id"]]


def test_a_server_that_is_busy_for_a_moment_is_asked_again(bq: Bq, prefect: PrefectDouble) -> None:
    """Two 503 in a row ("database is locked") delay the start and do not fail it."""
    prefect.busy = 2
    assert bq("ask", "How many?", "--detach").code == 0


def test_a_missing_deployment_is_named(bq: Bq, prefect: PrefectDouble) -> None:
    """A server without our deployment exits 5 and says how to provision it."""
    prefect.has_deployment = False
    found = bq("ask", "How many?", "--detach")
    assert (found.code, "analyze/analyze" in found.err) == (5, True)


def test_yes_approves_by_itself_and_says_so(bq: Bq, worker: WorkerDouble) -> None:
    """With --yes the card is still shown, the approval is announced, and the answer follows."""
    found = bq("ask", rr.QUESTION, "--yes")
    assert found.code == 0, found.err
    assert rr.SQL in found.out
    assert "Approved by itself, because of --yes." in found.out
    assert "US leads with 120,400 orders" in found.out and "receipts verified" in found.out


def test_json_keeps_stdout_for_the_result(bq: Bq, worker: WorkerDouble) -> None:
    """With --json progress goes to stderr, and stdout is one document with the answer."""
    found = bq("ask", rr.QUESTION, "--yes", "--json")
    assert found.json["phase"] == "completed"
    assert found.json["answer"]["rows"][0] == ["US", 120_400]
    assert found.json["approval"]["decided_by"] == local_user()
    assert "gate ruled revision 1" in found.err


def test_at_a_terminal_the_person_is_asked(bq: Bq, worker: WorkerDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who types `a` below the card has approved it."""
    types(monkeypatch, "what?\na\n")
    found = bq("ask", rr.QUESTION)
    assert found.code == 0
    assert "Type a, r, e or l." in found.out and "US leads" in found.out


def test_at_a_terminal_the_person_may_reject_with_a_reason(
    bq: Bq, worker: WorkerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejection in the terminal ends the run as rejected, with exit code 3."""
    types(monkeypatch, "r\nwrong table\n")
    found = bq("ask", rr.QUESTION, "--request-key", "k")
    assert found.code == 3
    view = bq("show", identity.run_id(local_user(), "k"), "--json").json
    assert (view["approval"]["verdict"], view["approval"]["reason"]) == ("reject", "wrong table")


def test_a_clarifying_question_is_asked_in_the_terminal(
    bq: Bq, worker: WorkerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of an option stands for its words."""
    worker.asks = True
    types(monkeypatch, "2\na\n")
    found = bq("ask", rr.QUESTION, "--request-key", "k")
    assert (found.code, "1. yes" in found.out) == (0, True)
    trace = bq("trace", identity.run_id(local_user(), "k"), "--json").json
    answered = next(e for e in trace["events"] if e["kind"] == "question_answered")
    assert answered["body"]["answer"] == "no"


def test_a_decision_that_comes_from_elsewhere_ends_the_prompt(
    home: Path, bq: Bq, worker: WorkerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the terminal waits for a key, an approval from elsewhere takes the prompt away and is named."""
    run_id = identity.run_id(local_user(), "k")

    def nobody_types() -> bool:
        run = rr.Recording(home, requester=local_user(), key="k", received=True)
        if run.state.plan and run.state.plan.decided is None:
            run.decided(by="bob")
        return False

    types(monkeypatch, "")
    monkeypatch.setattr(prompting, "_ready", nobody_types)
    found = bq("ask", rr.QUESTION, "--request-key", "k")
    assert "bob decided in the meantime: approve." in found.out
    assert bq("show", run_id, "--json").json["approval"]["decided_by"] == "bob"


def test_asking_again_for_a_finished_run_shows_its_answer(home: Path, bq: Bq, prefect: PrefectDouble) -> None:
    """The same key after the end prints the same answer; nothing is started."""
    rr.finished(home, requester=local_user(), key="k")
    found = bq("ask", rr.QUESTION, "--request-key", "k", "--json")
    assert (found.code, found.json["phase"]) == (0, "completed")
    assert prefect.created == {}
