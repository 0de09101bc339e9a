"""What a cancelled run does next: stop what lives, tell the truth about what had ended before, undo, end.

The part of `next_step` from a cancel request to the end, and from the undo of an ended run back to that end. Pure,
reads no clock. `cancelled` is only ever said once no job can be alive any more.
"""

from __future__ import annotations

from bq_copilot.amounts import size
from bq_copilot.phases import Phase
from bq_copilot.state import Job, RunState
from bq_copilot.step_types import CancelJob, End, PollJob, ReadResult, Step, UndoEffect
from bq_copilot.undo_transitions import came_too_late, removable
from bq_copilot.undoing import Undo, undo_steps
from bq_copilot.values import CLOCK, Failure


def for_cancel(state: RunState) -> Step:
    """Return what the cancel calls for now."""
    left = undo_steps(state.effects)
    if left and left[0].action == "cancel_job":
        job = _live(state, left[0].target)
        return PollJob(job) if job.cancel_requested else CancelJob(job)
    if came_too_late(state):
        return _too_late(state)
    if left or state.undoing:
        return _next(state, left)
    return _end(state)


def for_undo(state: RunState) -> Step:
    """Return what the undo of an ended run calls for now; it ends as it had ended."""
    assert state.undo is not None
    left = removable(state)
    if left or state.undoing:
        return _next(state, left)
    return End(state.undo.phase, state.undo.failure)


def _next(state: RunState, left: tuple[Undo, ...]) -> UndoEffect:
    """What was begun is brought to its end first, whatever has been made meanwhile."""
    begun = state.undoing
    if begun is None:
        return UndoEffect(left[0], intended=False)
    named = Undo(begun.action, begun.target, begun.job_id)
    return UndoEffect(
        next((u for u in left if (u.action, u.target) == (begun.action, begun.target)), named), intended=True
    )


def _live(state: RunState, job_id: str) -> Job:
    return next(j for j in state.live_jobs if j.intent.job_id == job_id)


def _too_late(state: RunState) -> Step:
    assert state.plan is not None
    unread = [state.jobs[q.id] for q in state.plan.queries if q.id not in state.results]
    if unread:
        return ReadResult(unread[0])
    message = f"completed before cancel ({billed(state)}); its result is readable"
    hint = "`bq-copilot show` has the result; nothing was interpreted."
    return End(Phase.COMPLETED, Failure(code="completed_before_cancel", message=message, next=hint))


def _end(state: RunState) -> Step:
    cancel = state.cancel
    assert cancel is not None
    if cancel.via == CLOCK:
        timed_out = f"{cancel.reason} ({billed(state)})"
        return End(Phase.FAILED, Failure(code="timed_out", message=timed_out, next="Ask again, or ask for less."))
    message = f"cancelled by {cancel.by} ({billed(state)})"
    return End(Phase.CANCELLED, Failure(code="cancelled", message=message, next="Ask again to start over."))


def billed(state: RunState) -> str:
    """Return what the run has cost on the warehouse, in words."""
    return f"billed {size(state.bytes_billed)}" if state.bytes_billed else "0 bytes billed"
