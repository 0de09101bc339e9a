"""What people are told of a series: a run that matters, and nobody of one whose condition does not hold."""

from __future__ import annotations

import pytest

from bq_copilot import events as ev
from bq_copilot.journal import Journal
from bq_copilot.notice_message import message
from bq_copilot.notices import Due, outlook
from bq_copilot.policy import Notifications
from bq_copilot.state import RunState
from tasks.run import Run
from tests.follow_ups.arena import ANSWER, Arena, nothing_due, without_prefect


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Prefect server is there; nothing is due later."""
    without_prefect(monkeypatch)
    nothing_due(monkeypatch)


def parent_of(arena: Arena, parent: Run) -> tuple[RunState, list[ev.Recorded]]:
    """The parent as the ledger has it now."""
    return Journal.open(arena.env.ledger, parent.id).state, arena.env.ledger.read(parent.id)


def due_of(arena: Arena, parent: Run) -> tuple[Due, ...]:
    """What people are to be told of the parent."""
    return outlook(*parent_of(arena, parent), arena.env.ledger.now(), Notifications()).due


def told(arena: Arena, parent: Run, due: Due) -> None:
    """Tell it."""
    journal = Journal.open(arena.env.ledger, parent.id)
    about = {"key": due.key, "about": due.about, "attempt": due.attempt, "channel": "c"}
    journal.append(ev.NoticeIntended(notice=due.notice, **about))
    journal.append(ev.NoticeGiven(**about))


async def ran(arena: Arena, parent: Run) -> Run:
    """Let the series come due, and approve what it asks."""
    child = await arena.due(parent, ANSWER)
    arena.decide(child)
    return await arena.on(child)


async def test_a_follow_up_that_finished_is_told_once_each_time():
    """Without a condition every run of the series is news, and no figure of it leaves with the message."""
    arena = Arena()
    parent = await arena.parent()
    arena.accept(parent)
    await arena.on(parent)
    assert due_of(arena, parent) == ()
    child = await ran(arena, parent)
    (due,) = due_of(arena, parent)
    assert due.notice == "follow_up_finished"
    subject, body = message(*parent_of(arena, parent), due, arena.env.ledger.now(), "http://ui/x")
    assert subject == f"BigQuery Copilot: A follow-up has finished ({parent.id})"
    assert f"Follow-up {arena.series(parent).id}, due " in body and ": completed" in body
    assert f"bq-copilot show {child.id}" in body and "Look at it: http://ui/x" in body
    assert "100" not in body and "SELECT" not in body
    told(arena, parent, due)
    assert due_of(arena, parent) == ()
    arena.env.warehouse.revenue(110.0)
    await ran(arena, parent)
    (second,) = due_of(arena, parent)
    assert second.key != due.key
    assert "changed by +10.0 %" in message(*parent_of(arena, parent), second, arena.env.ledger.now(), "")[1]


async def test_a_follow_up_whose_condition_does_not_hold_tells_nobody():
    """It was only to be told above five per cent: one per cent is silence, ten are news."""
    arena = Arena()
    parent = await arena.parent()
    arena.accept(parent, percent=5.0)
    await arena.on(parent)
    await ran(arena, parent)
    for due in due_of(arena, parent):
        told(arena, parent, due)
    arena.env.warehouse.revenue(101.0, at_ms=3_000)
    await ran(arena, parent)
    assert due_of(arena, parent) == ()
    arena.env.warehouse.revenue(120.0, at_ms=4_000)
    await ran(arena, parent)
    assert [due.notice for due in due_of(arena, parent)] == ["follow_up_finished"]


async def test_a_follow_up_that_came_to_no_answer_is_told_whatever_its_condition():
    """Somebody rejected it: silence would look like no change. What is a day old is history."""
    arena = Arena()
    parent = await arena.parent()
    arena.accept(parent, percent=50.0)
    await arena.on(parent)
    child = await arena.due(parent, ANSWER)
    arena.decide(child, "reject")
    await arena.on(child)
    (due,) = due_of(arena, parent)
    assert ": rejected" in message(*parent_of(arena, parent), due, arena.env.ledger.now(), "")[1]
    arena.env.ledger.advance(90_000)
    assert due_of(arena, parent) == ()
