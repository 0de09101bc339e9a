"""Everything that can happen to a run, one frozen model per kind, discriminated on `kind`.

Events are facts in the past tense. They are additive only: a field may be added with a default, none may be
renamed, removed or given another meaning, because ledgers of every release must keep folding. An *intent* is
recorded before an effect, an *outcome* after it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from bq_copilot.approval import ApprovalRequest, Decision
from bq_copilot.context_events import AnswerRated, ContextPinned
from bq_copilot.export_events import ExportDone, ExportIntended, ExportRequested
from bq_copilot.follow_up_events import (
    FollowUpDecided,
    FollowUpRan,
    FollowUpRequested,
    FollowUpScheduled,
    FollowUpStopped,
    GrantClaimed,
    GrantSettled,
    GrantUsed,
    PlanReused,
    ResultReused,
    ReuseDeclined,
)
from bq_copilot.fork_events import RunForked
from bq_copilot.gate.verdict import Verdict
from bq_copilot.job_events import JobAdopted, JobCancelRequested, JobFinished, JobIntended, JobSubmitted
from bq_copilot.notice_events import NoticeFailed, NoticeGiven, NoticeIntended
from bq_copilot.turn_events import (
    CallAnswered,
    QuestionAnswered,
    QuestionAsked,
    ResultRead,
    RunPinned,
    TurnRequested,
    TurnTaken,
)
from bq_copilot.undo_events import CancelUnconfirmed, RetryRequested, UndoDone, UndoIntended, UndoRequested
from bq_copilot.values import (
    Cell,
    Chart,
    Estimate,
    Failure,
    Query,
    Stored,
    Value,
)

LEDGER_VERSION = 1
"""Raised when an old reader could misread new events; it is in every run's first event."""


class FollowUpOrigin(Value):
    """Which series a run belongs to, and when it was due."""

    series: str
    parent: str
    due: datetime


class RunReceived(Value):
    """A question came in."""

    kind: Literal["run_received"] = "run_received"
    question: str
    requester: str
    via: str
    request_key: str
    code_version: str
    ledger_version: int = LEDGER_VERSION
    parent_run: str = ""
    parent_seq: int = 0
    after_run: str = ""
    """The finished run that this question continues; its results are context, its approvals are not."""
    environment: str = "default"
    """Name of the blocks that the run works with, for whoever must start it later."""
    follow_up: FollowUpOrigin | None = None
    """Set for a run of a follow-up series."""


class RunStarted(Value):
    """A process took the run; `reason` says whether it begins, resumes or recovers it."""

    kind: Literal["run_started"] = "run_started"
    attempt: int
    flow_run_id: str
    host: str
    reason: Literal["started", "resumed", "recovered"]
    why: str = ""
    code_version: str


class PlanProposed(Value):
    """A plan revision exists."""

    kind: Literal["plan_proposed"] = "plan_proposed"
    revision: int
    queries: tuple[Query, ...]
    rationale: str
    by: str
    """`model`, or the person who edited it."""
    note: str = ""
    side_by_side: bool = False
    """True when the queries may run at the same time; else one after the other, and a failure stops the rest."""
    keeps: tuple[str, ...] = ()
    """Queries of the revision before whose results stay: they are not part of this one and do not run again."""


class PlanRuled(Value):
    """The gate judged every query of the revision, in order."""

    kind: Literal["plan_ruled"] = "plan_ruled"
    revision: int
    verdicts: tuple[Verdict, ...]


class PlanEstimated(Value):
    """The dry run priced every query of the revision, in order."""

    kind: Literal["plan_estimated"] = "plan_estimated"
    revision: int
    estimates: tuple[Estimate, ...]


class EstimateRefused(Value):
    """The dry run did not accept a query, or contradicted the gate."""

    kind: Literal["estimate_refused"] = "estimate_refused"
    revision: int
    query: str
    failure: Failure


class ApprovalRequested(Value):
    """A person is asked to allow exactly this."""

    kind: Literal["approval_requested"] = "approval_requested"
    request: ApprovalRequest
    digest: str


class ApprovalDecided(Value):
    """One person's decision about the request."""

    kind: Literal["approval_decided"] = "approval_decided"
    decision: Decision


