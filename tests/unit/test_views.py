"""What programs see of one run."""

from __future__ import annotations

import json
from pathlib import Path

from bq_copilot import views
from bq_copilot.state import RunState
from bq_copilot.values import Chart, Failure, ResultColumn
from bq_copilot.view_types import ShowView
from tests import recorded_runs as rr


def shown(run: rr.Recording) -> ShowView:
    state = run.state
    pages = {q: json.loads(run.shelf.get(state.results[q].page))["rows"] for q in views.answered_queries(state)}
    return views.show(state, pages)


def test_a_run_that_was_only_received_has_nothing_but_its_question(tmp_path: Path) -> None:
    """A question that nobody has taken up shows as received, with no approval, job, answer or error."""
    view = shown(rr.Recording(tmp_path))
    assert (view["phase"], view["question"], view["step"]) == ("received", rr.QUESTION, "reads the schemas")
    assert (view["approval"], view["jobs"], view["answer"], view["error"]) == (None, [], None, None)


def test_an_open_request_shows_its_facts_and_no_verdict(tmp_path: Path) -> None:
    """An open approval carries digest, SQL, bytes, price and expiry, and nobody as its decider."""
    run = rr.waiting_for_approval(tmp_path)
    plan, view = run.state.plan, shown(run)["approval"]
    assert plan and view
    assert (view["open"], view["verdict"], view["decided_by"]) == (True, None, None)
    assert (view["digest"], view["sql"], view["bytes"]) == (plan.digest, [rr.SQL], 12_000_000)
    assert view["expires_at"] > view["created_at"]


def test_a_decided_request_names_who_decided_what(tmp_path: Path) -> None:
    """After approval the view names the person, the verdict and the time."""
    view = shown(rr.approved(tmp_path))["approval"]
    assert view and (view["open"], view["verdict"], view["decided_by"]) == (False, "approve", "ann")
    assert view["decided_at"] is not None


def test_an_expired_request_says_so(tmp_path: Path) -> None:
    """A request that nobody decided shows the verdict `expired` and the error's next step."""
    run = rr.waiting_for_approval(tmp_path)
    run.ended("expired", Failure(code="expired", message="nobody decided", next="Ask again."))
    view = shown(run)
    assert view["approval"] and view["approval"]["verdict"] == "expired"
    assert view["error"] == {"code": "expired", "message": "nobody decided", "next": "Ask again."}


def test_after_an_edit_the_edited_request_stays_in_view_until_there_is_a_new_one(tmp_path: Path) -> None:
    """While an edit is being judged, the approval shown is the one that was edited."""
    run = rr.waiting_for_approval(tmp_path)
    before = shown(run)["approval"]
    run.decided("edit", sql=(("q1", "SELECT 1"),))
    after = shown(run)["approval"]
    assert before and after and after["request_id"] == before["request_id"]
    assert (after["verdict"], after["open"]) == ("edit", False)


def test_an_open_question_shows_with_its_options_and_only_while_it_is_open(tmp_path: Path) -> None:
    """A clarifying question is in the view until somebody answers it."""
    run = rr.waiting_for_answer(tmp_path)
    asked = shown(run)["question_open"]
    assert asked and (asked["question"], asked["options"]) == ("By order date?", ["yes", "no"])
    from bq_copilot import deciding

    deciding.answer(run.journal, "yes", "ann", "cli")
    assert shown(run)["question_open"] is None


def test_a_job_shows_its_id_place_attempt_and_bytes(tmp_path: Path) -> None:
    """Each job carries what an operator needs to find it in the warehouse."""
    (job,) = shown(rr.finished(tmp_path))["jobs"]
    assert job["job_id"].startswith("bqc-r-")
    assert (job["location"], job["attempt"], job["state"], job["ok"]) == ("US", 1, "DONE", True)
    assert job["bytes_billed"] == 20 * 2**20


def test_a_failed_job_shows_why(tmp_path: Path) -> None:
    """A failed job carries the warehouse's reason."""
    (job,) = shown(rr.approved(tmp_path).job(fails="Division by zero"))["jobs"]
    assert job["ok"] is False
    assert job["error"] and job["error"]["message"] == "Division by zero"


def test_the_answer_has_the_table_of_the_query_that_its_chart_names(tmp_path: Path) -> None:
    """With several results the answer's table is the charted one; all of them are under `results`."""
    run = rr.Recording(tmp_path).started().planned("SELECT 1", "SELECT 2").requested().decided().consumed()
    run.job("q1").read([[1]], (ResultColumn(name="n", type="INT64"),), query="q1")
    run.job("q2").read([[2]], (ResultColumn(name="n", type="INT64"),), query="q2")
    run.answered(chart=Chart(kind="bar", query="q1", x="n", y=("n",)))
    view = shown(run)
    assert view["answer"] and (view["answer"]["query"], view["answer"]["rows"]) == ("q1", [[1]])
    assert [r["query"] for r in view["results"]] == ["q1", "q2"]


def test_a_result_that_was_not_kept_whole_is_marked_truncated(tmp_path: Path) -> None:
    """Row count and truncation tell the size of the result, not of the page."""
    answer = shown(rr.approved(tmp_path).job().read(row_count=5_000).answered())["answer"]
    assert answer and (answer["row_count"], answer["truncated"], len(answer["rows"])) == (5_000, True, 3)


def test_a_citation_names_query_job_and_cell(tmp_path: Path) -> None:
    """Every cited figure can be followed to the job and cell that it was read from."""
    view = shown(rr.finished(tmp_path))
    answer = view["answer"]
    assert answer
    (cited,) = answer["citations"]
    assert (cited["figure"], cited["query"], cited["row"], cited["column"]) == ("120,400", "q1", 0, "orders")
    assert cited["job_id"] == view["jobs"][0]["job_id"] and cited["supported"]
    assert answer["unsupported"] == ["7.5%"]


def test_spent_adds_up_turns_tokens_money_and_bytes(tmp_path: Path) -> None:
    """The cost so far is the sum over all turns and jobs."""
    assert shown(rr.finished(tmp_path))["spent"] == {
        "turns": 3,
        "tokens": 2_250,
        "usd": 0.003,
        "bytes_billed": 20 * 2**20,
    }


def test_every_view_is_plain_json(tmp_path: Path) -> None:
    """The whole view survives JSON unchanged: no value of it needs a Python type."""
    view = shown(rr.finished(tmp_path))
    assert json.loads(json.dumps(view)) == view


def test_a_look_at_a_column_is_no_result_of_the_plan() -> None:
    """Queries that are not in the plan never become the answer's table."""
    assert views.main_query(RunState(run_id="r-1")) is None
