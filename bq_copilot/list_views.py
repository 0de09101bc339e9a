"""The documented JSON of the lists: `runs`, `pending` and `verify`. Same rules as `views`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict

from bq_copilot.events import Recorded
from bq_copilot.ledger import RunHead
from bq_copilot.ledger_reader import Reader
from bq_copilot.notice_events import NOTICE_KINDS, about
from bq_copilot.notice_views import notices_of_wait
from bq_copilot.phases import WAITING, Phase
from bq_copilot.standing import standing
from bq_copilot.state import RunState
from bq_copilot.view_types import ErrorView, NoticeView
from bq_copilot.views import approval, stamp


class RunView(TypedDict):
    """One line of `runs`."""

    run_id: str
    phase: str
    question: str
    requester: str
    received_at: str
    updated_at: str
    expires_at: str | None
    seq: int
    flow_run_id: str | None
    parked: str | None
    """Why it is parked."""


class PendingView(TypedDict):
    """One run that waits for a person."""

    run_id: str
    waits_for: str
    """`approval`, `answer` or `follow_up`."""
    question: str
    requester: str
    asks: str
    """The clarifying question, or when the follow-up would be due; empty for an approval."""
    options: list[str]
    request_id: str | None
    digest: str | None
    sql: list[str]
    bytes: int
    usd: float
    tier: int | None
    waiting_since: str | None
    expires_at: str | None
    escalated: bool
    """True once the request is old enough that others may decide as well."""
    may_decide: list[str]
    """Who may decide now, by name; empty for anybody whom the tier allows."""
    approved_by: list[str]
    told: list[NoticeView]
    """The notices about what waits: approval request, clarifying question or follow-up."""


class CheckView(TypedDict):
    """What `verify` found of one run."""

    run_id: str
    verified: bool
    rows: int
    approvals: int
    texts: int
    head: str
    signed_to: int
    """The last row that the signature of the head covers; 0 when it is not signed."""
    key: str
    """The public key that signed it."""
    pruned: str
    """When the run was pruned: only hashes are left of it; empty for a run that is whole."""
    seq: int | None
    error: ErrorView | None


def runs(heads: Iterable[RunHead], reasons: Mapping[str, str] | None = None) -> list[RunView]:
    """Return one line a run, with the reason for those that are parked."""
    reasons = reasons or {}
    return [
        RunView(
            run_id=h.run_id,
            phase=h.phase,
            question=h.question,
            requester=h.requester,
            received_at=h.received_at.isoformat(),
            updated_at=h.updated_at.isoformat(),
            expires_at=stamp(h.expires_at),
            seq=h.seq,
            flow_run_id=h.flow_run_id or None,
            parked=reasons.get(h.run_id),
        )
        for h in heads
    ]


def why_parked(heads: Iterable[RunHead], reader: Reader) -> dict[str, str]:
    """Return the reasons of the parked ones: each stands in the run's last row, notices apart, which any can read."""
    last = [r for h in heads if h.phase == Phase.PARKED for r in _last(h, reader)]
    ended = [(r.run_id, r.event.failure) for r in last if r.event.kind == "run_ended"]
    return {run_id: failure.message for run_id, failure in ended if failure is not None}


def _last(head: RunHead, reader: Reader) -> list[Recorded]:
    """Return the last event that is no notice; a notice of the end says where that stands."""
    last = reader.read(head.run_id, after=head.seq - 1)
    if not last or last[0].event.kind not in NOTICE_KINDS:
        return last
    near = reader.read(head.run_id, after=about(last[0].event) - 1)
    return [r for r in near if r.event.kind not in NOTICE_KINDS][-1:]


def pending(states: Iterable[RunState], now: datetime) -> list[PendingView]:
    """Return the runs of `states` that wait for a person at `now`, by the database's clock."""
    return [_pending(s, now) for s in states if s.phase in WAITING]


_WAITS_FOR = {
    Phase.AWAITING_ANSWER: "answer",
    Phase.AWAITING_APPROVAL: "approval",
    Phase.AWAITING_FOLLOW_UP: "follow_up",
}


def _since(state: RunState) -> datetime | None:
    """When what waits was asked; a notice about it is later and does not count."""
    match state.phase:
        case Phase.AWAITING_APPROVAL if state.plan:
            found = state.plan.requested_at
        case Phase.AWAITING_ANSWER:
            found = state.asked_at
        case Phase.AWAITING_FOLLOW_UP:
            found = state.series[-1].requested_at
        case _:
            found = None
    return found or state.at


def _pending(state: RunState, now: datetime) -> PendingView:
    stands = standing(state.plan, now) if state.plan else None
    waits = _WAITS_FOR[state.phase]
    asked = state.asked if waits == "answer" else None
    found = approval(state) if waits == "approval" else None
    stands = stands if found else None
    return PendingView(
        run_id=state.run_id,
        waits_for=waits,
        question=state.question,
        requester=state.requester,
        asks=asked.question if asked else (state.series[-1].requested.rhythm.words if waits == "follow_up" else ""),
        options=list(asked.options) if asked else [],
        request_id=found["request_id"] if found else None,
        digest=found["digest"] if found else None,
        sql=found["sql"] if found else [],
        bytes=found["bytes"] if found else 0,
        usd=found["usd"] if found else 0.0,
        tier=found["tier"] if found else None,
        waiting_since=stamp(_since(state)),
        expires_at=found["expires_at"] if found else stamp(state.due),
        escalated=stands is not None and stands.escalated,
        may_decide=list(stands.deciders) if stands else [],
        approved_by=list(stands.approved_by) if stands else [],
        told=notices_of_wait(state),
    )
