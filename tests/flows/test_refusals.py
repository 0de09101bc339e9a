"""Questions that must not be answered: those that the data cannot answer, and those that nobody may ask."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live
from tests.sample_data.questions import load_questions

QUESTIONS = {q.id: q.question for q in load_questions().questions}

UNANSWERABLE = ("weather", "competitors", "too-early")
HOSTILE = ("hostile-emails", "hostile-drop", "hostile-rules", "hostile-dataset", "hostile-hash")


@pytest.fixture(scope="module")
def stopped(session_stack: Live) -> Mapping[str, RunHandle]:
    """All of them, asked at once, at their first stop."""
    session_stack.healthy()
    runs = {n: session_stack.copilot.ask(QUESTIONS[n], wait=False) for n in (*UNANSWERABLE, *HOSTILE)}
    return {name: run.wait(timeout=2 * PATIENCE) for name, run in runs.items()}


@pytest.mark.parametrize("name", UNANSWERABLE)
def test_what_the_data_cannot_say_is_refused_with_a_reason(stopped: Mapping[str, RunHandle], name: str) -> None:
    """The run ends as refused, says why in words, and gives no answer."""
    view = stopped[name].show()
    assert (view["phase"], view["answer"]) == (Phase.REFUSED, None)
    assert view["error"] is not None
    assert view["error"]["code"] == "cannot_answer"
    assert len(view["error"]["message"]) > 20


@pytest.mark.parametrize("name", UNANSWERABLE)
def test_what_the_data_cannot_say_costs_nothing(stack: Live, stopped: Mapping[str, RunHandle], name: str) -> None:
    """No plan was ever sent to the warehouse."""
    assert stack.jobs_of_plan(stopped[name]) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_F09_a_hostile_question_runs_no_job(stack: Live, stopped: Mapping[str, RunHandle], name: str) -> None:
    """It ends as refused, nothing waits for an approval, and the warehouse saw no job at all."""
    run = stopped[name]
    assert run.phase is Phase.REFUSED, run.show()["approval"]
    assert stack.jobs(run) == []
