"""Notices that are one person's: a clarifying question for its requester, a delegated approval for the delegate."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bq_copilot import events as ev
from bq_copilot.ledger_reader import open_reader
from bq_copilot.list_views import pending
from bq_copilot.notice_message import message
from bq_copilot.notices import Due, Outlook, outlook
from bq_copilot.policy import Approvals, Notifications, Policy
from bq_copilot.transitions import fold
from bq_copilot.waiting_list import waiting_states
from tests import recorded_runs as rr

RULES = Notifications()
OFFICE = Policy(
    allowed_datasets=("p.shop",),
    approvals=Approvals.model_validate(
        {"tiers": [{"tier": 2, "always": True, "role": "leads"}], "roles": {"leads": ["bob", "dora"], "x": ["cora"]}}
    ),
)


def due_of(run: rr.Recording, rules: Notifications = RULES, later: float = 0) -> Outlook:
    """What is due of a run, now or so many seconds later."""
    now = run.ledger.now() + timedelta(seconds=later)
    return outlook(run.state, run.ledger.read(run.run_id), now, rules)


def give(run: rr.Recording, due: Due) -> None:
    """Tell it."""
    about = {"key": due.key, "about": due.about, "attempt": due.attempt, "channel": "c"}
    run.add(ev.NoticeIntended(notice=due.notice, **about)).add(ev.NoticeGiven(**about))


def text_of(run: rr.Recording, due: Due) -> tuple[str, str]:
    """Subject and body of a notice."""
    return message(run.state, run.ledger.read(run.run_id), due, run.ledger.now(), "http://ui/x")


# -- a question ---------------------------------------------------------------------------------------------


def test_a_question_is_told_to_its_requester_and_reminded_of_once(tmp_path: Path) -> None:
    """At once, and after the time that holds for requests; who answers ends it."""
    run = rr.waiting_for_answer(tmp_path)
    (first,) = due_of(run).due
    assert (first.notice, first.to) == ("question", "ann")
    give(run, first)
    assert due_of(run).due == ()
    (again,) = due_of(run, later=RULES.remind_after_seconds + 1).due
    assert (again.notice, again.to) == ("reminder", "ann")
    run.add(ev.QuestionAnswered(turn=1, answer="yes", by="ann", via="cli"))
    assert due_of(run, later=10_000) == Outlook((), None)


def test_every_question_of_a_run_has_a_notice_of_its_own(tmp_path: Path) -> None:
    """The second one is no reminder of the first."""
    run = rr.waiting_for_answer(tmp_path)
    give(run, due_of(run).due[0])
    run.add(ev.QuestionAnswered(turn=1, answer="yes", by="ann", via="cli")).call_answered()
    run.asked("By which currency?", ("usd", "eur"))
    (second,) = due_of(run).due
    assert (second.notice, second.attempt) == ("question", 1)


@pytest.mark.parametrize(
    "rules",
    [Notifications(kinds=("approval", "reminder", "parked"), remind_after_seconds=0), Notifications(kinds=())],
)
def test_a_policy_without_the_kind_tells_nobody_of_a_question(tmp_path: Path, rules: Notifications) -> None:
    """Neither at once nor later."""
    assert due_of(rr.waiting_for_answer(tmp_path), rules, later=5_000) == Outlook((), None)


def test_a_question_is_not_reminded_of_after_it_expired(tmp_path: Path) -> None:
    """It lapses in an hour here; a reminder after two would ask for nothing."""
    late = Notifications(remind_after_seconds=7_200)
    run = rr.waiting_for_answer(tmp_path)
    give(run, due_of(run, late).due[0])
    assert due_of(run, late) == Outlook((), None)


def test_the_message_of_a_question_has_no_word_of_the_model(tmp_path: Path) -> None:
    """What kind of answer is wanted, until when and where: the question itself stands in the form."""
    run = rr.Recording(tmp_path).started().asked("Shall I count what Wednesdays cost?", ("gold", "silver"))
    subject, body = text_of(run, due_of(run).due[0])
    assert subject == f"BigQuery Copilot: A question waits for an answer ({run.run_id})"
    assert body.startswith("For: ann\n")
    assert "the answer is one of 2 options" in body
    assert "Answer in the form: http://ui/x" in body
    assert f"bq-copilot answer {run.run_id}" in body
    assert not any(word in body for word in ("Wednesdays", "gold", "silver"))
    (again,) = due_of(run, later=RULES.remind_after_seconds + 1).due
    assert "A question still waits for an answer" in text_of(run, again)[0]


def test_the_list_says_who_was_told_of_a_question_and_since_when_it_waits(tmp_path: Path) -> None:
    """The short way and the fold agree, and a notice does not move the beginning of the wait."""
    run = rr.waiting_for_answer(tmp_path)
    since = run.ledger.read(run.run_id)[-1].at
    give(run, due_of(run).due[0])
    reader = open_reader(run.ledger.url)
    short = list(waiting_states(reader.heads(["awaiting_answer"]), reader))
    whole = fold(run.run_id, reader.read(run.run_id))
    assert short[0].started is None, "the whole history was not read"
    assert pending(short, reader.now()) == pending([whole], reader.now())
    (view,) = pending(short, reader.now())
    assert view["waiting_since"] == since.isoformat()
    assert [(told["notice"], told["state"]) for told in view["told"]] == [("question", "told")]


# -- a delegated approval -----------------------------------------------------------------------------------


def test_a_delegate_is_told_whose_decision_they_have_now(tmp_path: Path) -> None:
    """Once, with the card and who handed it over; everybody was told of the request before."""
    run = rr.waiting_for_approval(tmp_path, policy=OFFICE)
    give(run, due_of(run).due[0])
    run.decided("delegate", by="bob", delegate_to="cora", reason="you know <@orders>")
    (handed,) = due_of(run).due
    assert (handed.notice, handed.to) == ("delegated", "cora")
    subject, body = text_of(run, handed)
    assert subject == f"BigQuery Copilot: An approval was handed over ({run.run_id})"
    assert body.startswith("For: cora\n")
    assert "Handed over by: bob" in body and "Tables: p.shop.orders" in body and "Decide in the form: " in body
    assert "you know" not in body
    give(run, handed)
    assert due_of(run).due == ()


def test_who_hands_a_decision_on_or_decides_is_not_told_any_more(tmp_path: Path) -> None:
    """Of a chain the last one is told; after the decision nobody is."""
    run = rr.waiting_for_approval(tmp_path, policy=OFFICE)
    give(run, due_of(run).due[0])
    run.decided("delegate", by="bob", delegate_to="cora").decided("delegate", by="cora", delegate_to="eve")
    assert [d.to for d in due_of(run).due] == ["eve"]
    run.decided("approve", by="eve")
    assert due_of(run) == Outlook((), None)


def test_a_delegates_notice_stands_with_the_request_in_the_list(tmp_path: Path) -> None:
    """`pending` says that they were told."""
    run = rr.waiting_for_approval(tmp_path, policy=OFFICE)
    run.decided("delegate", by="bob", delegate_to="cora")
    for due in due_of(run).due:
        give(run, due)
    (view,) = pending([run.state], run.ledger.now())
    assert [told["notice"] for told in view["told"]] == ["approval", "delegated"]


# -- whose channel ------------------------------------------------------------------------------------------


def test_a_person_has_a_block_of_their_own_however_the_name_is_written() -> None:
    """Names are compared as everywhere; who has none, and nobody, has no block."""
    rules = Notifications(people={"Ann Lee": "ann-mail"})
    assert [rules.block_of(name) for name in ("ann lee", "ANN  LEE", "bob", "")] == ["ann-mail", "ann-mail", "", ""]
