"""The states of many waiting runs, as far as a list needs them, without reading their whole histories.

Decides: when one event says it all. A run whose last event is its approval request, its question or the request for its
follow-up waits for exactly that, and nobody has decided anything about it yet (notices about it do not count); the rest
of its history is not shown in a list. Every other run is folded in full. Why this shape: a thousand waiting runs are
listed in one look, and the two ways give the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bq_copilot.events import ApprovalRequested, FollowUpRequested, QuestionAsked, Recorded, RunReceived
from bq_copilot.ledger import RunHead
from bq_copilot.ledger_reader import Reader
from bq_copilot.notice_events import NOTICE_KINDS, about
from bq_copilot.notice_transitions import APPLY as NOTICES
from bq_copilot.phases import Phase
from bq_copilot.series import Series
from bq_copilot.state import Plan, RunState
from bq_copilot.transitions import fold


def waiting_states(heads: Iterable[RunHead], reader: Reader) -> Iterator[RunState]:
    """Yield the state of each run of the list."""
    for head in heads:
        last = reader.read(head.run_id, after=head.seq - 1)
        if last and about(last[0].event):
            last = reader.read(head.run_id, after=about(last[0].event) - 1)
        yield _from_last(head, last) or fold(head.run_id, reader.read(head.run_id))


def _from_last(head: RunHead, events: Sequence[Recorded]) -> RunState | None:
    """Return what one event and the notices about it say of a waiting run, None when they do not say enough."""
    if not events or any(r.event.kind not in NOTICE_KINDS for r in events[1:]):
        return None
    known = _from_event(head, events[0])
    for one in events[1:] if known else ():
        known = NOTICES[one.event.kind](known, one, one.event)
    return known


def _from_event(head: RunHead, last: Recorded) -> RunState | None:
    event = last.event
    received = RunReceived(question=head.question, requester=head.requester, via="", request_key="", code_version="")
    known = RunState(
        run_id=head.run_id,
        seq=head.seq,
        hash=last.hash,
        at=last.at,
        phase=Phase(head.phase),
        received=received,
        received_at=head.received_at,
    )
    match event:
        case ApprovalRequested(request=request, digest=digest):
            plan = Plan(request.revision, 0, (), "", "", request=request, digest=digest, requested_at=last.at)
            return replace(known, plan=plan)
        case QuestionAsked():
            return replace(known, asked=event, asked_at=last.at)
        case FollowUpRequested():
            return replace(known, series=(Series(event, requested_at=last.at),))
        case _:
            return None
