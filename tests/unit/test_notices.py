"""Which notices are due, what they say, and what the ledger lets in about them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bq_copilot import events as ev
from bq_copilot import policy
from bq_copilot.approval import Approvers, digest_of
from bq_copilot.journal import Journal
from bq_copilot.ledger_reader import open_reader
from bq_copilot.list_views import pending, runs, why_parked
from bq_copilot.notice_message import BODY, message
from bq_copilot.notice_record import CLAIM, PAUSES, TRIES
from bq_copilot.notice_views import told_words
from bq_copilot.notices import Due, Outlook, outlook
from bq_copilot.phases import Phase
from bq_copilot.policy import Notifications, Policy
from bq_copilot.steps import next_step
from bq_copilot.testing import MemoryLedger
from bq_copilot.transitions import IllegalTransition, fold
from bq_copilot.values import Failure
from bq_copilot.views import show
from bq_copilot.waiting_list import waiting_states
from tests import recorded_runs as rr
from tests.unit.samples import request_for
from tests.unit.test_recovery_sweep import Place, Prefect, run_at

RULES = Notifications(remind_after_seconds=600)


class Told:
    """A run in a ledger in memory, with what is due of it."""

    def __init__(self, phase: Phase = Phase.AWAITING_APPROVAL) -> None:
        self.ledger = MemoryLedger()
        self.journal: Journal = run_at(Place(self.ledger, Prefect(self.ledger)), "r-1", phase).journal

    def outlook(self, rules: Notifications = RULES) -> Outlook:
        """What is due now."""
        return outlook(self.journal.state, self.ledger.read("r-1"), self.ledger.now(), rules)

    def due(self, rules: Notifications = RULES) -> list[str]:
        """The kinds that are due now."""
        return [d.notice for d in self.outlook(rules).due]

    def intend(self, due: Due) -> dict[str, object]:
        """Claim a notice, and return what its outcome names."""
        about = {"key": due.key, "about": due.about, "attempt": due.attempt, "channel": "slack-webhook"}
        self.journal.append(ev.NoticeIntended(notice=due.notice, **about))
        return about

    def give(self) -> None:
        """Tell what is due."""
        for due in self.outlook().due:
            self.journal.append(ev.NoticeGiven(**self.intend(due)))

    def fail(self, rules: Notifications = RULES) -> None:
        """Try to tell what is due, in vain."""
        for due in self.outlook(rules).due:
            self.journal.append(ev.NoticeFailed(**self.intend(due), error="HTTP 500"))


def test_a_request_is_told_once_and_reminded_of_once() -> None:
    """At once, after the time that the policy names, and not again; a decision ends it."""
    run = Told()
    assert run.due() == ["approval"]
    run.give()
    assert run.due() == []
    assert run.outlook().next_at == run.ledger.now() + timedelta(seconds=600)
    run.ledger.advance(601)
    assert run.due() == ["reminder"]
    run.give()
    assert (run.due(), run.outlook().next_at) == ([], None)
    run.journal.append(ev.CancelRequested(by="ana", via="cli"))
    assert run.outlook() == Outlook((), None)


def test_of_a_request_only_the_newest_stage_is_told() -> None:
    """Nobody could be told for an hour: the reminder alone goes out."""
    run = Told()
    run.ledger.advance(700)
    assert run.due() == ["reminder"]


def test_an_escalation_is_told_when_more_people_may_decide() -> None:
    """At the time that the request itself names."""
    run = Told()
    plan = run.journal.state.plan
    assert plan is not None and plan.request is not None
    rule = Approvers(escalate_to=("dora",), escalate_after_seconds=1_200)
    ledger = MemoryLedger()
    walked = [r.event for r in run.ledger.read("r-1")]
    journal = Journal(ledger, "r-1")
    for event in walked[:-1]:
        journal.append(event)
    assert journal.state.plan is not None
    request = request_for(journal.state, journal.state.plan, ledger.now(), approvers=rule)
    journal.append(ev.ApprovalRequested(request=request, digest=digest_of(request)))
    run.ledger, run.journal = ledger, journal
    run.give()
    ledger.advance(1_201)
    assert run.due() == ["escalation"]
    assert run.due(Notifications(kinds=("approval", "parked"))) == []


def test_a_failed_notice_is_tried_again_later_and_given_up_after_the_last_try() -> None:
    """Each pause as it is stated, counted by the ledger's clock; then nothing more, and the view says so."""
    run = Told()
    only = Notifications(remind_after_seconds=0)
    for pause in PAUSES:
        run.fail(only)
        assert run.due(only) == []
        run.ledger.advance(pause)
        assert run.due(only) == ["approval"]
    run.fail(only)
    run.ledger.advance(3_000)
    assert run.due(only) == []
    (view,) = show(run.journal.state, {})["notices"]
    assert (view["state"], view["tries"]) == ("given_up", TRIES)
    assert told_words(view) == "approval: could not be told (6 tries): HTTP 500 by slack-webhook"


def test_a_claim_that_a_dead_process_left_is_taken_again_once_it_is_old() -> None:
    """While it may still be sent nobody else gets it; then one more try, and a late outcome of the first is refused."""
    run = Told()
    (due,) = run.outlook().due
    about = run.intend(due)
    with pytest.raises(IllegalTransition):
        run.intend(due)
    again = Due(due.key, due.notice, due.about, 2)
    with pytest.raises(IllegalTransition):
        run.intend(again)
    assert run.due() == []
    run.ledger.advance(CLAIM)
    assert run.outlook().due == (again,)
    run.intend(again)
    with pytest.raises(IllegalTransition):
        run.journal.append(ev.NoticeGiven(**about))


