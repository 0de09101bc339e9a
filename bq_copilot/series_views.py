"""The documented JSON of follow-ups: `followups` and `followups show`. Same rules as `views`."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from bq_copilot.follow_up_events import FollowUpRan
from bq_copilot.grant_terms import Grant
from bq_copilot.series import SKIPPED, Series
from bq_copilot.view_types import ChartView
from bq_copilot.views import stamp


class GrantView(TypedDict):
    """A standing grant and what is left of it."""

    digest: str
    given_by: str
    bytes_per_run: int
    bytes_total: int
    bytes_spent: int
    bytes_left: int
    uses: int
    until: str
    ended: bool


class RanView(TypedDict):
    """One time at which a series was due."""

    due: str
    run_id: str | None
    outcome: str
    """The run's last phase, or `skipped`."""
    column: str
    figure: float | None
    change_percent: float | None
    told: bool
    granted: bool
    reused: bool
    bytes_billed: int
    why: str


class SeriesView(TypedDict):
    """One follow-up."""

    series: str
    parent_run: str
    question: str
    requester: str
    stands: str
    """`proposed`, `declined`, `accepted`, `scheduled`, `stopped` or `ended`."""
    rhythm: str
    until: str
    if_changed_by_percent: float | None
    decided_by: str | None
    decided_at: str | None
    deployment: str | None
    grant: GrantView | None
    offer_digest: str | None
    runs: int
    last: RanView | None


class SeriesHistoryView(TypedDict):
    """One follow-up with all its times, oldest first."""

    follow_up: SeriesView
    history: list[RanView]


def series_view(series: Series, parent: str, requester: str, now: datetime) -> SeriesView:
    """Return one follow-up as it stands at `now`."""
    asked, decided = series.requested, series.decided
    terms = decided or asked
    return SeriesView(
        series=series.id,
        parent_run=parent,
        question=series.question,
        requester=requester,
        stands=series.stands(now),
        rhythm=terms.rhythm.words,
        until=terms.until.isoformat(),
        if_changed_by_percent=terms.percent,
        decided_by=decided.by if decided else None,
        decided_at=stamp(series.decided_at),
        deployment=series.scheduled.deployment if series.scheduled else None,
        grant=_grant(series, series.grant, now) if series.grant else None,
        offer_digest=asked.offer_digest or None,
        runs=sum(r.outcome != SKIPPED for r in series.ran),
        last=_ran(series.ran[-1]) if series.ran else None,
    )


def history_view(series: Series, parent: str, requester: str, now: datetime) -> SeriesHistoryView:
    """Return one follow-up with every time at which it was due."""
    return SeriesHistoryView(
        follow_up=series_view(series, parent, requester, now), history=[_ran(r) for r in series.ran]
    )


def _grant(series: Series, grant: Grant, now: datetime) -> GrantView:
    terms = grant.terms
    return GrantView(
        digest=grant.digest,
        given_by=grant.decision.by,
        bytes_per_run=terms.bytes_per_run,
        bytes_total=terms.bytes_total,
        bytes_spent=series.spent,
        bytes_left=max(0, terms.bytes_total - series.spent),
        uses=len(series.uses),
        until=terms.until.isoformat(),
        ended=now > terms.until or series.stopped is not None or series.revoked_at is not None,
    )


def _ran(ran: FollowUpRan) -> RanView:
    return RanView(
        due=ran.due.isoformat(),
        run_id=ran.run or None,
        outcome=ran.outcome,
        column=ran.column,
        figure=ran.figure,
        change_percent=ran.change_percent,
        told=ran.told,
        granted=ran.granted,
        reused=ran.reused,
        bytes_billed=ran.bytes_billed,
        why=ran.why,
    )


def chart_of(view: SeriesHistoryView) -> tuple[ChartView, list[str], list[list[object]]]:
    """Return the line over the runs of a series: chart, columns, rows."""
    told = [r for r in view["history"] if r["figure"] is not None]
    column = told[-1]["column"] if told else "figure"
    rows: list[list[object]] = [[r["due"][:16].replace("T", " "), r["figure"]] for r in told]
    title = view["follow_up"]["question"]
    return ChartView(kind="line", query="", x="due", y=[column], title=title), ["due", column], rows
