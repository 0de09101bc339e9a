"""`next_step`: what a run does next, as a pure function of its state.

The executor performs the step, the explainer prints it; neither can drift from the other, because both get it
from here. Reads no clock: a step that waits carries its deadline.
"""

from __future__ import annotations

from bq_copilot import clarifying, follow_up_steps, toolbox
from bq_copilot.amounts import money
from bq_copilot.cancel_steps import for_cancel, for_undo
from bq_copilot.export_steps import for_export
from bq_copilot.phases import TOOLS, Phase
from bq_copilot.plan_steps import for_plan
from bq_copilot.query_steps import for_query
from bq_copilot.state import RunState, Turn
from bq_copilot.step_types import (
    AnswerCall,
    AskQuestion,
    AwaitAnswer,
    AwaitDecision,
    AwaitFollowUp,
    Brief,
    CancelJob,
    CheckReuse,
    ConsumeApproval,
    Done,
    End,
    EstimatePlan,
    ExportTable,
    Pin,
    PlanProfile,
    PollJob,
    ProposePlan,
    ReadResult,
    RecordFollowUp,
    RequestApproval,
    RequestFollowUp,
    ReusePlan,
    RulePlan,
    ScheduleSeries,
    Step,
    SubmitJob,
    TakeTurn,
    UndoEffect,
    WriteAnswer,
)
from bq_copilot.values import Failure

__all__ = [
    "AnswerCall",
    "AskQuestion",
    "AwaitAnswer",
    "AwaitDecision",
    "AwaitFollowUp",
    "Brief",
    "CancelJob",
    "CheckReuse",
    "ConsumeApproval",
    "Done",
    "End",
    "EstimatePlan",
    "ExportTable",
    "Pin",
    "PlanProfile",
    "PollJob",
    "ProposePlan",
    "ReadResult",
    "RecordFollowUp",
    "RequestApproval",
    "RequestFollowUp",
    "ReusePlan",
    "RulePlan",
    "ScheduleSeries",
    "Step",
    "SubmitJob",
    "TakeTurn",
    "UndoEffect",
    "WriteAnswer",
    "next_step",
]


HALF_A_FORK = Failure(
    code="bad_fork",
    message="whoever forked it died before it was recorded what it takes over; nothing was asked or run",
    next="Fork again.",
)


def _is_half_a_fork(state: RunState) -> bool:
    """A fork is two events; with the first one alone it must not go on as if it were a question of its own."""
    received = state.received
    return received is not None and bool(received.parent_run) and state.forked is None


def next_step(state: RunState) -> Step:
    """Return what `state` calls for."""
    if state.phase.is_terminal:
        return Done(state.phase)
    if state.undo is not None:
        return for_undo(state)
    if state.export is not None:
        return for_export(state)
    if state.cancel is not None:
        return for_cancel(state)
    if state.pinned is None:
        return End(Phase.FAILED, HALF_A_FORK) if _is_half_a_fork(state) else Pin()
    if state.pinned.prompt_version >= 2 and state.context is None:
        return Brief()
    if (step := follow_up_steps.before_the_first_turn(state)) is not None:
        return step
    turn = state.turn
    if turn is None or turn.answered is not None:
        return _next_turn(state)
    if turn.taken is None:
        return TakeTurn(turn.number, requested=True)
    return _for_call(state, turn)


def _next_turn(state: RunState) -> Step:
    limits, last = state.limits, state.turn
    if state.phase not in TOOLS:
        return End(Phase.PARKED, Failure(code="stuck", message=f"no step leads on from {state.phase}"))
    struck = [rule for rule, n in state.strikes.items() if n >= limits.strikes]
    if struck:
        return End(Phase.REFUSED, _struck(state, struck[0]))
    if state.repairs > limits.repairs:
        code = last.answered.code if last and last.answered else "repairs"
        return End(Phase.FAILED, _unusable(code, limits.repairs, _refused_by_the_warehouse(state, code)))
    if len(state.turns) >= limits.turns:
        return End(Phase.FAILED, _spent("turns", f"{limits.turns} model turns"))
    if state.tokens >= limits.tokens:
        return End(Phase.FAILED, _spent("tokens", f"{limits.tokens:,} tokens"))
    if state.usd >= limits.usd:
        return End(Phase.FAILED, _spent("money", f"{money(limits.usd)} for the model"))
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


def _refused_by_the_warehouse(state: RunState, code: str) -> str:
    """Return the warehouse's own words where it was its dry run that no plan has passed."""
    refusal = state.plan.refusal if state.plan and code == "dry_run_failed" else None
    return f" ({refusal[1].message})" if refusal else ""


def _unusable(code: str, repairs: int, why: str) -> Failure:
    return Failure(
        code="model_unusable",
        message=f"model output unusable: more than {repairs} repairs, the last one for {code}{why}",
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
            return for_plan(state, turn, call)
        case toolbox.WriteAnswer():
            if state.answer is None:
                return WriteAnswer(turn, call)
            return follow_up_steps.after_the_answer(state) or End(Phase.COMPLETED)
        case toolbox.ScheduleFollowUp():
            recorded = any(f.turn == turn.number for f in state.follow_ups)
            return AnswerCall(turn) if recorded else RecordFollowUp(turn, call)
        case toolbox.GiveUp():
            return _give_up(state, call)
        case _:
            return AnswerCall(turn)


def _give_up(state: RunState, call: toolbox.GiveUp) -> Step:
    answered = any(q.id in state.results for q in state.plan.all_queries) if state.plan else False
    phase = Phase.PARTIAL if answered else Phase.REFUSED
    hint = 'Ask about what the tables hold: `bq-copilot ask "Which tables are there?"` lists them.'
    return End(phase, Failure(code="cannot_answer", message=call.reason, next=hint))


def _for_question(state: RunState, turn: Turn, call: toolbox.AskUser) -> Step:
    asked = state.asked
    if asked is None or asked.turn != turn.number:
        problem = clarifying.problem_of(state, call)
        return AnswerCall(turn, problem) if problem else AskQuestion(turn, call)
    return AnswerCall(turn) if state.answered else AwaitAnswer(asked)


def _for_profile(state: RunState, turn: Turn, call: toolbox.ProfileColumn) -> Step:
    if state.profile is None:
        return PlanProfile(turn, call)
    return for_query(state, state.profile.query) or AnswerCall(turn)
