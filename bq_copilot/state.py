"""The state of a run: what the fold of its events amounts to.

Only data and questions about it. How events change it stands in `transitions`, what comes next in `steps`.
Everything is frozen; mappings are never mutated in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType

from bq_copilot.approval import ApprovalRequest, Decision
from bq_copilot.context_events import AnswerRated, ContextPinned
from bq_copilot.events import (
    AnswerWritten,
    CallAnswered,
    CancelRequested,
    CancelUnconfirmed,
    DecisionRefused,
    Event,
    FollowUpProposed,
    JobFinished,
    JobIntended,
    ProfilePlanned,
    QuestionAnswered,
    QuestionAsked,
    ResultRead,
    RunForked,
    RunPinned,
    RunReceived,
    RunStarted,
    TurnTaken,
    UndoIntended,
    UndoRequested,
    Waited,
)
from bq_copilot.export_events import ExportDone, ExportIntended, ExportRequested
from bq_copilot.follow_up_events import GrantClaimed, PlanReused
from bq_copilot.gate.verdict import Ruling, Verdict
from bq_copilot.notice_record import Notice
from bq_copilot.phases import Phase
from bq_copilot.receipts import GENESIS
from bq_copilot.series import Series
from bq_copilot.values import Estimate, Failure, Limits, Query


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange with the model: asked, replied, and the reply's call answered."""

    number: int
    tools: tuple[str, ...]
    prompt_digest: str
    taken: TurnTaken | None = None
    answered: CallAnswered | None = None
    reserved_tokens: int = 0
    reserved_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One revision of the plan on its way through gate, dry run, approval and execution."""

    revision: int
    turn: int
    queries: tuple[Query, ...]
    rationale: str
    by: str
    note: str = ""
    side_by_side: bool = False
    kept: tuple[Query, ...] = ()
    """Queries of earlier revisions whose results count, and which do not run again."""
    attempts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Attempts at each query that were over before somebody asked to retry."""
    verdicts: tuple[Verdict, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    refusal: tuple[str, Failure] | None = None
    """(query id, why) when the dry run did not accept a query."""
    request: ApprovalRequest | None = None
    digest: str = ""
    requested_at: datetime | None = None
    approvals: tuple[Decision, ...] = ()
    delegates: tuple[str, ...] = ()
    decided: Decision | None = None
    decided_at: datetime | None = None
    voided: str = ""
    void_changes: tuple[str, ...] = ()
    consumed: bool = False
    consumed_at: datetime | None = None
    delegations: tuple[Decision, ...] = ()
    refused: DecisionRefused | None = None
    """The newest attempt at this request that was refused."""
    canary: Decision | None = None
    """What somebody decided about the canary that was shown before the request, None while there was none."""
    canary_at: datetime | None = None
    claim: GrantClaimed | None = None
    """The standing grant that the approval rests on."""

    @property
    def all_queries(self) -> tuple[Query, ...]:
        """Every query whose result counts: those that were kept, then those of this revision."""
        return (*self.kept, *self.queries)

    @property
    def denied(self) -> bool:
        """True when the gate denied any of the queries."""
        return any(v.ruling is Ruling.DENY for v in self.verdicts)


@dataclass(frozen=True, slots=True)
class Job:
    """The newest attempt at one query."""

    intent: JobIntended
    state: str = "INTENDED"
    """INTENDED, then BigQuery's own words: PENDING, RUNNING, DONE."""
    adopted: bool = False
    sent_at: datetime | None = None
    """When the run heard that the warehouse has it."""
    cancel_requested: bool = False
    timed_out: str = ""
    """Which clock the job ran out of, empty when none."""
    finished: JobFinished | None = None

    @property
    def is_live(self) -> bool:
        """True while the warehouse may be working on it."""
        return self.finished is None


@dataclass(frozen=True, slots=True)
class Undone:
    """An ended run whose traces are being removed: who asked, and the end that it comes back to."""

    requested: UndoRequested
    phase: Phase
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Exporting:
    """One result on its way into a table of its own, and the end that the run comes back to."""

    requested: ExportRequested
    phase: Phase
    failure: Failure | None
    intended: ExportIntended | None = None
    done: ExportDone | None = None


def _no_jobs() -> Mapping[str, Job]:
    return MappingProxyType({})


def _no_results() -> Mapping[str, ResultRead]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of one run after event `seq`."""

    run_id: str
    seq: int = 0
    hash: str = GENESIS
    at: datetime | None = None
    phase: Phase = Phase.RECEIVED
    received: RunReceived | None = None
    received_at: datetime | None = None
    forked: RunForked | None = None
    """What the run took over from another one, None for a run of its own."""
    started: RunStarted | None = None
    pinned: RunPinned | None = None
    context: ContextPinned | None = None
    """What the model is told beside the question; None in runs of versions that told it nothing."""
    turns: tuple[Turn, ...] = ()
    asked: QuestionAsked | None = None
    asked_at: datetime | None = None
    answered: QuestionAnswered | None = None
    questions: int = 0
    clarified: tuple[tuple[QuestionAsked, str], ...] = ()
    """Every question that a person answered, with the answer."""
    plan: Plan | None = None
    earlier: tuple[Plan, ...] = ()
    """Plan revisions that the current one replaced, oldest first."""
    profile: ProfilePlanned | None = None
    jobs: Mapping[str, Job] = field(default_factory=_no_jobs)
    past_jobs: tuple[Job, ...] = ()
    """Attempts that a later attempt or revision replaced."""
    results: Mapping[str, ResultRead] = field(default_factory=_no_results)
    answer: AnswerWritten | None = None
    rating: AnswerRated | None = None
    """What a person said last about the answer."""
    follow_ups: tuple[FollowUpProposed, ...] = ()
    series: tuple[Series, ...] = ()
    """The follow-ups that people were asked about, in the order of `follow_ups`."""
    reused: PlanReused | None = None
    """For a follow-up: the plan that it began with."""
    not_reused: frozenset[str] = frozenset()
    """Queries whose earlier result does not count any more."""
    cancel: CancelRequested | None = None
    unconfirmed: CancelUnconfirmed | None = None
    """The newest failure to confirm that a job has stopped, None once one is confirmed."""
    effects: tuple[Event, ...] = ()
    """The receipts of what the run made and of what is undone, oldest first."""
    undoing: UndoIntended | None = None
    undo: Undone | None = None
    """Set while what an ended run has left is being removed."""
    notices: tuple[Notice, ...] = ()
    """What people outside were told, or could not be told, of this run."""
    export: Exporting | None = None
    """Set while a result is copied into a table of its own."""
    exports: tuple[Exporting, ...] = ()
    """Every export that came to an end, oldest first."""
    waiting: Waited | None = None
    failure: Failure | None = None
    ended_at: datetime | None = None
    parked_in: Phase | None = None
    """The phase in which a parked run stopped, and in which it goes on."""
    tokens: int = 0
    usd: float = 0.0
    bytes_billed: int = 0
    repairs: int = 0
    strikes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How often each rule denied a plan of the model."""

    @property
    def limits(self) -> Limits:
        """What the run may spend; the defaults until policy is pinned."""
        return self.pinned.limits if self.pinned else Limits()

    @property
    def turn(self) -> Turn | None:
        """The newest turn."""
        return self.turns[-1] if self.turns else None

    @property
    def open_turn(self) -> Turn | None:
        """The turn whose reply has not been answered yet."""
        turn = self.turn
        return turn if turn and turn.taken and not turn.answered else None

    @property
    def live_jobs(self) -> tuple[Job, ...]:
        """Jobs that the warehouse may be working on."""
        return tuple(job for job in self.jobs.values() if job.is_live)

    @property
    def due(self) -> datetime | None:
        """When the open question or approval request expires, None when nothing waits for a person."""
        if self.phase is Phase.AWAITING_APPROVAL and self.plan and self.plan.request:
            return self.plan.request.expires_at
        if self.phase is Phase.AWAITING_FOLLOW_UP and self.series:
            return self.series[-1].requested.expires_at
        return self.asked.expires_at if self.phase is Phase.AWAITING_ANSWER and self.asked else None

    @property
    def is_follow_up(self) -> bool:
        """True for a run of a series."""
        return self.received is not None and self.received.follow_up is not None

    def series_of(self, series: str) -> Series | None:
        """Return the series of this id."""
        return next((s for s in self.series if s.id == series), None)

    def notice_of(self, key: str) -> Notice | None:
        """Return the notice of this key."""
        return next((n for n in self.notices if n.key == key), None)

    @property
    def question(self) -> str:
        """The analyst's words."""
        return self.received.question if self.received else ""

    @property
    def requester(self) -> str:
        """Who asked."""
        return self.received.requester if self.received else ""


_NAMES = tuple(f.name for f in fields(RunState))
_ALL = attrgetter(*_NAMES)
_SEQ, _HASH, _AT = (_NAMES.index(name) for name in ("seq", "hash", "at"))


def placed(state: RunState, seq: int, hash: str, at: datetime) -> RunState:
    """Return the state as it is after the event at `seq`; `dataclasses.replace` takes twice as long for every event."""
    values = list(_ALL(state))
    values[_SEQ], values[_HASH], values[_AT] = seq, hash, at
    return RunState(*values)
