"""The steps that a run can take, one frozen value each, with everything that performing it needs.

Only values: `steps.next_step` says which one comes next, `flows/analysis.py` performs it, `wording` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bq_copilot import toolbox
from bq_copilot.events import FollowUpOrigin, FollowUpProposed, QuestionAsked
from bq_copilot.export_events import ExportRequested
from bq_copilot.follow_up_events import PriorResult
from bq_copilot.phases import Phase
from bq_copilot.series import Series
from bq_copilot.state import Job, Plan, Turn
from bq_copilot.undoing import Undo
from bq_copilot.values import Failure, Query


@dataclass(frozen=True, slots=True)
class Pin:
    """Fix policy, schemas and model for the whole run."""


@dataclass(frozen=True, slots=True)
class Brief:
    """Gather what is known about the question, and fix it for the whole run."""


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Ask the model."""

    turn: int
    requested: bool
    """True when the intent is recorded already."""


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """Tell the model what its call came to; `problem` is set when the call itself is at fault."""

    turn: Turn
    problem: toolbox.CallProblem | None = None


@dataclass(frozen=True, slots=True)
class AskQuestion:
    """Put the model's clarifying question to a person."""

    turn: Turn
    call: toolbox.AskUser


@dataclass(frozen=True, slots=True)
class AwaitAnswer:
    """Wait for a person's answer."""

    asked: QuestionAsked


@dataclass(frozen=True, slots=True)
class PlanProfile:
    """Bound and judge a look at one column."""

    turn: Turn
    call: toolbox.ProfileColumn


@dataclass(frozen=True, slots=True)
class ProposePlan:
    """Record the plan: the model's, a person's edit, or an earlier one again."""

    revision: int
    queries: tuple[Query, ...]
    rationale: str
    by: str
    note: str = ""
    side_by_side: bool = False
    keeps: tuple[str, ...] = ()
    """Queries of the revision before whose results stay."""


@dataclass(frozen=True, slots=True)
class RulePlan:
    """Put every query before the gate."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class EstimatePlan:
    """Dry-run every query."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class RequestApproval:
    """Ask for approval, or approve by policy where it says so."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class AwaitDecision:
    """Wait for people to decide."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class ConsumeApproval:
    """Compare the approved facts with fresh ones and use the approval."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class SubmitJob:
    """Submit this attempt, or find it when it is there already."""

    query: Query
    attempt: int
    intended: bool


@dataclass(frozen=True, slots=True)
class PollJob:
    """Wait until the warehouse says DONE."""

    job: Job


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Ask the warehouse to stop the job."""

    job: Job


@dataclass(frozen=True, slots=True)
class UndoEffect:
    """Remove one thing that the run made."""

    undo: Undo
    intended: bool


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Read and store the first page of the result."""

    job: Job


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """Check every figure of the answer and record it."""

    turn: Turn
    call: toolbox.WriteAnswer


@dataclass(frozen=True, slots=True)
class RecordFollowUp:
    """Record a proposed follow-up."""

    turn: Turn
    call: toolbox.ScheduleFollowUp


@dataclass(frozen=True, slots=True)
class RequestFollowUp:
    """Put a proposed follow-up into the form that a person accepts or declines."""

    number: int
    proposed: FollowUpProposed


@dataclass(frozen=True, slots=True)
class AwaitFollowUp:
    """Wait until somebody accepts or declines it."""

    series: Series


@dataclass(frozen=True, slots=True)
class ScheduleSeries:
    """Give the accepted follow-up its schedule in Prefect, or find the one that it has."""

    series: Series


@dataclass(frozen=True, slots=True)
class ReusePlan:
    """Begin a follow-up with the plan that was accepted before."""

    origin: FollowUpOrigin


@dataclass(frozen=True, slots=True)
class CheckReuse:
    """See whether an earlier result of this very statement is still right."""

    query: Query
    prior: PriorResult


@dataclass(frozen=True, slots=True)
class ExportTable:
    """Copy a result into a table of its own."""

    wanted: ExportRequested
    job_id: str
    intended: bool


@dataclass(frozen=True, slots=True)
class End:
    """Enter a terminal phase."""

    phase: Phase
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""

    phase: Phase


Step = (
    Pin
    | Brief
    | TakeTurn
    | AnswerCall
    | AskQuestion
    | AwaitAnswer
    | PlanProfile
    | ProposePlan
    | RulePlan
    | EstimatePlan
    | RequestApproval
    | AwaitDecision
    | ConsumeApproval
    | SubmitJob
    | PollJob
    | CancelJob
    | UndoEffect
    | ReadResult
    | WriteAnswer
    | RecordFollowUp
    | RequestFollowUp
    | AwaitFollowUp
    | ScheduleSeries
    | ReusePlan
    | CheckReuse
    | ExportTable
    | End
    | Done
)