def test_a_notice_moves_nothing_else() -> None:
    """The step, the phase and everything but the notices are as they were."""
    run = Told()
    before, step = run.journal.state, next_step(run.journal.state)
    run.fail()
    after = run.journal.state
    assert (after.phase, after.plan, next_step(after)) == (before.phase, before.plan, step)
    assert len(after.notices) == 1


def test_a_parked_run_and_a_finished_follow_up_are_told_after_the_end() -> None:
    """Each time that it is parked has a notice of its own."""
    run = Told()
    run.journal.append(ev.RunEnded(phase="parked", failure=Failure(code="poison", message="parked: why")))
    assert run.due() == ["parked"]
    run.give()
    assert run.due() == []
    run.journal.append(ev.RunUnparked(by="ana", via="cli"))
    run.journal.append(ev.RunEnded(phase="parked", failure=Failure(code="poison", message="parked: again")))
    assert run.due() == ["parked"]


def test_a_cancel_that_is_not_confirmed_is_told_once(tmp_path: Path) -> None:
    """Further tries of the same cancel are no news, and the fault's own words stay here."""
    run = rr.executing(tmp_path).add(ev.CancelRequested(by="ana", via="cli"))
    stuck = ev.CancelUnconfirmed(tries=1, jobs=("j-1",), reason="no secret word", until=run.ledger.now())
    run.add(stuck)
    events, now = run.ledger.read(run.run_id), run.ledger.now()
    (due,) = outlook(run.state, events, now, RULES).due
    subject, body = message(run.state, events, due, now, "http://ui/x")
    assert "A cancel is not confirmed" in subject
    assert "j-1" in body
    assert "secret" not in body
    about = {"key": due.key, "about": due.about, "attempt": 1, "channel": "c"}
    run.add(ev.NoticeIntended(notice=due.notice, **about)).add(ev.NoticeGiven(**about))
    run.add(stuck.model_copy(update={"tries": 2}))
    assert outlook(run.state, run.ledger.read(run.run_id), run.ledger.now(), RULES).due == ()


HOSTILE = "Hi <!channel> @here [click](https://evil.example/x) `rm` \u202eabc " + "x" * 5_000


def test_a_message_has_the_facts_and_nothing_that_acts(tmp_path: Path) -> None:
    """Tables, bytes, price, who may decide and until when; the question is inert, short and marked; no model prose."""
    run = rr.waiting_for_approval(tmp_path, question=HOSTILE)
    events = run.ledger.read(run.run_id)
    due = Due("approval x", "approval", len(events), 1)
    subject, body = message(run.state, events, due, run.ledger.now(), "http://ui/runs/flow-run/1")
    assert run.run_id in subject
    assert "p.shop.orders" in body
    assert "11.4 MiB" in body
    assert "May decide: tier 1" in body
    assert "Expires: " in body
    assert "as ann wrote it (not checked)" in body
    assert body.count("http://ui/runs/flow-run/1") == body.count("://") == 1
    assert not set("<>@[]`\u202e") & set(body)
    assert "Counting orders answers it." not in body
    assert "SELECT" not in body
    assert len(body) <= BODY


def test_lists_say_the_same_with_notices_behind_the_last_event(tmp_path: Path) -> None:
    """The short way and the fold agree on who was told, and a parked run's reason is still found."""
    run = rr.waiting_for_approval(tmp_path)
    request = run.state.plan.request if run.state.plan else None
    assert request is not None
    about = {"key": f"approval {request.request_id}", "about": run.state.seq, "attempt": 1, "channel": "slack-webhook"}
    run.add(ev.NoticeIntended(notice="approval", **about)).add(ev.NoticeGiven(**about))
    reader = open_reader(run.ledger.url)
    heads = reader.heads(["awaiting_approval"])
    short = list(waiting_states(heads, reader))
    long = fold(run.run_id, reader.read(run.run_id))
    assert short[0].started is None, "the whole history was not read"
    assert pending(short, reader.now()) == pending([long], reader.now())
    (told,) = pending(short, reader.now())[0]["told"]
    assert told_words(told).startswith("approval: told by slack-webhook at ")
    run.add(ev.RunEnded(phase="parked", failure=Failure(code="poison", message="parked: five died")))
    about = {"key": f"parked {run.state.seq}", "about": run.state.seq, "attempt": 1, "channel": "slack-webhook"}
    run.add(ev.NoticeIntended(notice="parked", **about))
    heads = reader.heads(["parked"])
    assert runs(heads, why_parked(heads, reader))[0]["parked"] == "parked: five died"


def test_the_policy_of_earlier_releases_keeps_its_fingerprint() -> None:
    """The section stands in the recorded text only once somebody has set it."""
    assert "notifications" not in Policy().text
    changed = Policy(notifications=Notifications(remind_after_seconds=60))
    assert '"remind_after_seconds": 60' in changed.text
    assert changed.fingerprint != Policy().fingerprint
    assert "notifications" in policy.ADDED


def test_a_stranger_cannot_say_that_something_was_told() -> None:
    """An outcome without a claim, and a claim about what has not happened, are illegal."""
    run = Told()
    about = {"key": "approval x", "about": 1, "attempt": 1, "channel": "c"}
    for event in (
        ev.NoticeGiven(**about),
        ev.NoticeFailed(**about, error="e"),
        ev.NoticeIntended(notice="approval", **{**about, "about": 10_000}),
    ):
        with pytest.raises(IllegalTransition):
            run.journal.append(event)
