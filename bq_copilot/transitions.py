"""`apply`: how each event changes the state of a run, and which events are legal when.

Pure and total: for every (state, event) it returns the next state or raises `IllegalTransition`. It runs inside
the ledger's append, with the database's clock in the event, so that a late or second decision cannot get in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from bq_copilot import approval_transitions as approvals
from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.legality import IllegalTransition
from bq_copilot.legality import illegal as _illegal
from bq_copilot.legality import need as _need
from bq_copilot.phases import TERMINAL, TOOLS, Phase
from bq_copilot.state import Job, Plan, RunState, Turn

__all__ = ["IllegalTransition", "apply", "fold"]

V = TypeVar("V")

NEEDS_VERSION = "needs_version"
"""Code of the failure with which a version parks a run that it cannot read."""


def fold(run_id: str, recorded: Iterable[Recorded]) -> RunState:
    """Return the state after all of `recorded`, which must start at seq 1."""
    state = RunState(run_id=run_id)
    for one in recorded:
        state = apply(state, one)
    return state


def apply(state: RunState, recorded: Recorded) -> RunState:
    """Return the state after `recorded`. Raises IllegalTransition when it cannot happen here."""
    event = recorded.event
    if recorded.seq != state.seq + 1 or recorded.run_id != state.run_id:
        raise _illegal(state, event.kind, f"it has seq {recorded.seq} of {recorded.run_id}")
    if (state.seq == 0) is not (event.kind == "run_received"):
        raise _illegal(state, event.kind, "the first event, and only it, is run_received")
    if state.phase in TERMINAL and not _may_follow_the_end(state, event):
        raise _illegal(state, event.kind, f"the run has ended as {state.phase}")
    after = _APPLY[event.kind](state, recorded, event)
    return replace(after, seq=recorded.seq, hash=recorded.hash, at=recorded.at)


_AFTER_THE_END = frozenset({"decision_refused"})

_OUT_OF_THE_PARK = frozenset({"run_unparked", "cancel_requested"})


def _may_follow_the_end(state: RunState, event: ev.Event) -> bool:
    """An operator may take a parked run up again; a version that could not read the end may have parked it."""
    if event.kind in _AFTER_THE_END:
        return True
    return (state.phase is Phase.PARKED and event.kind in _OUT_OF_THE_PARK) or _is_unread(event)


def _is_unread(event: ev.Event) -> bool:
    return event.kind == "run_ended" and event.failure is not None and event.failure.code == NEEDS_VERSION


def _with(mapping: Mapping[str, V], key: str, value: V) -> Mapping[str, V]:
    return MappingProxyType({**mapping, key: value})


# -- the run ---------------------------------------------------------------------------------------------


def _received(state: RunState, rec: Recorded, e: ev.RunReceived) -> RunState:
    return replace(state, received=e, received_at=rec.at)


def _started(state: RunState, rec: Recorded, e: ev.RunStarted) -> RunState:
    expected = (state.started.attempt if state.started else 0) + 1
    _need(e.attempt == expected, state, e.kind, f"the next attempt is {expected}")
    return replace(state, started=e, waiting=None)


def _pinned(state: RunState, rec: Recorded, e: ev.RunPinned) -> RunState:
    _need(state.pinned is None and state.phase is Phase.RECEIVED, state, e.kind, "it is pinned already")
    return replace(state, pinned=e, phase=Phase.CLARIFYING)


def _waited(state: RunState, rec: Recorded, e: ev.Waited) -> RunState:
    return replace(state, waiting=e)


def _step_failed(state: RunState, rec: Recorded, e: ev.StepFailed) -> RunState:
    return state


def _cancel_requested(state: RunState, rec: Recorded, e: ev.CancelRequested) -> RunState:
    _need(state.cancel is None, state, e.kind, "a cancel was requested before")
    return replace(_unended(state), cancel=e, phase=Phase.CANCELLING, waiting=None)


def _unparked(state: RunState, rec: Recorded, e: ev.RunUnparked) -> RunState:
    _need(state.phase is Phase.PARKED and state.parked_in is not None, state, e.kind, "it is not parked")
    assert state.parked_in is not None
    return replace(_unended(state), phase=state.parked_in)


def _unended(state: RunState) -> RunState:
    return replace(state, failure=None, ended_at=None, parked_in=None) if state.parked_in else state


def _ended(state: RunState, rec: Recorded, e: ev.RunEnded) -> RunState:
    phase = Phase(e.phase)
    if state.phase in TERMINAL:
        return state
    _need(phase in TERMINAL, state, e.kind, f"{phase} is no terminal phase")
    _need(phase is not Phase.COMPLETED or state.answer is not None, state, e.kind, "there is no answer")
    idle = not state.live_jobs or phase is Phase.PARKED
    _need(idle, state, e.kind, "a job may still be alive")
    _need((phase is Phase.CANCELLED) <= (state.cancel is not None), state, e.kind, "nobody cancelled it")
    parked_in = state.phase if phase is Phase.PARKED else None
    ended = replace(state, phase=phase, failure=e.failure, ended_at=rec.at, waiting=None)
    return replace(ended, parked_in=parked_in)


# -- the model -------------------------------------------------------------------------------------------


def _turn_requested(state: RunState, rec: Recorded, e: ev.TurnRequested) -> RunState:
    last = state.turn
    _need(state.phase in TOOLS, state, e.kind, "no tool is offered in this phase")
    _need(last is None or last.answered is not None, state, e.kind, "the turn before is still open")
    _need(e.turn == len(state.turns) + 1, state, e.kind, f"the next turn is {len(state.turns) + 1}")
    turn = Turn(number=e.turn, tools=e.tools, prompt_digest=e.prompt_digest)
    return replace(state, turns=(*state.turns, turn), waiting=None)


def _turn_taken(state: RunState, rec: Recorded, e: ev.TurnTaken) -> RunState:
    turn = state.turn
    asked = turn is not None and turn.number == e.turn and turn.taken is None
    _need(asked, state, e.kind, "the model was not asked")
    assert turn is not None
    looks = e.call is not None and e.call.name in {"list_tables", "describe_table", "profile_column"}
    phase = Phase.INSPECTING if looks and state.phase is Phase.CLARIFYING else state.phase
    return replace(
        state,
        turns=(*state.turns[:-1], replace(turn, taken=e)),
        phase=phase,
        tokens=state.tokens + e.usage.prompt_tokens + e.usage.completion_tokens,
        usd=state.usd + e.usage.usd,
        waiting=None,
    )


_REPAIRS = frozenset(
    {"no_tool_call", "unknown_tool", "tool_not_allowed", "bad_arguments", "plan_invalid"}
    | {"dry_run_failed", "query_failed", "answer_invalid"}
)


def _call_answered(state: RunState, rec: Recorded, e: ev.CallAnswered) -> RunState:
    turn = state.open_turn
    _need(turn is not None and turn.number == e.turn, state, e.kind, "no such call is open")
    assert turn is not None
    _need(state.phase not in {Phase.AWAITING_ANSWER, Phase.CANCELLING}, state, e.kind, "the call waits")
    phase = state.phase
    if e.tool == "propose_plan":
        _need(not state.live_jobs, state, e.kind, "a job is still alive")
        phase = Phase.ANSWERING if e.ok else Phase.DRAFTING
        done = e.ok <= (state.plan is not None and state.plan.consumed)
        _need(done, state, e.kind, "the plan was not executed")
    return replace(
        state,
        turns=(*state.turns[:-1], replace(turn, answered=e)),
        phase=phase,
        repairs=state.repairs + (e.code in _REPAIRS),
        profile=None,
    )


def _question_asked(state: RunState, rec: Recorded, e: ev.QuestionAsked) -> RunState:
    turn = state.open_turn
    _need(turn is not None and turn.number == e.turn, state, e.kind, "the model did not ask")
    _need(state.phase in TOOLS, state, e.kind, "not in this phase")
    return replace(state, asked=e, answered=None, questions=state.questions + 1, phase=Phase.AWAITING_ANSWER)


def _question_answered(state: RunState, rec: Recorded, e: ev.QuestionAnswered) -> RunState:
    asked = state.asked
    open_ = state.phase is Phase.AWAITING_ANSWER and asked is not None and asked.turn == e.turn
    _need(open_, state, e.kind, "no such question waits for an answer")
    assert asked is not None
    _need(rec.at <= asked.expires_at, state, e.kind, f"it expired at {asked.expires_at:%Y-%m-%d %H:%M} UTC")
    looked = any(t.answered and t.answered.tool == "describe_table" and t.answered.ok for t in state.turns)
    return replace(state, answered=e, phase=Phase.INSPECTING if looked else Phase.CLARIFYING)


def _follow_up(state: RunState, rec: Recorded, e: ev.FollowUpProposed) -> RunState:
    turn = state.open_turn
    _need(turn is not None and turn.number == e.turn, state, e.kind, "the model did not propose one")
    return replace(state, follow_ups=(*state.follow_ups, e))


# -- the plan and its approval ---------------------------------------------------------------------------


def _plan_proposed(state: RunState, rec: Recorded, e: ev.PlanProposed) -> RunState:
    turn, plan = state.open_turn, state.plan
    _need(turn is not None, state, e.kind, "no plan is asked for")
    assert turn is not None
    expected = plan.revision + 1 if plan else 1
    _need(e.revision == expected, state, e.kind, f"the next revision is {expected}")
    if plan and plan.turn == turn.number:
        may_replace = plan.denied or plan.refusal or plan.voided
        may_replace = may_replace or (plan.decided and plan.decided.verdict == "edit")
        _need(bool(may_replace) and e.by != "model", state, e.kind, "the current revision stands")
    _need(state.phase is not Phase.CANCELLING, state, e.kind, "the run is being cancelled")
    new = Plan(e.revision, turn.number, e.queries, e.rationale, e.by, e.note)
    earlier = (*state.earlier, plan) if plan else state.earlier
    past = (*state.past_jobs, *(j for k, j in state.jobs.items() if not k.startswith("profile")))
    return replace(
        state,
        plan=new,
        earlier=earlier,
        phase=Phase.RULING,
        past_jobs=past,
        jobs=MappingProxyType({}),
        results=MappingProxyType({}),
    )


def _in_ruling(state: RunState, kind: str, revision: int) -> Plan:
    plan = state.plan
    ok = plan is not None and plan.revision == revision and state.phase is Phase.RULING
    _need(ok, state, kind, f"revision {revision} is not being judged")
    assert plan is not None
    return plan


def _plan_ruled(state: RunState, rec: Recorded, e: ev.PlanRuled) -> RunState:
    plan = _in_ruling(state, e.kind, e.revision)
    _need(not plan.verdicts, state, e.kind, "it was ruled before")
    _need(len(e.verdicts) == len(plan.queries), state, e.kind, "one verdict a query")
    ruled = replace(plan, verdicts=e.verdicts)
    strikes = state.strikes
    if ruled.denied and plan.by == "model":
        rules = {f.rule for v in e.verdicts for f in v.findings if f.severity == "deny"}
        strikes = MappingProxyType({**strikes, **{r: strikes.get(r, 0) + 1 for r in rules}})
    return replace(state, plan=ruled, strikes=strikes)


def _plan_estimated(state: RunState, rec: Recorded, e: ev.PlanEstimated) -> RunState:
    plan = _in_ruling(state, e.kind, e.revision)
    ready = bool(plan.verdicts) and not plan.denied and not plan.estimates and plan.refusal is None
    _need(ready, state, e.kind, "the gate has not allowed it")
    _need(len(e.estimates) == len(plan.queries), state, e.kind, "one estimate a query")
    return replace(state, plan=replace(plan, estimates=e.estimates), waiting=None)


def _estimate_refused(state: RunState, rec: Recorded, e: ev.EstimateRefused) -> RunState:
    plan = _in_ruling(state, e.kind, e.revision)
    ready = bool(plan.verdicts) and not plan.denied and not plan.estimates and plan.refusal is None
    _need(ready, state, e.kind, "the gate has not allowed it")
    return replace(state, plan=replace(plan, refusal=(e.query, e.failure)), waiting=None)


# -- jobs ------------------------------------------------------------------------------------------------


def _profile_planned(state: RunState, rec: Recorded, e: ev.ProfilePlanned) -> RunState:
    turn = state.open_turn
    open_ = turn is not None and turn.number == e.turn and state.profile is None
    _need(open_, state, e.kind, "no profile was asked for")
    return replace(state, profile=e)


def _job_intended(state: RunState, rec: Recorded, e: ev.JobIntended) -> RunState:
    _need(state.phase is not Phase.CANCELLING, state, e.kind, "the run is being cancelled")
    plan, profile = state.plan, state.profile
    by_plan = plan is not None and plan.consumed and e.query in {q.id for q in plan.queries}
    by_profile = profile is not None and profile.query.id == e.query
    _need(by_plan or by_profile, state, e.kind, "no approval covers this query")
    before = state.jobs.get(e.query)
    if before is None:
        _need(e.attempt == 1, state, e.kind, "the first attempt is 1")
        return replace(state, jobs=_with(state.jobs, e.query, Job(e)))
    failed = before.finished is not None and not before.finished.ok and before.finished.retryable
    _need(failed and e.attempt == before.intent.attempt + 1, state, e.kind, "the last attempt stands")
    past = (*state.past_jobs, before)
    return replace(state, jobs=_with(state.jobs, e.query, Job(e)), past_jobs=past)


def _live(state: RunState, kind: str, query: str, job_id: str) -> Job:
    job = state.jobs.get(query)
    _need(job is not None and job.intent.job_id == job_id and job.is_live, state, kind, "no such job lives")
    assert job is not None
    return job


def _job_submitted(state: RunState, rec: Recorded, e: ev.JobSubmitted) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    _need(job.state == "INTENDED", state, e.kind, "it was submitted before")
    return replace(state, jobs=_with(state.jobs, e.query, replace(job, state=e.state)), waiting=None)


def _job_adopted(state: RunState, rec: Recorded, e: ev.JobAdopted) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    _need(job.state == "INTENDED", state, e.kind, "it was submitted before")
    adopted = replace(job, state=e.state, adopted=True)
    return replace(state, jobs=_with(state.jobs, e.query, adopted), waiting=None)


def _job_cancel_requested(state: RunState, rec: Recorded, e: ev.JobCancelRequested) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    return replace(state, jobs=_with(state.jobs, e.query, replace(job, cancel_requested=True)))


def _job_finished(state: RunState, rec: Recorded, e: ev.JobFinished) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    done = replace(job, state="DONE", finished=e)
    billed = state.bytes_billed + e.bytes_billed
    return replace(state, jobs=_with(state.jobs, e.query, done), bytes_billed=billed, waiting=None)


def _result_read(state: RunState, rec: Recorded, e: ev.ResultRead) -> RunState:
    job = state.jobs.get(e.query)
    ok = job is not None and job.finished is not None and job.finished.ok
    _need(ok and job is not None and job.intent.job_id == e.job_id, state, e.kind, "its job did not finish")
    return replace(state, results=_with(state.results, e.query, e), waiting=None)


def _answer_written(state: RunState, rec: Recorded, e: ev.AnswerWritten) -> RunState:
    turn = state.open_turn
    call = turn.taken.call if turn and turn.taken else None
    _need(
        call is not None and call.name == "write_answer" and state.phase is Phase.ANSWERING,
        state,
        e.kind,
        "no answer is being written",
    )
    _need(state.answer is None, state, e.kind, "there is an answer already")
    return replace(state, answer=e)


_APPLY: dict[str, Callable[[RunState, Recorded, Any], RunState]] = {
    "run_received": _received,
    "run_started": _started,
    "run_pinned": _pinned,
    "turn_requested": _turn_requested,
    "turn_taken": _turn_taken,
    "call_answered": _call_answered,
    "question_asked": _question_asked,
    "question_answered": _question_answered,
    "plan_proposed": _plan_proposed,
    "plan_ruled": _plan_ruled,
    "plan_estimated": _plan_estimated,
    "estimate_refused": _estimate_refused,
    "approval_requested": approvals.requested,
    "approval_decided": approvals.decided,
    "decision_refused": approvals.refused,
    "approval_voided": approvals.voided,
    "approval_consumed": approvals.consumed,
    "profile_planned": _profile_planned,
    "job_intended": _job_intended,
    "job_submitted": _job_submitted,
    "job_adopted": _job_adopted,
    "job_cancel_requested": _job_cancel_requested,
    "job_finished": _job_finished,
    "result_read": _result_read,
    "answer_written": _answer_written,
    "follow_up_proposed": _follow_up,
    "waited": _waited,
    "step_failed": _step_failed,
    "run_unparked": _unparked,
    "cancel_requested": _cancel_requested,
    "run_ended": _ended,
}
