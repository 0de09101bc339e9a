"""One run of a follow-up series: whether it is due, the plan that it begins with, its grant, and what it came to.

What is shared by the series is read from and appended to the parent's chain, without a lease: a use of a grant is a
compare-and-set like any other append. A second process that carries the same run on finds what the first one recorded.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime

from prefect.runtime import deployment

from blocks.environment import Environment
from bq_copilot import comparisons, following_up, grants, identity, scheduling
from bq_copilot.appending import append
from bq_copilot.approval import ApprovalRequest, Decision, digest_of
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import (
    ApprovalDecided,
    ApprovalRequested,
    Event,
    FollowUpOrigin,
    FollowUpRan,
    GrantClaimed,
    GrantSettled,
    GrantUsed,
    RunReceived,
)
from bq_copilot.identities import How
from bq_copilot.journal import Journal
from bq_copilot.phases import Phase
from bq_copilot.series import SKIPPED, Series
from bq_copilot.state import RunState
from bq_copilot.values import CLOCK
from bq_copilot.version import __version__
from bq_copilot.views import main_query
from tasks.durable import look
from tasks.prefect_server import prefect_api
from tasks.run import Run


def receive(env: Environment, parent: str, series: str, due: datetime, flow_run_id: str) -> RunReceived:
    """Return the first event of the series' run that this flow run carries out."""
    state = Journal.open(env.ledger, parent).state
    found = _series(state, series)
    return RunReceived(
        question=found.question,
        requester=state.requester,
        via="follow-up",
        request_key=identity.occurrence_key(series, flow_run_id),
        code_version=__version__,
        environment=env.name,
        follow_up=FollowUpOrigin(series=series, parent=parent, due=due),
    )


def _series(state: RunState, series: str) -> Series:
    found = state.series_of(series)
    if found is None or found.accepted is None:
        raise Refused(f"{series} is no accepted follow-up of {state.run_id}.", code="unknown_series")
    return found


async def not_due(env: Environment, origin: FollowUpOrigin) -> str:
    """Return why nothing is to run for this time; empty when it is. What is skipped is recorded, what is over paused.

    The catch-up rule: of all times that have passed, the newest is made up for, and the earlier ones are skipped.
    """
    journal = Journal.open(env.ledger, origin.parent)
    series, now = _series(journal.state, origin.series), env.ledger.now()
    stands = series.stands(now)
    if stands in {"stopped", "ended"}:
        await pause_schedule(origin.series)
        if stands == "ended":
            _stop(journal, origin.series)
        return f"the series has {stands}" if stands == "ended" else "the series was stopped"
    if journal.state.cancel is not None or journal.state.undo is not None:
        return "the run that proposed the series is being undone"
    later = await newest_due(origin.due.isoformat(), now.isoformat())
    if not later:
        return ""
    why = f"missed; the time of {later} makes up for it"
    _tell(journal, FollowUpRan(series=origin.series, due=origin.due, outcome=SKIPPED, why=why))
    return why


def _stop(journal: Journal, series: str) -> None:
    try:
        following_up.stop(journal, series, "the run's clock", CLOCK, "its end has come")
    except Conflict:
        return


@look(name="pause schedule")
async def pause_schedule(series: str) -> None:
    """Pause a schedule that has nothing left to start."""

    def pause() -> None:
        with prefect_api() as api:
            scheduling.pause(api, series)

    await asyncio.to_thread(pause)


@look(name="look for later times")
async def newest_due(due: str, now: str) -> str:
    """Return the newest time after `due` for which the same schedule has a run by now; empty when there is none."""
    mine, place = datetime.fromisoformat(due), deployment.id
    if not place:
        return ""

    def find() -> str:
        with prefect_api() as api:
            return api.newest_due(str(place), mine, datetime.fromisoformat(now))

    return await asyncio.to_thread(find)


# -- the grant ------------------------------------------------------------------------------------------


