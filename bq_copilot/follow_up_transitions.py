"""How the events of follow-ups change the state of a run, and which of them are legal when.

Part of `transitions`, under its rules. A grant's ceiling, its end and the stop of its series are enforced here, inside
the append of a use with the database's clock: two runs that start at the same moment cannot both take the last byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.grant_terms import digest_of_terms
from bq_copilot.legality import illegal, need
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.series import Series
from bq_copilot.state import RunState, Turn

AFTER_THE_END = frozenset(
    {"follow_up_proposed", "follow_up_requested", "follow_up_decided", "follow_up_scheduled", "follow_up_stopped"}
    | {"follow_up_ran", "grant_used", "grant_settled"}
)
"""Kinds that go on in a parent's chain when its own work has ended."""


def _with(state: RunState, series: Series) -> RunState:
    return replace(state, series=tuple(series if s.id == series.id else s for s in state.series))


def _stands(state: RunState) -> bool:
    """True when no word on a follow-up moves the run: it has ended, or is being stopped or undone."""
    return state.phase in TERMINAL or state.cancel is not None or state.undo is not None


def _series(state: RunState, kind: str, series: str) -> Series:
    found = state.series_of(series)
    if found is None:
        raise illegal(state, kind, f"it has no series {series}")
    return found


def _accepted(state: RunState, kind: str, series: str) -> Series:
    found = _series(state, kind, series)
    need(found.accepted is not None, state, kind, f"{series} was not accepted")
    return found


def requested(state: RunState, rec: Recorded, e: ev.FollowUpRequested) -> RunState:
    need(state.answer is not None, state, e.kind, "there is no answer to follow up")
    need(len(state.series) == e.number < len(state.follow_ups), state, e.kind, "nothing new was proposed")
    need(all(s.decided for s in state.series), state, e.kind, "another one waits")
    offered = e.offer is None or digest_of_terms(e.offer) == e.offer_digest
    need(offered, state, e.kind, "the digest does not name the offer")
    phase = state.phase if _stands(state) else Phase.AWAITING_FOLLOW_UP
    return replace(state, series=(*state.series, Series(e, requested_at=rec.at)), phase=phase)


def decided(state: RunState, rec: Recorded, e: ev.FollowUpDecided) -> RunState:
    series = _series(state, e.kind, e.series)
    need(series.decided is None, state, e.kind, "it was decided before")
    late = rec.at > series.requested.expires_at
    need(late is (e.verdict == "expired"), state, e.kind, f"it expires at {series.requested.expires_at}")
    whole = e.grant is None or digest_of_terms(e.grant.terms) == e.grant.digest == e.grant.decision.digest
    need(whole and (e.grant is None or e.verdict == "accept"), state, e.kind, "the grant is not what was decided")
    phase = state.phase if _stands(state) else Phase.ANSWERING
    return replace(_with(state, replace(series, decided=e, decided_at=rec.at)), phase=phase)


def scheduled(state: RunState, rec: Recorded, e: ev.FollowUpScheduled) -> RunState:
    series = _accepted(state, e.kind, e.series)
    need(series.scheduled is None, state, e.kind, "it was scheduled before")
    return _with(state, replace(series, scheduled=e))


def stopped(state: RunState, rec: Recorded, e: ev.FollowUpStopped) -> RunState:
    series = _accepted(state, e.kind, e.series)
    need(series.stopped is None, state, e.kind, "it was stopped before")
    return _with(state, replace(series, stopped=e, stopped_at=rec.at))


def used(state: RunState, rec: Recorded, e: ev.GrantUsed) -> RunState:
    """The one place where a grant is spent."""
    series = _accepted(state, e.kind, e.series)
    need(series.grant is not None, state, e.kind, "nobody gave a standing grant")
    assert series.grant is not None
    terms = series.grant.terms
    need(series.stopped is None, state, e.kind, "the series was stopped")
    kept = state.cancel is None and state.undo is None and series.revoked_at is None
    need(kept, state, e.kind, "the grant was taken back")
    need(series.use_of(e.run) is None, state, e.kind, f"{e.run} has used it before")
    need(rec.at <= terms.until, state, e.kind, f"the grant ended at {terms.until:%Y-%m-%d %H:%M} UTC")
    need(e.bytes_reserved <= terms.bytes_per_run, state, e.kind, "a single run may not take so much")
    left = terms.bytes_total - series.spent
    need(e.bytes_reserved <= left, state, e.kind, f"only {left:,} bytes of the grant are left")
    return _with(state, replace(series, uses=(*series.uses, e)))


