"""What people may do to a run: decide, answer, cancel; and the one use of an approval. Each is one append.

Whoever loses a race, comes too late or may not decide is told so in one sentence with the winner's name and
time, and the attempt is recorded. The clock is the database's. Who may decide stands in `permission`.
"""

from __future__ import annotations

from datetime import datetime

from bq_copilot import clarifying, following_up, permission, receipts
from bq_copilot.appending import append
from bq_copilot.approval import Decision, digest_of
from bq_copilot.errors import Conflict, CopilotError, Damaged, Refused
from bq_copilot.events import (
    ApprovalConsumed,
    ApprovalDecided,
    CancelRequested,
    DecisionRefused,
    Event,
    QuestionAnswered,
    RunEnded,
)
from bq_copilot.identities import Identity
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import Phase
from bq_copilot.state import Plan, RunState
from bq_copilot.steps import End, next_step
from bq_copilot.values import Failure

WORDS = {"approve": "approved", "reject": "rejected", "edit": "edited", "delegate": "delegated"}


def decide(journal: Journal, decision: Decision) -> RunState:
    """Record a decision about the open request.

    Raises Conflict (somebody decided before), or Refused (`expired`, `not_allowed`, `other_request`, `code_…`,
    …). A refused decision is recorded too.
    """
    try:
        return append(journal, lambda state: _decided(journal, state, decision))
    except (Refused, Conflict) as error:
        _record_refusal(journal, decision, error)
        raise


def decision_by(identity: Identity, request_id: str, digest: str, verdict: str, via: str, **more: object) -> Decision:
    """Return the decision of an established identity about the digest that they saw.

    `more` holds `reason`, `sql` and `delegate_to`. Raises pydantic's ValidationError for another verdict.
    """
    made = {
        "request_id": request_id,
        "digest": digest,
        "verdict": verdict,
        "by": identity.name,
        "via": via,
        "identity": str(identity.how),
        "code": identity.code,
        "valid_until": identity.valid_until,
    }
    return Decision.model_validate({**made, **more})


def _decided(journal: Journal, state: RunState, decision: Decision) -> Event:
    plan = _open_plan(journal, state, decision)
    recorded = permission.check(plan, decision, journal.ledger.now())
    if decision.verdict == "edit":
        _check_edit(plan, decision)
    return ApprovalDecided(decision=recorded)


def _open_plan(journal: Journal, state: RunState, decision: Decision) -> Plan:
    """Return the plan whose request this decision is about; whoever decided it before is named."""
    about = (p for p in (*state.earlier, state.plan) if p is not None and p.request is not None)
    seen = next((p for p in about if p.request and p.request.request_id == decision.request_id), None)
    if seen is not None and seen.digest == decision.digest and seen.decided is not None:
        raise _lost(seen.decided, seen.decided_at)
    canary = state.plan.canary if state.plan else None
    if canary is not None and canary.request_id == decision.request_id:
        assert state.plan is not None
        raise _lost(canary, state.plan.canary_at)
    if state.phase is Phase.EXPIRED:
        raise Refused(f"expired at {state.ended_at:%Y-%m-%d %H:%M} UTC", code="expired", next="Ask again.")
    if state.cancel is not None:
        by = state.cancel.by
        raise Conflict(f"{by} cancelled the run before.", code="cancelled_before", winner=by, verdict="cancel")
    plan = state.plan
    if plan is None or plan.request is None or state.phase is not Phase.AWAITING_APPROVAL:
        raise Refused(f"No approval is waited for; the run is {state.phase}.", code="nothing_to_decide")
    if decision.request_id != plan.request.request_id or decision.digest != plan.digest:
        raise Refused(
            f"The open request is {plan.request.request_id} with digest {plan.digest}, not the one you saw.",
            code="other_request",
            next="Read it again with `bq-copilot show`, then decide.",
        )
    if journal.ledger.now() > plan.request.expires_at:
        raise _expired(plan)
    return plan


def _expired(plan: Plan) -> Refused:
    assert plan.request is not None
    return Refused(
        f"expired at {plan.request.expires_at:%Y-%m-%d %H:%M} UTC; nothing was executed",
        code="expired",
        next="Ask again.",
    )


def _lost(first: Decision, at: datetime | None) -> Conflict:
    assert at is not None
    return Conflict(
        f"{first.by} {WORDS[first.verdict]} it before, at {at:%Y-%m-%d %H:%M:%S} UTC.",
        code="decided_before",
        winner=first.by,
        verdict=first.verdict,
        at=at,
    )


def _check_edit(plan: Plan, decision: Decision) -> None:
    known = {q.id for q in plan.queries}
    unknown = [q for q, sql in decision.sql if q not in known or not sql.strip()]
    if not decision.sql or unknown:
        raise Refused(f"An edit gives new SQL for one of: {', '.join(sorted(known))}.", code="edit_invalid")


def _record_refusal(journal: Journal, decision: Decision, error: CopilotError) -> None:
    """Keep who tried what and why it was refused, but not the code: it may still be good for its request."""
    failure = Failure(code=error.code, message=error.message, next=error.next)
    tried = decision.model_copy(update={"code": ""})
    append(journal, lambda state: DecisionRefused(decision=tried, failure=failure))


