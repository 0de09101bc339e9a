"""`next_step`: what a run does next, as a pure function of its state.

The executor performs the step, the explainer prints it; neither can drift from the other, because both get it
from here. Reads no clock: a step that waits carries its deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

from bq_copilot import toolbox
from bq_copilot.events import QuestionAsked
from bq_copilot.phases import TOOLS, Phase
from bq_copilot.state import Job, Plan, RunState, Turn
from bq_copilot.values import CLOCK, Failure, Query


@dataclass(frozen=True, slots=True)
class Pin:
    """Fix policy, schemas and model for the whole run."""


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
    | ReadResult
    | WriteAnswer
    | RecordFollowUp
    | End
    | Done
)


def next_step(state: RunState) -> Step:
    """Return what `state` calls for."""
    if state.phase.is_terminal:
        return Done(state.phase)
    if state.cancel is not None:
        return _cancel(state)
    if state.pinned is None:
        return Pin()
    turn = state.turn
    if turn is None or turn.answered is not None:
        return _next_turn(state)
    if turn.taken is None:
        return TakeTurn(turn.number, requested=True)
    return _for_call(state, turn)


def _cancel(state: RunState) -> Step:
    for job in state.live_jobs:
        return PollJob(job) if job.cancel_requested else CancelJob(job)
    assert state.cancel is not None
    billed = f"billed {state.bytes_billed:,} bytes" if state.bytes_billed else "0 bytes billed"
    if state.cancel.via == CLOCK:
        timed_out = f"{state.cancel.reason} ({billed})"
        return End(Phase.FAILED, Failure(code="timed_out", message=timed_out, next="Ask again, or ask for less."))
    message = f"cancelled by {state.cancel.by} ({billed})"
    return End(Phase.CANCELLED, Failure(code="cancelled", message=message, next="Ask again to start over."))


def _next_turn(state: RunState) -> Step:
    limits, last = state.limits, state.turn
    if state.phase not in TOOLS:
        return End(Phase.PARKED, Failure(code="stuck", message=f"no step leads on from {state.phase}"))
    struck = [rule for rule, n in state.strikes.items() if n >= limits.strikes]
    if struck:
        return End(Phase.REFUSED, _struck(state, struck[0]))
    if state.repairs > limits.repairs:
        code = last.answered.code if last and last.answered else "repairs"
        return End(Phase.FAILED, _unusable(code, limits.repairs))
    if len(state.turns) >= limits.turns:
        return End(Phase.FAILED, _spent("turns", f"{limits.turns} model turns"))
    if state.tokens >= limits.tokens:
        return End(Phase.FAILED, _spent("tokens", f"{limits.tokens:,} tokens"))
    return TakeTurn(len(state.turns) + 1, requested=False)


def _struck(state: RunState, rule: str) -> Failure:
    plan = state.plan
    findings = [f for v in (plan.verdicts if plan else ()) for f in v.findings if f.rule == rule]
    where = f" at line {findings[0].line}" if findings and findings[0].line else ""
    why = f": {findings[0].message}" if findings else ""
    return Failure(
        code="policy",
        message=f"refused: rule {rule}{where}{why}",
        next="Ask for something that the policy allows, or ask its owner to change it.",
    )


def _unusable(code: str, repairs: int) -> Failure:
    return Failure(
        code="model_unusable",
        message=f"model output unusable: more than {repairs} repairs, the last one for {code}",
        next="Ask again in other words, or try another model.",
    )


def _spent(what: str, much: str) -> Failure:
    return Failure(
        code=f"budget_{what}",
        message=f"the run's budget of {much} is spent",
        next="Ask a narrower question, or raise the budget in the policy.",
    )


def _for_call(state: RunState, turn: Turn) -> Step:
    assert turn.taken is not None
    call = toolbox.parse(turn.taken.call, turn.tools)
    match call:
        case toolbox.CallProblem():
            return AnswerCall(turn, call)
        case toolbox.AskUser():
            return _for_question(state, turn, call)
        case toolbox.ProfileColumn():
            return _for_profile(state, turn, call)
        case toolbox.ProposePlan():
            return _for_plan(state, turn, call)
        case toolbox.WriteAnswer():
            return End(Phase.COMPLETED) if state.answer else WriteAnswer(turn, call)
        case toolbox.ScheduleFollowUp():
            recorded = any(f.turn == turn.number for f in state.follow_ups)
            return AnswerCall(turn) if recorded else RecordFollowUp(turn, call)
        case toolbox.GiveUp():
            return _give_up(state, call)
        case _:
            return AnswerCall(turn)


def _give_up(state: RunState, call: toolbox.GiveUp) -> Step:
    answered = any(q.id in state.results for q in state.plan.queries) if state.plan else False
    phase = Phase.PARTIAL if answered else Phase.REFUSED
    hint = 'Ask about what the tables hold: `bq-copilot ask "Which tables are there?"` lists them.'
    return End(phase, Failure(code="cannot_answer", message=call.reason, next=hint))


def _for_question(state: RunState, turn: Turn, call: toolbox.AskUser) -> Step:
    asked = state.asked
    if asked is None or asked.turn != turn.number:
        if state.questions >= state.limits.questions:
            text = "No more questions may be asked in this run. State your assumption in the answer instead."
            return AnswerCall(turn, toolbox.CallProblem("question_budget", text))
        return AskQuestion(turn, call)
    return AnswerCall(turn) if state.answered else AwaitAnswer(asked)


def _for_profile(state: RunState, turn: Turn, call: toolbox.ProfileColumn) -> Step:
    if state.profile is None:
        return PlanProfile(turn, call)
    return _run(state, state.profile.query) or AnswerCall(turn)


def _for_plan(state: RunState, turn: Turn, call: toolbox.ProposePlan) -> Step:
    plan = state.plan
    if plan is None or plan.turn != turn.number:
        return _propose(state, turn, call)
    if not plan.verdicts:
        return RulePlan(plan)
    if plan.denied or plan.refusal:
        return AnswerCall(turn) if plan.by == "model" else _restore(state, plan)
    if not plan.estimates:
        return EstimatePlan(plan)
    if plan.request is None:
        return RequestApproval(plan)
    if plan.decided is None:
        return AwaitDecision(plan)
    return _decided(state, turn, plan)


def _propose(state: RunState, turn: Turn, call: toolbox.ProposePlan) -> Step:
    queries = toolbox.queries_of(call)
    if isinstance(queries, toolbox.CallProblem):
        return AnswerCall(turn, queries)
    revision = state.plan.revision + 1 if state.plan else 1
    return ProposePlan(revision, queries, call.rationale, "model")


def _restore(state: RunState, plan: Plan) -> Step:
    """An edit or a re-check that does not pass brings the last plan that did pass back before the person."""
    shown = (p for p in reversed(state.earlier) if p.request is not None and not p.voided)
    good = next(shown, None) if plan.by != "platform" else None
    if good is None:
        assert state.open_turn is not None
        return AnswerCall(state.open_turn)
    finding = next((f for v in plan.verdicts for f in v.findings if f.severity == "deny"), None)
    why = f"{finding.rule}: {finding.message}" if finding else (plan.refusal[1].message if plan.refusal else "")
    note = f"The edit by {plan.by} was not accepted ({why}). This is the plan from before it."
    return ProposePlan(plan.revision + 1, good.queries, good.rationale, "platform", note)


def _decided(state: RunState, turn: Turn, plan: Plan) -> Step:
    assert plan.decided is not None
    if plan.decided.verdict == "reject":
        return End(Phase.REJECTED, _rejected(plan))
    if plan.decided.verdict == "edit":
        return _edit(plan)
    if plan.voided:
        note = f"Asked again: {plan.voided}"
        return ProposePlan(plan.revision + 1, plan.queries, plan.rationale, "platform", note)
    if not plan.consumed:
        return ConsumeApproval(plan)
    for query in plan.queries:
        step = _run(state, query)
        if step is not None:
            return step
    return AnswerCall(turn)


def _rejected(plan: Plan) -> Failure:
    assert plan.decided is not None
    reason = f": {plan.decided.reason}" if plan.decided.reason else ""
    return Failure(
        code="rejected",
        message=f"rejected by {plan.decided.by}{reason}",
        next="Ask again with the reason in mind.",
    )


def _edit(plan: Plan) -> Step:
    assert plan.decided is not None
    sql = dict(plan.decided.sql)
    queries = tuple(q.model_copy(update={"sql": sql.get(q.id, q.sql)}) for q in plan.queries)
    note = f"Edited by {plan.decided.by}."
    return ProposePlan(plan.revision + 1, queries, plan.rationale, plan.decided.by, note)


def _run(state: RunState, query: Query) -> Step | None:
    """Return the next step of the query's job, None when it is over (read, or failed for good)."""
    job = state.jobs.get(query.id)
    if job is None:
        return SubmitJob(query, 1, intended=False)
    if job.finished is None:
        return SubmitJob(query, job.intent.attempt, intended=True) if job.state == "INTENDED" else PollJob(job)
    if job.finished.ok:
        return None if query.id in state.results else ReadResult(job)
    if job.finished.retryable and job.intent.attempt < state.limits.attempts:
        return SubmitJob(query, job.intent.attempt + 1, intended=False)
    return None
