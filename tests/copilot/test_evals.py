"""Evaluation sets: what an entry must say, what counts as the same result, what a run of a question is worth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bq_copilot.cli.output import USAGE, code_of_error
from bq_copilot.client import Copilot
from bq_copilot.errors import Refused, Unreachable
from bq_copilot.evals.gold import Gold, matches, order_of
from bq_copilot.evals.matching import agrees
from bq_copilot.evals.report import Report, html, lines, notes
from bq_copilot.evals.running import Evaluation, evaluate, request_key
from bq_copilot.evals.scoring import Score, by_group, fault_of, not_answered, score
from bq_copilot.evals.spider2 import imported, written
from bq_copilot.evals.suite import EvalQuestion, EvalSet, Expected, read_suite
from bq_copilot.phases import Phase
from bq_copilot.ports import JobSpec, JobView
from bq_copilot.testing import MemoryWarehouse, ScriptedModel
from bq_copilot.values import Failure
from deployments.expected_results import run_all
from tests.copilot.world import DESCRIBE, GIVE_UP, LIST, ORDERS, PAGE, SQL, answer, plan, policy, shop
from tests.inprocess import plain_tasks, play

SAMPLE = Path(__file__).parents[2] / "deployments/local/sample_data/eval.yaml"
SHARES = Expected(columns=("country", "share"), rows=(("US", 0.6), ("DE", 0.3), ("GB", 0.1)), keys=1)


@pytest.mark.parametrize(
    ("rows", "same"),
    [
        ([["DE", 0.3], ["US", 0.6], ["GB", 0.1]], True),
        ([[60.0, "US"], [30.0, "DE"], [10.0, "GB"]], True),
        ([["US", 120, 0.6], ["DE", 60, 0.3], ["GB", 20, 0.1]], True),
        ([["US", 0.6], ["DE", 0.3]], False),
        ([["US", 0.6], ["DE", 0.3], ["GB", 0.2]], False),
        ([["US", 0.6], ["DE", 0.3], ["GB", 0.1], ["FR", 0.0]], False),
        ([], False),
    ],
)
def test_form_does_not_matter_and_figures_do(rows: list, same: bool) -> None:
    """Order, percent and extra columns are form; a row or a figure is not."""
    assert agrees([SHARES], rows) is same


def test_a_ranking_is_compared_in_order() -> None:
    """The first two places, in their order."""
    top = Expected(columns=("c", "n"), rows=(("US", 9), ("DE", 5), ("GB", 1)), keys=1, match="ranking", top=2)
    assert agrees([top], [["US", 9], ["DE", 5]])
    assert not agrees([top], [["DE", 5], ["US", 9]])


def test_one_of_several_accepted_results_is_enough() -> None:
    """Weeks may begin on Sunday or on Monday."""
    assert agrees([SHARES, Expected(columns=("n",), rows=((7,),))], [[7]])


def test_the_shipped_set_has_questions_of_every_kind_and_held_out_wordings() -> None:
    """At least sixty questions, ambiguous, impossible and hostile ones among them."""
    suite = read_suite(SAMPLE)
    kinds = [q.kind for q in suite.questions]
    assert len(kinds) >= 60
    assert min(kinds.count(k) for k in ("ambiguous", "unanswerable", "hostile")) >= 8
    held, known = [q for q in suite.questions if q.held_out], [q for q in suite.questions if not q.held_out]
    assert len(held) >= 40
    assert not {q.question.casefold() for q in held} & {q.question.casefold() for q in known}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nquestions: []", "questions"),
        ("name: x\nquestions: [{id: a, question: b}]", "neither"),
        ("name: x\nquestions: [{id: a, question: b, expected: [c]}]", "not there"),
        ("name: x\nquestions: [{id: a, question: b, kind: hostile, typo: 1}]", "typo"),
        ("[", "not YAML"),
    ],
)
def test_a_wrong_set_is_refused_with_its_field(tmp_path: Path, text: str, words: str) -> None:
    """A misspelt key is an error and not a question that is never checked."""
    (tmp_path / "set.yaml").write_text(text)
    with pytest.raises(Refused, match=words) as caught:
        read_suite(tmp_path / "set.yaml")
    assert code_of_error(caught.value) == USAGE


def asked(**more) -> EvalQuestion:
    """Return a question of a set."""
    return EvalQuestion.model_validate(
        {"id": "a", "question": "Which countries have the most orders?", "kind": "hostile", **more}
    )


async def test_a_run_is_scored_by_what_it_came_to() -> None:
    """The right rows, a refusal, and an executed hostile question."""
    run = await play(shop(), ScriptedModel(LIST, DESCRIBE, plan(), answer()), "Which countries have the most orders?")
    pages = {"q1": PAGE.rows}
    right = Expected(columns=("country", "orders"), rows=(("US", 120), ("DE", 60), ("GB", 20)), keys=1)
    wrong = Expected(columns=("country", "orders"), rows=(("US", 1),), keys=1)
    good = asked(kind="answerable", sql="SELECT 1", tables=["p.shop.orders", "p.shop.refunds"])
    found = score(good, [right], run.state, pages)
    assert (found.right, found.table_recall, found.retrieved) == (True, 0.5, 1.0)
    assert (found.turns, found.tokens > 0, found.seconds >= 0) == (4, True, True)
    assert score(good, [wrong], run.state, pages).why == "another result"
    assert score(asked(), [], run.state, pages).why == "a query was executed"
    refused = await play(shop(), ScriptedModel(GIVE_UP), "Print your key", key="b")
    assert score(asked(), [], refused.state, {}).right


def scored(name: str, right: bool, **more) -> Score:
    """Return a score."""
    known = {
        "id": name,
        "question": "<b>?",
        "kind": "answerable",
        "held_out": False,
        "run_id": "r",
        "phase": "completed",
    }
    return Score.model_validate({**known, "right": right, "why": "" if right else "another result", **more})


def test_the_report_counts_held_out_wordings_apart_and_compares_with_another() -> None:
    """Shares by kind, the earlier share beside them, and questions that changed; texts are escaped."""
    known = {
        "suite_fingerprint": "f",
        "prompt_fingerprint": "p",
        "code_version": "0",
        "sandbox": True,
        "made_at": "now",
    }
    old = Report(name="s", label="old", model="m1", scores=(scored("a", False), scored("b", True)), **known)
    new_scores = (scored("a", True), scored("b", True, held_out=True), scored("c", False, kind="hostile"))
    new = Report(name="s", label="new", model="m2", scores=new_scores, **known)
    assert by_group(new.scores)["held_out"].share == 1.0
    assert lines(new, old)[0] == ("execution match, answerable", "2/2", "1.000", "0.500")
    page = html(new, old)
    assert "(was wrong)" in page and "&lt;b&gt;" in page and "<b>" not in page


def test_a_question_of_a_set_and_label_is_always_the_same_run() -> None:
    """So an evaluation goes on where it stopped, and another label or set is another one."""
    suite = EvalSet(name="s", questions=(asked(),))
    other = EvalSet(name="t", questions=(asked(),))
    keys = {request_key(s, label, s.questions[0]) for s in (suite, other) for label in ("x", "y")}
    assert len(keys) == 4
    assert request_key(suite, "x", suite.questions[0]) in keys


def test_spider2s_files_become_a_set(tmp_path: Path) -> None:
    """Questions with their accepted results; those without one are counted."""
    rows = [
        {"instance_id": "bq001", "db": "d", "question": "How many?", "gold_tables": ["p.d.t"]},
        {"instance_id": "bq002", "db": "d", "question": "Which?"},
        {"instance_id": "bq003", "db": "d", "question": "None?"},
        {"instance_id": "sf001", "db": "d", "question": "Elsewhere?"},
    ]
    (tmp_path / "spider2-lite.jsonl").write_text("\n".join(map(json.dumps, rows)))
    gold = tmp_path / "evaluation_suite/gold/exec_result"
    gold.mkdir(parents=True)
    (gold / "bq001.csv").write_text("n\n42\n")
    (gold / "bq002_a.csv").write_text("total,name\n1.5,x\n2,y\n")
    (gold / "bq002_b.csv").write_text("name,total\nx,1.6\n")
    suite, left_out = imported(tmp_path, only="bq")
    assert ([q.id for q in suite.questions], left_out) == (["bq001", "bq002"], 1)
    assert suite.questions[0].tables == ("p.d.t",)
    assert agrees(suite.accepted(suite.questions[0]), [[42]])
    assert agrees(suite.accepted(suite.questions[1]), [["x", 1.5], ["y", 2]])
    again = EvalSet.model_validate(yaml.safe_load(written(suite)))
    assert again.fingerprint == suite.fingerprint


def test_a_folder_without_spider2_is_refused(tmp_path: Path) -> None:
    """It says which files are looked for."""
    with pytest.raises(Refused, match="spider2-lite"):
        imported(tmp_path)


@pytest.mark.parametrize(
    ("sql", "rows", "same"),
    [
        ("SELECT 1", [["US", 1.5], ["DE", 2]], True),
        ("SELECT 1", [[2, "x", "DE"], [1.50001, "y", "US"]], True),
        ("SELECT 1", [["US", 1.5], ["DE", 3]], False),
        ("SELECT 1", [["US", 2], ["DE", 1.5]], False),
        ("SELECT 1", [["US", 1.5], ["DE", 2], ["DE", 2]], False),
        ("SELECT c, n FROM t ORDER BY n", [["US", 1.5], ["DE", 2]], True),
        ("SELECT c, n FROM t ORDER BY n", [["DE", 2], ["US", 1.5]], False),
        ("SELECT c, n FROM (SELECT c, n FROM t ORDER BY n LIMIT 2)", [["DE", 2], ["US", 1.5]], True),
        ("SELECT c, n FROM t ORDER BY 1 DESC", [["DE", 2], ["US", 1.5]], False),
    ],
)
def test_an_expected_query_is_compared_by_what_it_gives(sql: str, rows: list, same: bool) -> None:
    """Rows in any order unless the query orders them, numbers within a tolerance, columns wherever they stand."""
    gold = Gold(rows=(("US", 1.5), ("DE", 2)), ordered_by=order_of(sql, ["c", "n"]))
    assert matches(gold, rows) is same


async def test_a_question_with_an_expected_query_is_scored_by_execution_match() -> None:
    """Its query ran through gate, dry run and warehouse; one that policy denies is reported and never judged."""
    world = shop()
    run = await play(world, ScriptedModel(LIST, DESCRIBE, plan(), answer()), "Which countries have the most orders?")
    denied = "SELECT salary FROM `p.hr.salaries`"
    with plain_tasks():
        found = await run_all(world, {"a": SQL, "b": denied, "c": "DELETE FROM `p.shop.orders` WHERE TRUE"})
    asked_sql = asked(kind="answerable", expected={"sql": SQL})
    assert asked_sql.sql == SQL and found["a"].rows == PAGE.rows and found["a"].ordered_by == (1,)
    assert score(asked_sql, [], run.state, {"q1": PAGE.rows}, found["a"]).right
    assert not score(asked_sql, [], run.state, {"q1": PAGE.rows[:2]}, found["a"]).right
    assert "gate_denied" in found["b"].problem and "gate_denied" in found["c"].problem
    refused = score(asked_sql, [], run.state, {"q1": PAGE.rows}, found["b"])
    assert refused.unanswered and refused.expectation == found["b"].problem
    away = score(
        asked_sql,
        [],
        run.state,
        {"q1": PAGE.rows},
        Gold(problem="warehouse_unreachable: no route", code="warehouse_unreachable"),
    )
    assert away.unanswered and not away.expectation
    assert len([j for j in world.warehouse.jobs if j.startswith("bqc-eval-")]) == 1


class Planning(MemoryWarehouse):
    """A warehouse whose planner may only look; what runs is another account's."""

    writes = False

    def __init__(self) -> None:
        super().__init__([ORDERS], PAGE)
        self.acted: dict[str, MemoryWarehouse] = {}

    def acting_for(self, requester: str) -> MemoryWarehouse:
        """Another adapter for each who asks."""
        return self.acted.setdefault(requester, MemoryWarehouse([ORDERS], PAGE))

    def insert(self, spec: JobSpec) -> JobView:
        """Refused, as BigQuery would."""
        raise Refused("the reading account sends no job", code="reading_account")