def consume(journal: Journal, request_id: str, digest: str) -> RunState:
    """Use the approval, for the first and only time; from then on its jobs may be sent.

    Raises Conflict (`consumed_before`), Refused, or Damaged when the receipts below it do not verify.
    """

    def make(state: RunState) -> Event:
        plan = _approved(state, request_id, digest)
        permission.recheck(plan)
        _check_receipts(journal, state)
        return ApprovalConsumed(request_id=request_id, digest=digest)

    return append(journal, make)


def _approved(state: RunState, request_id: str, digest: str) -> Plan:
    plan = state.plan
    if plan is None or plan.request is None or plan.request.request_id != request_id:
        raise Refused(f"{request_id} is not the open request of {state.run_id}.", code="other_request")
    if plan.digest != digest or digest_of(plan.request) != digest:
        raise Damaged(f"request {request_id} is not what its digest {digest} names")
    if plan.consumed:
        when = f" at {plan.consumed_at:%Y-%m-%d %H:%M:%S} UTC" if plan.consumed_at else ""
        raise Conflict(f"{request_id} was used before{when}.", code="consumed_before", at=plan.consumed_at)
    if state.phase is not Phase.EXECUTING or plan.voided or plan.request.canary:
        raise Refused(f"{request_id} is not approved; the run is {state.phase}.", code="not_approved")
    return plan


def _check_receipts(journal: Journal, state: RunState) -> None:
    rows = journal.ledger.rows(journal.run_id)
    last = receipts.verify(rows)
    at_head = next((r for r in rows if r.seq == state.seq), last)
    if at_head is None or at_head.hash != state.hash:
        raise Damaged(f"receipts of {journal.run_id} changed at seq {state.seq}", seq=state.seq)


def answer(journal: Journal, text: str, by: str, via: str) -> RunState:
    """Record the answer to the open question. Raises Conflict or Refused."""

    def make(state: RunState) -> Event:
        asked = state.asked
        if asked is not None and state.answered is not None and state.phase is not Phase.AWAITING_ANSWER:
            raise Conflict(f"{state.answered.by} answered it before.", code="answered_before", winner=state.answered.by)
        if asked is None or state.phase is not Phase.AWAITING_ANSWER:
            raise Refused(f"No question waits for an answer; the run is {state.phase}.", code="nothing_to_answer")
        return QuestionAnswered(turn=asked.turn, answer=clarifying.read_answer(asked, text), by=by, via=via)

    return append(journal, make)


def cancel(journal: Journal, by: str, via: str, reason: str = "") -> RunState:
    """Record that the run shall stop, and its end where nothing has to be stopped or removed first.

    Raises Conflict when it was cancelled before or has ended; a parked run can be cancelled.
    """

    def make(state: RunState) -> Event:
        if state.cancel is not None:
            raise _cancelled_before(state)
        if (
            state.undo is not None
            or state.export is not None
            or (state.phase.is_terminal and state.phase is not Phase.PARKED)
        ):
            raise Conflict(_ended_before(state), code="ended_before", at=state.ended_at)
        if state.phase is Phase.AWAITING_FOLLOW_UP:
            return following_up.dismissed(state, by, via)
        return CancelRequested(by=by, via=via, reason=reason)

    append(journal, make)
    return end_cancelled(journal)


def _cancelled_before(state: RunState) -> Conflict:
    assert state.cancel is not None
    parked = state.phase is Phase.PARKED
    hint = "`bq-copilot resume` lets it finish being cancelled." if parked else "Look at it with `bq-copilot show`."
    by = state.cancel.by
    return Conflict(f"{by} cancelled it before.", code="cancelled_before", next=hint, winner=by)


def _ended_before(state: RunState) -> str:
    if state.export is not None:
        return f"The run had ended as {state.export.phase}; a result of it is being exported."
    if state.undo is not None:
        return f"The run had ended as {state.undo.phase}; what it left is being removed."
    if state.phase is Phase.COMPLETED:
        return f"completed before cancel: its answer is there since {state.ended_at:%Y-%m-%d %H:%M:%S} UTC."
    return f"The run has ended: {state.phase}."


def end_cancelled(journal: Journal) -> RunState:
    """Record the end of a cancelled run if no process is needed for it: nothing lives, and nothing is left to undo."""
    while journal.state.cancel is not None and isinstance(step := next_step(journal.state), End):
        try:
            journal.append(RunEnded(phase=step.phase, failure=step.failure))
        except HeadMoved:
            continue
    return journal.state


def expire(journal: Journal) -> RunState:
    """End the run because nobody decided or answered in time; what is not wanted after an answer is just not scheduled.

    Raises Conflict when somebody did, or it is not due.
    """

    def make(state: RunState) -> Event:
        due = state.due
        if due is None or journal.ledger.now() <= due:
            raise Conflict(f"Nothing is due in {state.run_id}; it is {state.phase}.", code="not_due")
        if state.phase is Phase.AWAITING_FOLLOW_UP:
            return following_up.lapsed(state)
        did = "answered" if state.phase is Phase.AWAITING_ANSWER else "decided"
        message = f"expired: nobody {did} until {due:%Y-%m-%d %H:%M} UTC; nothing was executed, 0 bytes billed"
        return RunEnded(phase=Phase.EXPIRED, failure=Failure(code="expired", message=message, next="Ask again."))

    return append(journal, make)
