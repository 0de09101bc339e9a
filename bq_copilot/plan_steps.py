"""What a proposed plan and its jobs call for: gate, dry run, approval, execution, and back to the model.

The part of `next_step` between a model's `propose_plan` and the answer to that call. Pure, reads no clock.
"""

from __future__ import annotations

from bq_copilot import repairs, toolbox
from bq_copilot.phases import Phase
from bq_copilot.query_steps import for_queries
from bq_copilot.state import Plan, RunState, Turn
from bq_copilot.step_types import (
    AnswerCall,
    AwaitDecision,
    ConsumeApproval,
    End,
    EstimatePlan,
    ProposePlan,
    RequestApproval,
    RulePlan,
    Step,
)
from bq_copilot.values import Failure

NOT_THE_SQL = frozenset({"quotaExceeded", "accessDenied", "billingNotEnabled"})
"""Reasons of a refused dry run that no other SQL and no second try would change."""


def for_plan(state: RunState, turn: Turn, call: toolbox.ProposePlan) -> Step:
    plan = state.plan
    if plan is None or plan.turn != turn.number:
        return _propose(state, turn, call)
    if not plan.verdicts:
        return RulePlan(plan)
    if plan.refusal and plan.refusal[1].code in NOT_THE_SQL:
        return End(Phase.FAILED, plan.refusal[1])
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
    forked = state.forked
    if forked is not None and forked.sql and turn.number == len(forked.turns):
        sql = dict(forked.sql)
        edited = tuple(q.model_copy(update={"sql": sql.get(q.id, q.sql)}) for q in queries)
        note = f"Edited by {forked.by} in the fork."
        return ProposePlan(revision, edited, call.rationale, forked.by, note, call.side_by_side)
    told = state.pinned is not None and state.pinned.prompt_version >= 2
    note = repairs.note_of(state.plan) if told else ""
    return ProposePlan(revision, queries, call.rationale, "model", note, side_by_side=call.side_by_side)


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
    return ProposePlan(plan.revision + 1, good.queries, good.rationale, "platform", note, good.side_by_side)


def _decided(state: RunState, turn: Turn, plan: Plan) -> Step:
    assert plan.decided is not None
    if plan.decided.verdict == "reject":
        return End(Phase.REJECTED, _rejected(plan))
    if plan.decided.verdict == "edit":
        return _edit(plan)
    if plan.voided:
        return _again(state, plan)
    if not plan.consumed:
        return ConsumeApproval(plan)
    return for_queries(state, turn, plan)


def _again(state: RunState, plan: Plan) -> Step:
    """Ask again about what is left to run; what has a result is neither asked about nor run again."""
    rest = tuple(q for q in plan.queries if q.id not in state.results)
    keeps = tuple(q.id for q in plan.all_queries if q.id in state.results)
    note = f"Asked again: {plan.voided}"
    return ProposePlan(plan.revision + 1, rest, plan.rationale, "platform", note, plan.side_by_side, keeps)


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
    by, keeps = plan.decided.by, tuple(q.id for q in plan.kept)
    return ProposePlan(plan.revision + 1, queries, plan.rationale, by, note, plan.side_by_side, keeps)
