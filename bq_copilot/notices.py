"""Which notices of a run are due: a pure function of its events, the ledger's clock and the policy.

Decides what people outside are told, and when; never how, and never anything about the run. Each notice has a key that
follows from its cause, so it is told once whoever looks. Of one request or question only the newest stage is told: who
was not reached before the reminder is reached by the reminder. What is one person's says whose it is: a question is for
the requester, and so is a follow-up that waits to be accepted; a delegated approval is for the delegate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bq_copilot.approval import ApprovalRequest, escalates_at
from bq_copilot.events import (
    ApprovalDecided,
    ApprovalRequested,
    CancelUnconfirmed,
    FollowUpRan,
    FollowUpRequested,
    QuestionAsked,
    Recorded,
    RunEnded,
)
from bq_copilot.notice_events import NoticeKind
from bq_copilot.permission import is_among
from bq_copilot.phases import Phase
from bq_copilot.policy import Notifications
from bq_copilot.series import SKIPPED
from bq_copilot.state import Plan, RunState

STALE = timedelta(days=1)
"""A finished follow-up is told within a day; what was missed longer ago is history. What stands is told always."""


@dataclass(frozen=True, slots=True)
class Due:
    """One notice whose time has come."""

    key: str
    notice: NoticeKind
    about: int
    attempt: int
    to: str = ""
    """Whose it is; empty when it is for all who look after the runs."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be told now, and when the next look is worth while if nothing happens until then."""

    due: tuple[Due, ...]
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Cause:
    key: str
    notice: NoticeKind
    about: int
    since: datetime
    to: str = ""


def outlook(state: RunState, events: Sequence[Recorded], now: datetime, rules: Notifications) -> Outlook:
    """Return what is due of this run at `now`; `events` are those that `state` was folded from."""
    waits = [*_request(state, events, now, rules), *_question(state, events, now, rules)]
    causes = [*waits, *_follow_up(state, events, now, rules), *_standing(state, events), *_finished(state, events, now)]
    due: list[Due] = []
    later: list[datetime] = []
    for cause in (c for c in causes if c.notice in rules.kinds):
        before = state.notice_of(cause.key)
        at = cause.since if before is None else before.next_at
        if at is not None and at <= now:
            due.append(Due(cause.key, cause.notice, cause.about, before.attempt + 1 if before else 1, cause.to))
        elif at is not None:
            later.append(at)
    return Outlook(tuple(due), min(later, default=None))


def _request(state: RunState, events: Sequence[Recorded], now: datetime, rules: Notifications) -> list[_Cause]:
    """The open request: its newest stage by now and those that are still to come, and to whom it was handed."""
    plan = state.plan
    if state.phase is not Phase.AWAITING_APPROVAL or plan is None or plan.request is None:
        return []
    request = plan.request
    asked = next(
        r
        for r in reversed(events)
        if isinstance(r.event, ApprovalRequested) and r.event.request.request_id == request.request_id
    )
    stages: list[_Stage] = [(asked.at, "approval"), *_reminder(asked.at, rules)]
    if (escalation := escalates_at(request)) is not None:
        stages.append((escalation, "escalation"))
    of = request.request_id
    told = [
        _Cause(wait_key(kind, of), kind, asked.seq, at) for at, kind in _newest(stages, request.expires_at, now, rules)
    ]
    return [*told, *_delegated(plan, request, events)]


def _delegated(plan: Plan, request: ApprovalRequest, events: Sequence[Recorded]) -> list[_Cause]:
    """Everybody to whom a vote of this request was handed, unless they voted or handed it on."""
    done = tuple(d.by for d in (*plan.delegations, *plan.approvals))
    return [
        _Cause(wait_key(f"delegated {d.delegate_to}", request.request_id), "delegated", r.seq, r.at, d.delegate_to)
        for r in (events if plan.delegations else ())
        if isinstance(e := r.event, ApprovalDecided)
        and (d := e.decision).verdict == "delegate"
        and d.request_id == request.request_id
        and not is_among(request.approvers, d.delegate_to, done)
    ]


def _question(state: RunState, events: Sequence[Recorded], now: datetime, rules: Notifications) -> list[_Cause]:
    """The clarifying question that waits, for its requester; reminded of like a request."""
    asked = state.asked
    if state.phase is not Phase.AWAITING_ANSWER or asked is None:
        return []
    place = next(r for r in reversed(events) if isinstance(r.event, QuestionAsked))
    stages: list[_Stage] = [(place.at, "question"), *_reminder(place.at, rules)]
    of = question_name(asked)
    return [
        _Cause(wait_key(kind, of), kind, place.seq, at, state.requester)
        for at, kind in _newest(stages, asked.expires_at, now, rules)
    ]


def _follow_up(state: RunState, events: Sequence[Recorded], now: datetime, rules: Notifications) -> list[_Cause]:
    """The follow-up that the run waits to have accepted, for its requester; reminded of like a question."""
    if state.phase is not Phase.AWAITING_FOLLOW_UP:
        return []
    asked = state.series[-1].requested
    place = next(r for r in reversed(events) if isinstance(r.event, FollowUpRequested))
    stages: list[_Stage] = [(place.at, "follow_up"), *_reminder(place.at, rules)]
    return [
        _Cause(wait_key(kind, asked.series), kind, place.seq, at, state.requester)
        for at, kind in _newest(stages, asked.expires_at, now, rules)
    ]


_Stage = tuple[datetime, NoticeKind]


def _reminder(since: datetime, rules: Notifications) -> list[_Stage]:
    after = rules.remind_after_seconds
    return [(since + timedelta(seconds=after), "reminder")] if after else []


def _newest(stages: list[_Stage], until: datetime, now: datetime, rules: Notifications) -> list[_Stage]:
    """Return the newest stage that has come by now, and those that are still to come before the end."""
    wanted = sorted(s for s in stages if s[1] in rules.kinds and s[0] < until)
    return [*[s for s in wanted if s[0] <= now][-1:], *[s for s in wanted if s[0] > now]]


def wait_key(kind: str, of: str) -> str:
    """Return the key of a notice about what waits: a request or a series by its id, a question by its name."""
    return f"{kind} {of}"


def question_name(asked: QuestionAsked) -> str:
    """Return what the keys of a clarifying question's notices end in."""
    return f"turn-{asked.turn}"


def _standing(state: RunState, events: Sequence[Recorded]) -> list[_Cause]:
    """What stands until somebody acts: a parked run, a cancel that nobody confirmed."""
    if state.phase is Phase.PARKED:
        ended = next(r for r in reversed(events) if isinstance(r.event, RunEnded))
        return [_Cause(f"parked {ended.seq}", "parked", ended.seq, ended.at)]
    if state.unconfirmed is None:
        return []
    tries = [r for r in events if isinstance(r.event, CancelUnconfirmed)]
    return [_Cause("cancel_unconfirmed", "cancel_unconfirmed", tries[-1].seq, tries[0].at)]


def _finished(state: RunState, events: Sequence[Recorded], now: datetime) -> list[_Cause]:
    """Runs of this run's follow-ups that are over and whose condition holds, or that did not come to an answer."""
    return [
        _Cause(f"follow_up_finished {e.run}", "follow_up_finished", r.seq, r.at)
        for r in (events if state.series else ())
        if isinstance(e := r.event, FollowUpRan) and _matters(e) and now - r.at < STALE
    ]


def _matters(ran: FollowUpRan) -> bool:
    return ran.outcome != SKIPPED and (ran.told or ran.outcome != Phase.COMPLETED)