def settled(state: RunState, rec: Recorded, e: ev.GrantSettled) -> RunState:
    series = _accepted(state, e.kind, e.series)
    need(series.use_of(e.run) is not None, state, e.kind, f"{e.run} has not used the grant")
    need(e.run not in {s.run for s in series.settled}, state, e.kind, "it was settled before")
    return _with(state, replace(series, settled=(*series.settled, e)))


def ran(state: RunState, rec: Recorded, e: ev.FollowUpRan) -> RunState:
    series = _accepted(state, e.kind, e.series)
    twice = any(r.run == e.run and r.due == e.due for r in series.ran)
    need(not twice, state, e.kind, "it was told before")
    return _with(state, replace(series, ran=(*series.ran, e)))


# -- in the chain of a follow-up's own run --------------------------------------------------------------


def plan_reused(state: RunState, rec: Recorded, e: ev.PlanReused) -> RunState:
    """The first turn is not the model's: it is the plan that was accepted before."""
    origin = state.received.follow_up if state.received else None
    need(origin is not None and state.reused is None, state, e.kind, "it is no follow-up, or has a plan")
    need(state.phase is Phase.CLARIFYING and not state.turns and e.turn == 1, state, e.kind, "it is too late")
    taken = ev.TurnTaken(turn=1, model=f"plan of {e.run}", call=e.call)
    turn = Turn(number=1, tools=("propose_plan",), prompt_digest="", taken=taken)
    return replace(state, reused=e, turns=(turn,))


def claimed(state: RunState, rec: Recorded, e: ev.GrantClaimed) -> RunState:
    plan, origin = state.plan, state.received.follow_up if state.received else None
    of_series = origin is not None and origin.series == e.grant.terms.series and origin.parent == e.parent
    need(of_series, state, e.kind, "it is the grant of another series")
    judged = plan is not None and plan.revision == e.revision and state.phase is Phase.RULING
    need(judged, state, e.kind, f"revision {e.revision} is not being judged")
    assert plan is not None
    need(plan.request is None and plan.claim is None, state, e.kind, "a person is asked already")
    return replace(state, plan=replace(plan, claim=e))


def result_reused(state: RunState, rec: Recorded, e: ev.ResultReused) -> RunState:
    _reusable(state, e.kind, e.query)
    r = e.result
    read = ev.ResultRead(
        query=e.query,
        job_id=r.job_id,
        columns=r.columns,
        page=r.page,
        row_count=r.row_count,
        rows_kept=r.rows_kept,
        destination=r.destination,
    )
    return replace(state, results=MappingProxyType({**state.results, e.query: read}))


def reuse_declined(state: RunState, rec: Recorded, e: ev.ReuseDeclined) -> RunState:
    _reusable(state, e.kind, e.query)
    return replace(state, not_reused=state.not_reused | {e.query})


def _reusable(state: RunState, kind: str, query: str) -> None:
    """An earlier result stands for a query only under an approval that was used for exactly that query."""
    plan = state.plan
    covered = plan is not None and plan.consumed and query in {q.id for q in plan.queries}
    need(covered and state.reused is not None, state, kind, "no approval covers this query")
    fresh = query not in state.jobs and query not in state.results
    need(fresh and state.phase is not Phase.CANCELLING, state, kind, "its job was sent before")


APPLY: dict[str, Callable[..., RunState]] = {
    "follow_up_requested": requested,
    "follow_up_decided": decided,
    "follow_up_scheduled": scheduled,
    "follow_up_stopped": stopped,
    "follow_up_ran": ran,
    "grant_used": used,
    "grant_settled": settled,
    "grant_claimed": claimed,
    "plan_reused": plan_reused,
    "result_reused": result_reused,
    "reuse_declined": reuse_declined,
}
