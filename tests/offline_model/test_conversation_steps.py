"""Asking back, repair, follow-ups, missing tools, and what the answer says."""

from datetime import date

import pytest

from bq_copilot.grounding import check
from bq_copilot.toolbox import WriteAnswer, schemas
from deployments.local.offline_model.answer_writer import write_answer
from deployments.local.offline_model.conversation import read_conversation
from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.planner import NOTICE, next_call
from deployments.local.offline_model.time_window import Window
from tests.offline_model.hospital import HOSPITAL, PROJECT
from tests.offline_model.platform import Platform, Rows, canned, failure


def opening(question: str) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "Today is 2026-07-01."},
        {"role": "user", "content": f"<question>{question}</question>"},
    ]


def test_an_open_measure_is_asked_for_once() -> None:
    """`Best wards` has no measure: one question with options, and the answer decides the SQL."""
    outcome = Platform(HOSPITAL, canned(("North", 5))).ask("What are the best wards?", ["number of admissions"])
    assert len(outcome.of("ask_user")) == 1
    assert "COUNT(*)" in outcome.sql and "LIMIT 10" in outcome.sql


def test_a_denied_column_is_not_used_again() -> None:
    """After gate_denied names a column, the next statement does without it."""
    denied = failure("gate_denied", findings=[{"rule": "P04", "message": "", "subject": f"{PROJECT}.wards.name"}])

    def run(sql: str) -> Rows | dict[str, object]:
        return denied if "name" in sql else canned((1, 5))(sql)

    outcome = Platform(HOSPITAL, run).ask("Top 5 wards by number of admissions in 2025")
    assert outcome.end.tool == "write_answer" and "t1.name" not in outcome.sql


def test_a_suggested_name_is_taken_over() -> None:
    """did_you_mean replaces the unknown name in the statement."""
    wrong = failure(
        "dry_run_failed",
        warehouse_says="Unrecognized name: treatment_cost",
        did_you_mean=["treatment_total"],
    )

    def run(sql: str) -> Rows | dict[str, object]:
        return canned((5,))(sql) if "t0.treatment_total" in sql else wrong

    outcome = Platform(HOSPITAL, run).ask("Total treatment cost in 2025")
    assert outcome.end.tool == "write_answer" and len(outcome.of("propose_plan")) == 2


def test_repairs_are_bounded() -> None:
    """A warehouse that refuses everything ends the run after a few different statements."""
    outcome = Platform(HOSPITAL, lambda sql: failure("query_failed", "no")).ask("Monthly admissions in 2025")
    statements = [c.arguments["queries"][0]["sql"] for c in outcome.of("propose_plan")]
    assert outcome.end.tool == "give_up" and len(statements) == len(set(statements)) <= 4


def test_a_rhythm_in_the_question_proposes_a_follow_up() -> None:
    """`every Monday` becomes schedule_follow_up before the answer is written."""
    outcome = Platform(HOSPITAL, canned((7,))).ask("How many admissions last month? Remind me every Monday")
    assert [c.arguments["when"] for c in outcome.of("schedule_follow_up")] == ["every monday"]
    assert outcome.end.tool == "write_answer"


def test_an_adjective_is_not_a_rhythm() -> None:
    """`Monthly admissions` asks for a series, not for a reminder."""
    assert Platform(HOSPITAL, canned((7,))).ask("Monthly admissions in 2025").of("schedule_follow_up") == []


def test_every_figure_of_the_answer_is_in_a_cited_cell() -> None:
    """The platform's own check finds no unsupported figure, and the notice is there."""
    question = "Admissions by outcome in 2025"
    outcome = Platform(HOSPITAL, canned(("died", 12), ("recovered", 40123))).ask(question)
    answer = WriteAnswer.model_validate({**outcome.end.arguments, "chart": {"kind": "none"}})
    results = {"q1": (tuple(outcome.columns), outcome.rows)}
    cells, loose = check(answer.summary, answer.citations, results, question)
    assert loose == () and all(c.supported for c in cells) and "40,123" in answer.summary
    assert NOTICE in answer.summary


@pytest.mark.parametrize(
    ("offered", "expected"),
    [(("list_tables", "give_up"), "list_tables"), (("give_up",), "give_up"), (("ask_user",), "ask_user")],
)
def test_only_offered_tools_are_called(offered: tuple[str, ...], expected: str) -> None:
    """When the wanted tool is not there, an offered one is called instead."""
    call = next_call(read_conversation(opening("How many admissions in 2025?"), schemas(offered)))
    assert call.tool == expected


def test_relative_windows_stop_at_the_end_of_the_data() -> None:
    """Today is months after the last day: `last quarter` is the last quarter with data."""
    late = Platform(HOSPITAL, canned((7,)), today="2026-11-23")
    assert "DATE '2026-04-01'" in late.ask("How many admissions were there last quarter?").sql


def test_the_same_messages_give_the_same_call() -> None:
    """The planner keeps nothing between requests."""
    request = read_conversation(opening("How many admissions in 2025?"), schemas(("list_tables",)))
    assert next_call(request) == next_call(request)


def test_an_answer_from_changed_sql_claims_nothing_of_the_plan() -> None:
    """Neither the question's period nor the plan's assumptions are said of rows that other SQL gave."""
    rows = {"query": "q1", "columns": [{"name": "orders", "type": "INTEGER"}], "rows": [[7]]}
    window = Window(date(2025, 1, 1), date(2026, 1, 1), "year", (0, 2), label="in 2025")
    cues = Cues(text="", words=(), content=(), windows=(window,))
    own, other = (
        write_answer(None, cues, [one], "", scheduled=False)["summary"]
        for one in (rows, {**rows, "changed_by_a_person": {"sql": "SELECT 7 AS orders"}})
    )
    assert "in 2025" in own and "A person changed" not in own
    assert "in 2025" not in other and "A person changed the SQL" in other and "7" in other
