"""The runs that golden ledgers are made of: one for each way in which a run can go.

Decides: what is asked, and what happens to it. Each story is played on a real stack by the code as it is; nothing is
written by hand.
"""

from __future__ import annotations

from collections.abc import Callable

from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from tests.live import Live

SLOW = 300.0
"""Seconds that a run may take: golden ledgers are made once, on whatever machine there is."""

QUESTION = "What was our total revenue in 2025?"

Story = Callable[[Live], RunHandle]


def completed(live: Live) -> RunHandle:
    """Asked, approved, answered."""
    return _done(_ask(live, QUESTION).approve(reason="golden"))


def answered_after_a_question(live: Live) -> RunHandle:
    """The model asks back first."""
    run = _ask(live, "How are we doing?")
    if run.phase is Phase.AWAITING_ANSWER:
        asked = run.state.asked
        run.answer(asked.options[0] if asked and asked.options else "revenue")
        run.wait(until=lambda s: s.phase is Phase.AWAITING_APPROVAL or s.phase.is_terminal, timeout=SLOW)
    return _done(run.approve() if run.phase is Phase.AWAITING_APPROVAL else run)


def rejected(live: Live) -> RunHandle:
    """A person says no."""
    return _done(_ask(live, QUESTION).reject("too broad"))


def edited(live: Live) -> RunHandle:
    """A person changes the SQL, which is judged and approved anew."""
    run = _ask(live, "Number of orders per country in May 2026")
    plan = run.state.plan
    assert plan is not None
    run.edit({plan.queries[0].id: f"SELECT * FROM ({plan.queries[0].sql}) LIMIT 5"}, reason="five will do")
    again = lambda s: s.phase is Phase.AWAITING_APPROVAL and s.plan is not None and s.plan.revision > plan.revision  # noqa: E731
    return _done(run.wait(until=again, timeout=SLOW).approve())


def refused(live: Live) -> RunHandle:
    """Nothing that policy allows would answer it."""
    return _done(_ask(live, "Give me the e-mail addresses of our 100 best customers."))


def repaired(live: Live) -> RunHandle:
    """The model calls a tool with broken arguments, is told, and mends it."""
    live.arm_model("malformed_call", times=1)
    return _done(_ask(live, QUESTION).approve())


def expired(live: Live) -> RunHandle:
    """Nobody decides in time."""
    copilot = live.environment("golden", policy={"approvals": {"expire_after_seconds": 6}})
    return _done(copilot.ask(QUESTION, timeout=SLOW))


def cancelled(live: Live) -> RunHandle:
    """Cancelled while it waits."""
    return _done(_ask(live, QUESTION).cancel("not needed any more"))


def recovered(live: Live) -> RunHandle:
    """Its process is killed while it waits."""
    run = _ask(live, QUESTION)
    live.kill(live.process_of(run))
    run.wait(until=lambda s: s.started is not None and s.started.attempt > 1, timeout=SLOW)
    return _done(run.approve())


def adopted(live: Live) -> RunHandle:
    """The warehouse takes the job and the answer is lost."""
    run = _ask(live, QUESTION)
    live.arm_warehouse("reset_after_accept", times=1, match={"method": "jobs.insert"})
    return _done(run.approve())


def _ask(live: Live, question: str) -> RunHandle:
    return live.copilot.ask(question, timeout=SLOW)


def _done(run: RunHandle) -> RunHandle:
    return run.wait((), timeout=SLOW)


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        completed,
        answered_after_a_question,
        rejected,
        edited,
        refused,
        repaired,
        expired,
        cancelled,
        recovered,
        adopted,
    )
}
