"""Six quite different questions over the sample data, asked, approved and compared with pandas."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live, rows_of
from tests.sample_data.comparison import agrees
from tests.sample_data.frames import Frames
from tests.sample_data.questions import load_questions
from tests.sample_data.truths import TRUTHS

SIX = ("revenue-trend", "top-products", "november-yoy", "funnel", "country-share", "germany-low-days")
"""Trend, top n, comparison of periods, funnel, share, anomaly."""

QUESTIONS = {q.id: q for q in load_questions().questions}


@pytest.fixture(scope="module")
def asked(session_stack: Live) -> Mapping[str, RunHandle]:
    """All six, asked at once: they queue and run side by side as those of several people would."""
    session_stack.healthy()
    return {name: session_stack.copilot.ask(QUESTIONS[name].question, wait=False) for name in SIX}


@pytest.fixture(scope="module")
def answered(asked: Mapping[str, RunHandle]) -> Mapping[str, RunHandle]:
    """All six, approved as soon as each asks for it, and ended."""
    for run in asked.values():
        if run.wait(timeout=2 * PATIENCE).phase is Phase.AWAITING_APPROVAL:
            run.approve(reason="asked by a test")
    for run in asked.values():
        with suppress(TimeoutError):
            run.wait({Phase.AWAITING_APPROVAL}, timeout=PATIENCE)
    return asked


@pytest.mark.parametrize("name", SIX)
def test_the_answer_agrees_with_pandas(answered: Mapping[str, RunHandle], all_frames: Frames, name: str) -> None:
    """The rows of the answer say what pandas computes from the same files."""
    run, truth = answered[name], TRUTHS[QUESTIONS[name].truth or ""]
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    assert agrees(truth, truth.expected(all_frames), rows_of(run)), rows_of(run)[:5]


@pytest.mark.parametrize("name", SIX)
def test_every_figure_of_the_answer_is_cited(answered: Mapping[str, RunHandle], name: str) -> None:
    """No number of the summary lacks a cell of the result, and there is at least one."""
    answer = answered[name].show()["answer"]
    assert answer is not None
    assert answer["unsupported"] == []
    assert answer["citations"]
    assert all(c["supported"] for c in answer["citations"])


@pytest.mark.parametrize("name", SIX)
def test_each_approved_query_is_one_job(stack: Live, answered: Mapping[str, RunHandle], name: str) -> None:
    """The warehouse knows exactly the jobs that the run reports, one for each approved query."""
    run = answered[name]
    approval = run.show()["approval"]
    assert approval is not None
    jobs = stack.jobs_of_plan(run)
    assert [j["configuration"]["query"]["query"] for j in jobs] == approval["sql"]
    assert {j["jobReference"]["jobId"] for j in jobs} <= {j["job_id"] for j in run.show()["jobs"]}


def test_the_receipts_of_all_six_verify(answered: Mapping[str, RunHandle]) -> None:
    """Hash chain, approval digests and stored texts of every run fit together."""
    for run in answered.values():
        (check,) = run._copilot.verify(run.run_id)
        assert check["verified"], check["error"]
        assert check["approvals"] == 1