def claim(run: Run, request: ApprovalRequest) -> bool:
    """Let the request run under the series' standing grant; False when a person must be asked.

    The use is recorded in the parent's chain before the approval in the run's own: what is spent is never forgotten.
    """
    origin, plan = run.state.received.follow_up if run.state.received else None, run.state.plan
    if origin is None or plan is None:
        return False
    parent = Journal.open(run.env.ledger, origin.parent)
    grant = _series(parent.state, origin.series).grant
    if grant is None or plan.voided or grants.outside(grant.terms, request):
        return False
    if not _use(parent, origin.series, run.id, request):
        return False
    if plan.claim is None:
        run.append(GrantClaimed(parent=origin.parent, revision=plan.revision, grant=grant))
    named = digest_of(request)
    run.append(ApprovalRequested(request=request, digest=named))
    decision = Decision(
        request_id=request.request_id,
        digest=named,
        verdict="approve",
        by=f"standing grant of {grant.decision.by}",
        via="grant",
        identity=str(How.GRANT),
        reason=f"inside the grant of {origin.series}",
        key=grant.digest,
    )
    run.append(ApprovalDecided(decision=decision))
    return True


def _use(parent: Journal, series: str, run_id: str, request: ApprovalRequest) -> bool:
    """Take the bytes; False when the grant is over, used up, or was used by another request of this run."""
    use = GrantUsed(series=series, run=run_id, request_id=request.request_id, bytes_reserved=grants.reserve(request))
    before = _series(parent.state, series).use_of(run_id)
    if before is not None:
        return before.request_id == use.request_id and before.bytes_reserved >= use.bytes_reserved
    try:
        append(parent, lambda _state: use)
    except Refused:
        parent.refresh()
        again = _series(parent.state, series).use_of(run_id)
        return again is not None and again.request_id == use.request_id
    return True


def why_asked(run: Run, request: ApprovalRequest) -> str:
    """Return why a follow-up asks although there is a grant; empty for a run without one."""
    origin = run.state.received.follow_up if run.state.received else None
    if origin is None:
        return ""
    parent = Journal.open(run.env.ledger, origin.parent)
    series = _series(parent.state, origin.series)
    if series.grant is None:
        return ""
    terms = series.grant.terms
    if lines := grants.outside(terms, request):
        return f"Outside of the standing grant: {'; '.join(lines[:5])}"
    if series.use_of(run.id) is not None:
        return "The standing grant was used for this run before, and something has changed since."
    left = max(0, terms.bytes_total - series.spent)
    return f"The standing grant does not reach: {left:,} bytes are left of it, until {terms.until:%Y-%m-%d %H:%M} UTC."


# -- the end --------------------------------------------------------------------------------------------


def conclude(run: Run) -> None:
    """Tell the series what its run came to, once; what it did not bill of the grant is free again."""
    state = run.state
    origin = state.received.follow_up if state.received else None
    if origin is None or not state.phase.is_terminal or state.phase is Phase.PARKED:
        return
    parent = Journal.open(run.env.ledger, origin.parent)
    series = _series(parent.state, origin.series)
    if series.use_of(run.id) is not None:
        _tell(parent, GrantSettled(series=series.id, run=run.id, bytes_billed=state.bytes_billed))
    if not any(r.run == run.id for r in series.ran):
        _tell(parent, _came_to(run, origin, parent.state, series))


def _came_to(run: Run, origin: FollowUpOrigin, parent: RunState, series: Series) -> FollowUpRan:
    state = run.state
    now = _figure(run, state) if state.phase is Phase.COMPLETED else None
    before = series.newest_figure
    if before is None and now is not None:
        was = _figure(run, parent)
        before = was.value if was else None
    value = now.value if now else None
    percent = series.accepted.percent if series.accepted else None
    return FollowUpRan(
        series=series.id,
        due=origin.due,
        run=run.id,
        outcome=str(state.phase),
        column=now.column if now else "",
        figure=value,
        change_percent=comparisons.change_percent(value, before),
        told=state.phase is not Phase.COMPLETED or comparisons.is_told(percent, value, before),
        granted=state.plan is not None and state.plan.claim is not None,
        bytes_billed=state.bytes_billed,
        reused=bool(state.results) and not state.jobs,
        why=state.failure.message if state.failure else "",
    )


def _figure(run: Run, state: RunState) -> comparisons.Figure | None:
    query = main_query(state)
    if query is None:
        return None
    rows = json.loads(run.env.shelf.get(state.results[query].page))["rows"]
    return comparisons.figure_of(state, rows)


def _tell(parent: Journal, event: Event) -> None:
    """Append to the parent's chain; what stands there already is not told twice."""
    try:
        append(parent, lambda _state: event)
    except Refused:
        return
