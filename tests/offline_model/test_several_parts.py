"""Questions of several independent parts: one plan with a query for each, one answer, nothing taken apart wrongly."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from bq_copilot.grounding import check
from bq_copilot.toolbox import WriteAnswer
from deployments.local.offline_model.conversation import read_conversation
from deployments.local.offline_model.planner import NOTICE
from deployments.local.offline_model.several import split_question
from tests.offline_model.hospital import HOSPITAL
from tests.offline_model.platform import Outcome, Platform, Rows, canned, failure
from tests.sample_data.questions import load_questions

TODAY = date(2026, 7, 1)
EVAL = Path(__file__).parents[2] / "deployments" / "local" / "sample_data" / "eval.yaml"
TWO = "Treatment cost per month in 2025 and admissions per outcome in 2025"
ROWS = canned(("2025-01-01", 7), ("2025-02-01", 9))


def queries(outcome: Outcome, plan: int = -1) -> list[str]:
    """Return the statements of a plan, each on one line."""
    return [" ".join(q["sql"].split()) for q in outcome.of("propose_plan")[plan].arguments["queries"]]


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "Revenue per month in 2025 and orders per country in 2025",
            ("Revenue per month in 2025", "orders per country in 2025"),
        ),
        ("Compare beds per floor and also admissions per outcome?", ("beds per floor", "admissions per outcome")),
        (
            "Beds by floor and admissions by outcome last quarter",
            ("Beds by floor last quarter", "admissions by outcome last quarter"),
        ),
        ("In 2025, cost per ward; admissions per month", ("In 2025, cost per ward", "admissions per month In 2025")),
    ],
)
def test_a_question_falls_into_parts_that_stand_alone(question: str, parts: tuple[str, ...]) -> None:
    """A period at the end, or at the beginning, is that of the parts that have none of their own."""
    assert split_question(question, TODAY)[0] == parts


@pytest.mark.parametrize(
    "question",
    [
        "Revenue per month and per country in 2025",
        "Revenue and orders per month in 2025",
        "Revenue by country and channel",
        "Compare November 2025 and November 2024 in revenue",
        "How much money did we refund each month, and does any month stand out?",
    ],
)
def test_a_list_of_columns_or_figures_is_one_question(question: str) -> None:
    """Only words that join whole questions take one apart."""
    assert split_question(question, TODAY) == ((question,), False)


def test_no_question_of_the_evaluation_set_is_taken_apart() -> None:
    """They are answered as before; so are those of the set that `eval` runs."""
    suite = yaml.safe_load(EVAL.read_text())["questions"]
    asked = [*(q.question for q in load_questions().questions), *(q["question"] for q in suite)]
    assert len(asked) > 250 and [q for q in asked if len(split_question(q, TODAY)[0]) > 1] == []


def test_one_plan_has_a_query_for_each_part() -> None:
    """Both may run at once; each is written as if it had been asked alone."""
    outcome = Platform(HOSPITAL, ROWS).ask(TWO)
    (plan,) = outcome.of("propose_plan")
    assert [q["id"] for q in plan.arguments["queries"]] == ["q1", "q2"] and plan.arguments["side_by_side"] is True
    alone = [Platform(HOSPITAL, ROWS).ask(part) for part in split_question(TWO, TODAY)[0]]
    assert queries(outcome) == [one.sql for one in alone]


def test_then_asks_for_one_after_the_other() -> None:
    """A failure of the first one stops what was to follow."""
    outcome = Platform(HOSPITAL, ROWS).ask(TWO.replace(" and ", ", then "))
    (plan,) = outcome.of("propose_plan")
    assert (len(plan.arguments["queries"]), plan.arguments["side_by_side"]) == (2, False)


def test_the_answer_cites_the_query_of_each_part() -> None:
    """The platform's own check finds every figure in a cell of its own query; the notice stands once."""
    outcome = Platform(HOSPITAL, ROWS).ask(TWO)
    answer = WriteAnswer.model_validate(outcome.end.arguments)
    pages = read_conversation(outcome.messages, []).results()
    results = {p["query"]: (tuple(c["name"] for c in p["columns"]), p["rows"]) for p in pages}
    cells, loose = check(answer.summary, answer.citations, results, TWO)
    assert loose == () and all(c.supported for c in cells)
    assert {c.query for c in answer.citations} == {"q1", "q2"}
    assert answer.summary.count(NOTICE) == 1 and answer.summary.endswith(NOTICE)


def test_a_part_that_nothing_explains_leaves_no_half_plan() -> None:
    """Half an answer to a question is not proposed as the whole."""
    outcome = Platform(HOSPITAL, ROWS).ask("Admissions per month in 2025 and also the weather per planet")
    assert outcome.end.tool == "give_up" and outcome.of("propose_plan") == []


def test_only_the_part_that_was_refused_is_repaired() -> None:
    """The statement of the other one stays as it was."""
    wrong = failure("dry_run_failed", "Unrecognized name: outcome", did_you_mean=["result"])

    def run(sql: str) -> Rows | dict[str, object]:
        return wrong if "t0.outcome" in sql else ROWS(sql)

    outcome = Platform(HOSPITAL, run).ask(TWO)
    first, last = queries(outcome, 0), queries(outcome)
    assert len(outcome.of("propose_plan")) > 1 and outcome.end.tool == "write_answer"
    assert first[0] == last[0] and first[1] != last[1]
