"""What people are told of a series: that it waits to be accepted, and a run that matters."""

from __future__ import annotations

import pytest

from bq_copilot import events as ev
from bq_copilot.journal import Journal
from bq_copilot.list_views import pending
from bq_copilot.notice_message import message
from bq_copilot.notices import Due, outlook
from bq_copilot.policy import Notifications
from bq_copilot.state import RunState
from bq_copilot.waiting_list import waiting_states
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


async def test_a_follow_up_that_waits_is_told_to_its_requester_until_somebody_decides():
    """At once and once more; the message says when it would run, and not the question, which may be the model's."""
    arena = Arena()
    parent = await arena.parent()
    (due,) = due_of(arena, parent)
    assert (due.notice, due.to) == ("follow_up", parent.state.requester)
    subject, body = message(*parent_of(arena, parent), due, arena.env.ledger.now(), "http://ui/x")
    series = arena.series(parent)
    assert subject == f"BigQuery Copilot: A follow-up waits to be accepted ({parent.id})"
    assert f"When: {series.requested.rhythm.words}; until " in body
    assert f"bq-copilot followups show {series.id}" in body
    assert "Accept or decline it in the form: http://ui/x" in body and "SELECT" not in body
    told(arena, parent, due)
    assert due_of(arena, parent) == ()
    arena.env.ledger.advance(Notifications().remind_after_seconds + 1)
    (again,) = due_of(arena, parent)
    assert again.notice == "reminder"
    subject, _ = message(*parent_of(arena, parent), again, arena.env.ledger.now(), "")
    assert subject == f"BigQuery Copilot: A follow-up still waits to be accepted ({parent.id})"
    arena.accept(parent)
    assert due_of(arena, parent) == ()


async def test_the_list_says_since_when_a_follow_up_waits_and_who_was_told():
    """A notice does not move the beginning of the wait, and one event says all of it."""
    arena = Arena()
    parent = await arena.parent()
    _, events = parent_of(arena, parent)
    (asked,) = (r for r in events if r.event.kind == "follow_up_requested")
    arena.env.ledger.advance(60)
    told(arena, parent, due_of(arena, parent)[0])
    now, heads = arena.env.ledger.now(), arena.env.ledger.heads(phases=["awaiting_follow_up"])
    short = list(waiting_states(heads, arena.env.ledger))
    assert short[0].started is None, "the whole history was not read"
    assert pending(short, now) == pending([parent_of(arena, parent)[0]], now)
    (view,) = pending(short, now)
    assert view["waiting_since"] == asked.at.isoformat()
    assert [(one["notice"], one["state"]) for one in view["told"]] == [("follow_up", "told")]


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
