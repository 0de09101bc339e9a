"""A question with more than one meaning: asked about, answered, honoured."""

from __future__ import annotations

from bq_copilot.phases import Phase
from tests.live import PATIENCE, Live, rows_of
from tests.sample_data.frames import Frames

QUESTION = "What are our best products?"


def test_the_answer_to_a_clarifying_question_is_honoured(stack: Live, all_frames: Frames) -> None:
    """Best products, by units sold: the approved query ranks by quantity, as pandas does."""
    run = stack.ask(QUESTION)
    assert run.phase is Phase.AWAITING_ANSWER
    asked = run.show()["question_open"]
    assert asked is not None
    units = next(option for option in asked["options"] if "unit" in option.lower())
    run.answer(units).wait({Phase.AWAITING_APPROVAL}, timeout=PATIENCE)
    run.approve().wait((), timeout=PATIENCE)
    assert run.phase is Phase.COMPLETED, run.show()["error"]
    best = all_frames.lines.groupby("product_id").quantity.sum()
    shown = [cell for cell in rows_of(run)[0] if isinstance(cell, int)]
    sold = all_frames.lines[all_frames.lines.order_id.isin(all_frames.sold.order_id)]
    assert {int(best.max()), int(sold.groupby("product_id").quantity.sum().max())} & set(shown), rows_of(run)[:3]


def test_a_run_that_waits_for_an_answer_holds_no_process(stack: Live) -> None:
    """Without a warm window the flow is suspended while the question is open, and an answer wakes it."""
    run = stack.ask_with(QUESTION, warm_seconds=0).wait(timeout=PATIENCE)
    stack.suspended(run)
    run.answer("by revenue").wait({Phase.AWAITING_APPROVAL}, timeout=PATIENCE)
    assert run.phase is Phase.AWAITING_APPROVAL
    assert "question_answered" in stack.kinds(run)
    run.cancel("the test has seen enough")