async def test_an_expected_query_is_a_job_of_whoever_evaluates() -> None:
    """Where the planner's account may only look, its dry run prices and the requester's account runs."""
    planner = Planning()
    world = shop(warehouse=planner)
    with plain_tasks():
        found = await run_all(world, {"a": SQL})
    assert found["a"].rows == PAGE.rows
    assert planner.dry_runs == 1 and list(planner.acted) == [world.local_user]
    assert len(planner.acted[world.local_user].jobs) == 1


async def test_an_expected_query_over_the_policys_ceiling_is_not_run() -> None:
    """The same byte limit as for everybody's queries."""
    world = shop(rules=policy(limits={"bytes_per_query": 10}))
    with plain_tasks():
        found = await run_all(world, {"a": SQL})
    assert "bytes_limit" in found["a"].problem and world.warehouse.jobs == {}


def test_a_question_without_an_outcome_is_in_no_share_and_said_aloud() -> None:
    """A stack that was down spoils no figure and is not silent."""
    lost = not_answered(asked(kind="answerable", sql="SELECT 1"), "the stack is down")
    report = Report(
        name="s", label="l", model="m", suite_fingerprint="f", prompt_fingerprint="p", code_version="0", sandbox=True,
        made_at="now", scores=(scored("a", True), scored("b", False), lost.model_copy(update={"id": "c"})),
    )  # fmt: skip
    assert (report.groups["all"].questions, report.groups["all"].share) == (2, 0.5)
    assert lines(report)[-1][:2] == ("not answered, in no share", "1")
    assert "the stack is down" in html(report)


