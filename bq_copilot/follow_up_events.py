"""What can happen to a follow-up: the part of `events` between a proposal and the last run of its series.

Same rule: additive only. Acceptance, uses of a grant, results and the stop stand in the chain of the *parent* run,
also after its end: one chain, so that two runs of a series cannot both take the last byte of a grant. What a
follow-up's own run reuses and claims stands in its own chain.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bq_copilot.grant_terms import Grant, GrantTerms
from bq_copilot.rhythm import Rhythm
from bq_copilot.values import Query, ResultColumn, Stored, ToolCall, Value


class FollowUpRequested(Value):
    """A proposed follow-up waits for a person."""

    kind: Literal["follow_up_requested"] = "follow_up_requested"
    number: int
    series: str
    question: str
    rhythm: Rhythm
    until: datetime
    percent: float | None = None
    offer: GrantTerms | None = None
    """The standing grant that may be given with it; None where the approval took several people, or none."""
    offer_digest: str = ""
    expires_at: datetime


class FollowUpDecided(Value):
    """A person accepted or declined it, or nobody did in time; then nothing is scheduled."""

    kind: Literal["follow_up_decided"] = "follow_up_decided"
    number: int
    series: str
    verdict: Literal["accept", "decline", "expired"]
    by: str
    via: str
    identity: str = "unverified"
    reason: str = ""
    rhythm: Rhythm
    until: datetime
    percent: float | None = None
    grant: Grant | None = None


class FollowUpScheduled(Value):
    """Outcome: Prefect has the schedule."""

    kind: Literal["follow_up_scheduled"] = "follow_up_scheduled"
    series: str
    deployment: str
    deployment_id: str


class FollowUpStopped(Value):
    """Nothing of this series runs any more."""

    kind: Literal["follow_up_stopped"] = "follow_up_stopped"
    series: str
    by: str
    via: str
    reason: str = ""


class GrantUsed(Value):
    """Receipt: one run takes part of the grant, before anything of it is sent."""

    kind: Literal["grant_used"] = "grant_used"
    series: str
    run: str
    request_id: str
    bytes_reserved: int


class GrantSettled(Value):
    """The run of a use has ended: what it did not bill is free again."""

    kind: Literal["grant_settled"] = "grant_settled"
    series: str
    run: str
    bytes_billed: int


class FollowUpRan(Value):
    """One time at which the series was due is over."""

    kind: Literal["follow_up_ran"] = "follow_up_ran"
    series: str
    due: datetime
    run: str = ""
    """Empty when it was skipped."""
    outcome: str
    """The run's last phase, or `skipped`."""
    column: str = ""
    figure: float | None = None
    """The figure that the series is compared by."""
    change_percent: float | None = None
    """Against the newest figure before it; None for the first, or when that was 0."""
    told: bool = False
    """True when the condition is met, or there is none."""
    granted: bool = False
    bytes_billed: int = 0
    reused: bool = False
    """True when no job ran, because nothing that it reads had changed."""
    why: str = ""


class PriorResult(Value):
    """A result that an earlier run of the series read, and that may still be right."""

    query: str
    sql_digest: str
    run: str
    job_id: str
    columns: tuple[ResultColumn, ...]
    page: Stored
    row_count: int
    rows_kept: int
    destination: str


class PlanReused(Value):
    """The follow-up begins with the plan that was accepted before; the model is asked only when it does not fit."""

    kind: Literal["plan_reused"] = "plan_reused"
    turn: int
    run: str
    """The run that the plan is taken from."""
    revision: int
    queries: tuple[Query, ...]
    call: ToolCall
    missing: tuple[str, ...] = ()
    """Tables that the plan reads and that are gone."""
    results: tuple[PriorResult, ...] = ()


class GrantClaimed(Value):
    """The grant that this run's approval rests on, whole, so that its receipts can be checked alone."""

    kind: Literal["grant_claimed"] = "grant_claimed"
    parent: str
    revision: int
    grant: Grant


class ResultReused(Value):
    """Nothing that the query reads has changed since an earlier run read its result: that one counts, no job runs."""

    kind: Literal["result_reused"] = "result_reused"
    query: str
    result: PriorResult


class ReuseDeclined(Value):
    """The earlier result is not used, and why."""

    kind: Literal["reuse_declined"] = "reuse_declined"
    query: str
    reason: str


FollowUpEvent = (
    FollowUpRequested
    | FollowUpDecided
    | FollowUpScheduled
    | FollowUpStopped
    | GrantUsed
    | GrantSettled
    | FollowUpRan
    | PlanReused
    | GrantClaimed
    | ResultReused
    | ReuseDeclined
)
