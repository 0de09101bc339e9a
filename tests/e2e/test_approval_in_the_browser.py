"""A person in front of the Prefect UI: reads the card, decides, answers, and sees the result."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from bq_copilot.client import RunHandle
from bq_copilot.events import ApprovalDecided, QuestionAnswered
from bq_copilot.phases import Phase
from tests.e2e.pages import IMAGES, Pages
from tests.e2e.pages import PATIENCE as PATIENCE_OF_PAGES
from tests.live import PATIENCE, Live, events_of

QUESTION = "How did revenue per month develop in 2025?"


@pytest.fixture
def waiting(stack: Live) -> RunHandle:
    """A run whose process has ended: the UI empties a form when the run suspends while somebody fills it."""
    return suspended(stack, QUESTION)


def suspended(stack: Live, question: str) -> RunHandle:
    """Ask, and wait until the run waits without a process."""
    run = stack.ask_with(question, warm_seconds=0).wait(timeout=PATIENCE)
    stack.suspended(run)
    return run


def test_a_run_is_approved_in_the_form_and_its_answer_read(stack: Live, waiting: RunHandle, pages: Pages) -> None:
    """The card shows what will run; approve and submit; the run completes and its answer stands among the artifacts."""
    run = waiting
    approval = run.show()["approval"]
    assert approval is not None
    dialog = pages.open_form(run)
    for shown in (QUESTION, "bq-copilot-sandbox.shop.orders", "FROM `bq-copilot-sandbox.shop.orders`", "Expires"):
        expect(dialog.get_by_text(shown).first).to_be_visible()
    expect(dialog.get_by_text(approval["digest"].removeprefix("sha256:")[:16]).first).to_be_visible()
    pages.choose(dialog, "approve")
    pages.shoot(IMAGES / "approval-form.png", dialog)
    pages.submit(dialog)
    run.wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    assert [e.decision.via for e in events_of(run, ApprovalDecided)] == ["prefect-form"]
    stack.in_state(run, "Completed")
    _look_at_the_artifacts(run, pages)


def _look_at_the_artifacts(run: RunHandle, pages: Pages) -> None:
    """The run and its phase stand in the list; SQL and timeline are there; the link leads to answer and chart."""
    window = pages.page
    window.set_viewport_size({"width": 1280, "height": 900})
    window.goto(f"{pages.url}/v2/runs", timeout=PATIENCE_OF_PAGES)
    expect(window.get_by_text("phase:completed").first).to_be_visible(timeout=PATIENCE_OF_PAGES)
    pages.shoot(IMAGES / "prefect-runs.png")
    pages.open_artifact(run, "sql")
    expect(window.get_by_text("bq-copilot-sandbox.shop.orders").first).to_be_visible(timeout=PATIENCE_OF_PAGES)
    pages.open_artifact(run, "timeline")
    expect(window.get_by_text("what happened").first).to_be_visible(timeout=PATIENCE_OF_PAGES)
    pages.shoot(IMAGES / "prefect-timeline.png")
    pages.open_artifact(run, "link")
    window.get_by_role("link", name=f"Answer: {QUESTION}").first.click(timeout=PATIENCE_OF_PAGES)
    expect(window.get_by_role("heading", name=QUESTION).first).to_be_visible(timeout=PATIENCE_OF_PAGES)
    chart = window.locator("img[src^='data:image/svg+xml']").first
    expect(chart).to_be_visible(timeout=PATIENCE_OF_PAGES)
    assert chart.evaluate("image => image.naturalWidth") > 0
    pages.shoot(IMAGES / "run.png")


def test_a_run_is_rejected_in_the_form_with_a_reason(stack: Live, waiting: RunHandle, pages: Pages) -> None:
    """Reject, say why, submit: rejected with these words, and no job was sent."""
    run = waiting
    dialog = pages.open_form(run)
    pages.choose(dialog, "reject")
    dialog.get_by_label("Reason").fill("the wrong year")
    pages.submit(dialog)
    run.wait((), timeout=PATIENCE)
    error = run.show()["error"]
    assert run.phase is Phase.REJECTED
    assert error is not None
    assert "the wrong year" in error["message"]
    assert stack.jobs_of_plan(run) == []


def test_a_clarifying_question_is_answered_in_the_form(stack: Live, pages: Pages) -> None:
    """The question and its options stand in the form; what is typed there is what the run goes on with."""
    run = suspended(stack, "What are our best products?")
    asked = run.show()["question_open"]
    assert asked is not None
    dialog = pages.open_form(run)
    for option in asked["options"]:
        expect(dialog.get_by_text(option).first).to_be_visible()
    dialog.get_by_label("Answer").fill(asked["options"][0])
    pages.submit(dialog)
    run.wait({Phase.AWAITING_APPROVAL}, timeout=PATIENCE)
    (answered,) = events_of(run, QuestionAnswered)
    assert (answered.answer, answered.via) == (asked["options"][0], "prefect-form")
    run.cancel("the test has seen enough")