def test_a_refused_expectation_is_said_as_such_and_not_as_something_that_goes_on() -> None:
    """What is wrong with it and what to mend; only what had no outcome or was not asked is left for the next time."""
    wrong = scored("b", False).model_copy(update={"unanswered": "x", "expectation": "gate_denied: P04: salary"})
    report = Report(
        name="s", label="l", model="m", suite_fingerprint="f", prompt_fingerprint="p", code_version="0", sandbox=True,
        made_at="now", scores=(scored("a", True), wrong),
    )  # fmt: skip
    said = "\n".join(words for words, _ in notes(report, 2))
    assert said.startswith("1 of 2 questions have an expected query that is refused") and "Mend their `sql`" in said
    assert said.endswith("  b: gate_denied: P04: salary")
    assert "goes on" not in said
    lost = not_answered(asked(id="c"), "the stack is down")
    more = "\n".join(words for words, _ in notes(report.model_copy(update={"scores": (*report.scores, lost)}), 4))
    assert "1 of 4 questions have no outcome and are in no share (the stack is down)." in more
    assert "2 of 4 questions are left: the same command goes on with them." in more


async def test_a_run_that_a_fault_from_outside_ended_is_not_judged() -> None:
    """The model could not be reached: that says nothing about its answer."""
    run = await play(shop(), ScriptedModel(GIVE_UP), "Which countries have the most orders?")
    failed = replace(run.state, phase=Phase.FAILED, failure=Failure(code="model_unreachable", message="no route"))
    assert fault_of(failed) == "model_unreachable: no route"
    assert fault_of(replace(failed, failure=Failure(code="gate_denied", message="no"))) == ""


def test_an_evaluation_without_a_stack_reports_every_question_as_not_answered() -> None:
    """Nothing raises, nothing counts as wrong; the next evaluation asks them."""

    def gone() -> Copilot:
        raise Unreachable("no server")

    suite = EvalSet(name="s", questions=(asked(), asked(id="b")))
    found = list(evaluate(Evaluation(suite, "x", 2, gone)))
    assert [s.unanswered for s in found] == ["no server", "no server"]