class DecisionRefused(Value):
    """Somebody decided who could not, or too late; recorded, without effect."""

    kind: Literal["decision_refused"] = "decision_refused"
    decision: Decision
    failure: Failure


class ApprovalVoided(Value):
    """The facts changed after approval: it no longer holds, a new request follows."""

    kind: Literal["approval_voided"] = "approval_voided"
    request_id: str
    reason: str
    changes: tuple[str, ...] = ()
    policy: Stored | None = None
    """The policy that the run is judged by from now on; None: the one that it was pinned to."""
    policy_fingerprint: str = ""
    catalog: Stored | None = None
    """The schemas that the run is judged by from now on; None: those that it was pinned to."""
    schema_fingerprint: str = ""


class ApprovalConsumed(Value):
    """The approval was checked against fresh facts and is used, once, now."""

    kind: Literal["approval_consumed"] = "approval_consumed"
    request_id: str
    digest: str


class ProfilePlanned(Value):
    """A bounded look at one column, allowed by policy without a person."""

    kind: Literal["profile_planned"] = "profile_planned"
    turn: int
    query: Query
    verdict: Verdict
    maximum_bytes: int


class AnswerWritten(Value):
    """The answer, each figure checked against the results."""

    kind: Literal["answer_written"] = "answer_written"
    summary: str
    chart: Chart
    citations: tuple[Cell, ...]
    unsupported: tuple[str, ...]
    """Figures of the summary that no cited cell holds."""
    model: str


class FollowUpProposed(Value):
    """The model proposes to ask again later; a person must accept it."""

    kind: Literal["follow_up_proposed"] = "follow_up_proposed"
    turn: int
    """The model's turn; 0 when a person proposes it."""
    when: str
    question: str
    by: str = "model"


class Waited(Value):
    """A step waits before its next try."""

    kind: Literal["waited"] = "waited"
    what: str
    reason: str
    attempt: int
    until: datetime
    since: datetime | None = None
    """When the first wait in this row began."""
    tried: bool = True
    """False when nothing was asked: a place was not free, or the provider's circuit is open."""


class StepFailed(Value):
    """A step ended in an error that nobody expected; the process gave up, another one tries again."""

    kind: Literal["step_failed"] = "step_failed"
    step: str
    failure: Failure


class RunUnparked(Value):
    """An operator let a parked run go on."""

    kind: Literal["run_unparked"] = "run_unparked"
    by: str
    via: str
    reason: str = ""


class CancelRequested(Value):
    """Somebody wants the run to stop."""

    kind: Literal["cancel_requested"] = "cancel_requested"
    by: str
    via: str
    reason: str = ""


class RunEnded(Value):
    """The run reached a terminal phase."""

    kind: Literal["run_ended"] = "run_ended"
    phase: str
    failure: Failure | None = None


Event = Annotated[
    RunReceived
    | RunForked
    | RunStarted
    | RunPinned
    | ContextPinned
    | TurnRequested
    | TurnTaken
    | CallAnswered
    | QuestionAsked
    | QuestionAnswered
    | PlanProposed
    | PlanRuled
    | PlanEstimated
    | EstimateRefused
    | ApprovalRequested
    | ApprovalDecided
    | DecisionRefused
    | ApprovalVoided
    | ApprovalConsumed
    | ProfilePlanned
    | JobIntended
    | JobSubmitted
    | JobAdopted
    | JobCancelRequested
    | JobFinished
    | ResultRead
    | AnswerWritten
    | AnswerRated
    | FollowUpProposed
    | FollowUpRequested
    | FollowUpDecided
    | FollowUpScheduled
    | FollowUpStopped
    | FollowUpRan
    | GrantUsed
    | GrantSettled
    | GrantClaimed
    | PlanReused
    | ResultReused
    | ReuseDeclined
    | Waited
    | StepFailed
    | RunUnparked
    | CancelRequested
    | CancelUnconfirmed
    | UndoIntended
    | UndoDone
    | RetryRequested
    | UndoRequested
    | NoticeIntended
    | NoticeGiven
    | NoticeFailed
    | ExportRequested
    | ExportIntended
    | ExportDone
    | RunEnded,
    Field(discriminator="kind"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Parses and writes any event."""


class Recorded(Value):
    """An event with its place and time in the ledger."""

    run_id: str
    seq: int
    at: datetime
    event: Event
    hash: str
