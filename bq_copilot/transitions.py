"""`apply`: how each event changes the state of a run, and which events are legal when.

Pure and total: for every (state, event) it returns the next state or raises `IllegalTransition`. It runs inside
the ledger's append, with the database's clock in the event, so that a late or second decision cannot get in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from bq_copilot import approval_transitions as approvals
from bq_copilot import context_transitions as contexts
from bq_copilot import events as ev
from bq_copilot import export_transitions as exporting
from bq_copilot import follow_up_transitions as follow_ups
from bq_copilot import fork_transitions as forks
from bq_copilot import job_transitions as jobs
from bq_copilot import notice_transitions as notices
from bq_copilot import plan_transitions as plans
from bq_copilot import turn_transitions as turns
from bq_copilot import undo_transitions as undoing
from bq_copilot.events import Recorded
from bq_copilot.legality import IllegalTransition, illegal, need
from bq_copilot.notice_events import NOTICE_KINDS
from bq_copilot.phases import TERMINAL, Phase
from bq_copilot.state import RunState, placed
from bq_copilot.undoing import EFFECTS

__all__ = ["IllegalTransition", "apply", "fold"]

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
        raise illegal(state, event.kind, f"it has seq {recorded.seq} of {recorded.run_id}")
    if (state.seq == 0) is not (event.kind == "run_received"):
        raise illegal(state, event.kind, "the first event, and only it, is run_received")
    if state.phase in TERMINAL and not _may_follow_the_end(state, event):
        raise illegal(state, event.kind, f"the run has ended as {state.phase}")
    after = _APPLY[event.kind](state, recorded, event)
    if event.kind in EFFECTS:
        after = replace(after, effects=(*after.effects, event))
    return placed(after, recorded.seq, recorded.hash, recorded.at)


_AFTER_THE_END = frozenset({"decision_refused", "answer_rated"}) | NOTICE_KINDS

_OUT_OF_THE_PARK = frozenset({"run_unparked", "cancel_requested"})

_TAKEN_UP = frozenset({Phase.PARTIAL, Phase.FAILED})
"""Ended phases whose unfinished queries may be tried again."""


def _may_follow_the_end(state: RunState, event: ev.Event) -> bool:
    """An operator may take a parked run up again; a version that could not read the end may have parked it."""
    if event.kind in _AFTER_THE_END:
        return True
    if event.kind == "retry_requested":
        return state.phase in _TAKEN_UP
    if event.kind == "undo_requested":
        return state.phase in undoing.UNDOABLE
    if event.kind == "export_requested":
        return state.phase in exporting.EXPORTABLE
    if event.kind in follow_ups.AFTER_THE_END:
        return state.phase is Phase.COMPLETED
    return (state.phase is Phase.PARKED and event.kind in _OUT_OF_THE_PARK) or _is_unread(event)


def _is_unread(event: ev.Event) -> bool:
    return event.kind == "run_ended" and event.failure is not None and event.failure.code == NEEDS_VERSION


# -- the run ---------------------------------------------------------------------------------------------


def _received(state: RunState, rec: Recorded, e: ev.RunReceived) -> RunState:
    return replace(state, received=e, received_at=rec.at)


def _started(state: RunState, rec: Recorded, e: ev.RunStarted) -> RunState:
    expected = (state.started.attempt if state.started else 0) + 1
    need(e.attempt == expected, state, e.kind, f"the next attempt is {expected}")
    return replace(state, started=e)


def _pinned(state: RunState, rec: Recorded, e: ev.RunPinned) -> RunState:
    need(state.pinned is None and state.phase is Phase.RECEIVED, state, e.kind, "it is pinned already")
    return replace(state, pinned=e, phase=Phase.CLARIFYING)


def _waited(state: RunState, rec: Recorded, e: ev.Waited) -> RunState:
    return replace(state, waiting=e)


def _step_failed(state: RunState, rec: Recorded, e: ev.StepFailed) -> RunState:
    return state


def _cancel_requested(state: RunState, rec: Recorded, e: ev.CancelRequested) -> RunState:
    need(state.cancel is None, state, e.kind, "a cancel was requested before")
    need(state.undo is None, state, e.kind, "it had ended before; what it left is being removed")
    need(state.export is None, state, e.kind, "it had ended before; a result is being exported")
    return replace(_unended(state), cancel=e, phase=Phase.CANCELLING, waiting=None)


def _unparked(state: RunState, rec: Recorded, e: ev.RunUnparked) -> RunState:
    need(state.phase is Phase.PARKED and state.parked_in is not None, state, e.kind, "it is not parked")
    assert state.parked_in is not None
    return replace(_unended(state), phase=state.parked_in)


def _unended(state: RunState) -> RunState:
    return replace(state, failure=None, ended_at=None, parked_in=None) if state.parked_in else state


def _ended(state: RunState, rec: Recorded, e: ev.RunEnded) -> RunState:
    phase = Phase(e.phase)
    if state.phase in TERMINAL:
        return state
    need(phase in TERMINAL, state, e.kind, f"{phase} is no terminal phase")
    answered = state.answer is not None or undoing.came_too_late(state)
    need(phase is not Phase.COMPLETED or answered, state, e.kind, "there is no answer")
    idle = not state.live_jobs or phase is Phase.PARKED
    need(idle, state, e.kind, "a job may still be alive")
    need((phase is Phase.CANCELLED) <= (state.cancel is not None), state, e.kind, "nobody cancelled it")
    parked_in = state.phase if phase is Phase.PARKED else None
    undo = state.undo if parked_in else None
    as_before = undo is not None or state.undo is None or phase is state.undo.phase
    need(as_before, state, e.kind, "it ends as it had ended before")
    export = state.export
    over = export is None or parked_in is not None or (export.done is not None and phase is export.phase)
    need(over, state, e.kind, "it ends as it had ended before the export")
    ended = replace(state, phase=phase, failure=e.failure, ended_at=rec.at, waiting=None)
    return replace(ended, parked_in=parked_in, undo=undo, export=export if parked_in else None)


_APPLY: dict[str, Callable[[RunState, Recorded, Any], RunState]] = {
    "run_received": _received,
    "run_forked": forks.forked,
    "run_started": _started,
    "run_pinned": _pinned,
    "context_pinned": contexts.context_pinned,
    "turn_requested": turns.turn_requested,
    "turn_taken": turns.turn_taken,
    "call_answered": turns.call_answered,
    "question_asked": turns.question_asked,
    "question_answered": turns.question_answered,
    "plan_proposed": plans.plan_proposed,
    "plan_ruled": plans.plan_ruled,
    "plan_estimated": plans.plan_estimated,
    "estimate_refused": plans.estimate_refused,
    "approval_requested": approvals.requested,
    "approval_decided": approvals.decided,
    "decision_refused": approvals.refused,
    "approval_voided": approvals.voided,
    "approval_consumed": approvals.consumed,
    "profile_planned": jobs.profile_planned,
    "job_intended": jobs.job_intended,
    "job_submitted": jobs.job_submitted,
    "job_adopted": jobs.job_adopted,
    "job_cancel_requested": jobs.job_cancel_requested,
    "job_finished": jobs.job_finished,
    "result_read": jobs.result_read,
    "answer_written": turns.answer_written,
    "answer_rated": contexts.answer_rated,
    "follow_up_proposed": turns.follow_up,
    **follow_ups.APPLY,
    **notices.APPLY,
    "waited": _waited,
    "step_failed": _step_failed,
    "run_unparked": _unparked,
    "cancel_requested": _cancel_requested,
    "cancel_unconfirmed": undoing.cancel_unconfirmed,
    "undo_intended": undoing.undo_intended,
    "undo_done": undoing.undo_done,
    "retry_requested": undoing.retry_requested,
    "undo_requested": undoing.undo_requested,
    "export_requested": exporting.requested,
    "export_intended": exporting.intended,
    "export_done": exporting.done,
    "run_ended": _ended,
}
