"""Which notices of a run are due: a pure function of its events, the ledger's clock and the policy.

Decides what people outside are told, and when; never how, and never anything about the run. Each notice has a key that
follows from its cause, so it is told once whoever looks. Of one request only the newest stage is told: who was not
reached before the reminder is reached by the reminder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bq_copilot.approval import escalates_at
from bq_copilot.events import ApprovalRequested, CancelUnconfirmed, FollowUpRan, Recorded, RunEnded
from bq_copilot.notice_events import NoticeKind
from bq_copilot.phases import Phase
from bq_copilot.policy import Notifications
from bq_copilot.series import SKIPPED
from bq_copilot.state import RunState

STALE = timedelta(days=1)
"""A finished follow-up is told within a day; what was missed longer ago is history. What stands is told always."""


@dataclass(frozen=True, slots=True)
class Due:
    """One notice whose time has come."""

    key: str
    notice: NoticeKind
    about: int
    attempt: int


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


def outlook(state: RunState, events: Sequence[Recorded], now: datetime, rules: Notifications) -> Outlook:
    """Return what is due of this run at `now`; `events` are those that `state` was folded from."""
    causes = [*_request(state, events, now, rules), *_standing(state, events), *_finished(state, events, now)]
    due: list[Due] = []
    later: list[datetime] = []
    for cause in (c for c in causes if c.notice in rules.kinds):
        before = state.notice_of(cause.key)
        at = cause.since if before is None else before.next_at
        if at is not None and at <= now:
            due.append(Due(cause.key, cause.notice, cause.about, before.attempt + 1 if before else 1))
        elif at is not None:
            later.append(at)
    return Outlook(tuple(due), min(later, default=None))


def _request(state: RunState, events: Sequence[Recorded], now: datetime, rules: Notifications) -> list[_Cause]:
    """The open request: its newest stage by now, and those that are still to come."""
    plan = state.plan
    if state.phase is not Phase.AWAITING_APPROVAL or plan is None or plan.request is None:
        return []
    request = plan.request
    asked = next(
        r
        for r in reversed(events)
        if isinstance(r.event, ApprovalRequested) and r.event.request.request_id == request.request_id
    )
    stages: list[tuple[datetime, NoticeKind]] = [(asked.at, "approval")]
    if rules.remind_after_seconds:
        stages.append((asked.at + timedelta(seconds=rules.remind_after_seconds), "reminder"))
    if (escalation := escalates_at(request)) is not None:
        stages.append((escalation, "escalation"))
    wanted = sorted(s for s in stages if s[1] in rules.kinds and s[0] < request.expires_at)
    come = [s for s in wanted if s[0] <= now][-1:]
    ahead = [s for s in wanted if s[0] > now]
    return [_Cause(request_key(kind, request.request_id), kind, asked.seq, at) for at, kind in (*come, *ahead)]


def request_key(kind: str, request_id: str) -> str:
    """Return the key of a notice about an approval request."""
    return f"{kind} {request_id}"


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
