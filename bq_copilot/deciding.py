"""What people may do to a run: decide, answer, cancel. Each is one compare-and-set append.

Decides who may decide. Whoever loses a race, comes too late or may not decide is told so in one sentence with the
winner's name and time, and the attempt is recorded.
"""

from __future__ import annotations

from collections.abc import Callable

from bq_copilot.approval import ApprovalRequest, Decision
from bq_copilot.errors import Conflict, CopilotError, Refused
from bq_copilot.events import ApprovalDecided, CancelRequested, DecisionRefused, Event, QuestionAnswered
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import Phase
from bq_copilot.state import Plan, RunState
from bq_copilot.transitions import IllegalTransition
from bq_copilot.values import Failure


def decide(journal: Journal, decision: Decision) -> RunState:
    """Record a decision about the open request.

    Raises Conflict (somebody decided before), or Refused (`expired`, `not_allowed`, `other_request`, …). A refused
    decision is recorded too.
    """
    try:
        return _append(journal, lambda state: _decided(state, decision))
    except CopilotError as error:
        _record_refusal(journal, decision, error)
        raise


def _decided(state: RunState, decision: Decision) -> Event:
    plan, request = _open_request(state, decision)
    _check_person(request, plan, decision)
    if decision.verdict == "edit":
        _check_edit(plan, decision)
    if decision.verdict == "delegate" and not decision.delegate_to:
        raise Refused("A delegation names the person it goes to.", code="no_delegate")
    return ApprovalDecided(decision=decision)


def _open_request(state: RunState, decision: Decision) -> tuple[Plan, ApprovalRequest]:
    plan = state.plan
    if state.phase is Phase.EXPIRED:
        raise Refused(f"expired at {state.ended_at:%Y-%m-%d %H:%M} UTC", code="expired", next="Ask again.")
    if plan is None or plan.request is None:
        raise Refused(f"No approval is waited for; the run is {state.phase}.", code="nothing_to_decide")
    if decision.request_id != plan.request.request_id or decision.digest != plan.digest:
        raise Refused(
            f"The open request is {plan.request.request_id} with digest {plan.digest}, not the one you saw.",
            code="other_request",
            next="Read it again with `bq-copilot show`, then decide.",
        )
    if plan.decided is not None:
        raise _lost(plan)
    if state.phase is not Phase.AWAITING_APPROVAL:
        raise Refused(f"No approval is waited for; the run is {state.phase}.", code="nothing_to_decide")
    return plan, plan.request


def _lost(plan: Plan) -> Conflict:
    first, at = plan.decided, plan.decided_at
    assert first is not None and at is not None
    words = {"approve": "approved", "reject": "rejected", "edit": "edited"}
    return Conflict(
        f"{first.by} {words.get(first.verdict, first.verdict)} it before, at {at:%Y-%m-%d %H:%M:%S} UTC.",
        code="decided_before",
        winner=first.by,
        verdict=first.verdict,
        at=at,
    )


def _check_person(request: ApprovalRequest, plan: Plan, decision: Decision) -> None:
    rule, by = request.approvers, decision.by
    if not by:
        raise Refused("A decision needs a name that was established.", code="no_identity")
    if rule.exclude_requester and by.casefold() == request.requester.casefold():
        raise Refused(
            f"Tier {rule.tier}: {by} asked the question and may not approve it.",
            code="own_request",
            next="Somebody else must decide" + (f": {', '.join(rule.allowed)}." if rule.allowed else "."),
        )
    allowed = {name.casefold() for name in (*rule.allowed, *plan.delegates)}
    if rule.allowed and by.casefold() not in allowed:
        raise Refused(
            f"{by} may not decide; role {rule.role or 'approver'} may: {', '.join(rule.allowed)}.",
            code="not_allowed",
        )
    if rule.require_code and decision.identity != "code":
        raise Refused(
            f"Tier {rule.tier} asks for an approval code.",
            code="code_required",
            next=f"Make one with `bq-copilot sign {request.request_id}`.",
        )


def _check_edit(plan: Plan, decision: Decision) -> None:
    known = {q.id for q in plan.queries}
    unknown = [q for q, _ in decision.sql if q not in known]
    if not decision.sql or unknown:
        raise Refused(f"An edit gives new SQL for one of: {', '.join(sorted(known))}.", code="edit_invalid")


def _record_refusal(journal: Journal, decision: Decision, error: CopilotError) -> None:
    failure = Failure(code=error.code, message=error.message, next=error.next)
    _append(journal, lambda state: DecisionRefused(decision=decision, failure=failure))


def answer(journal: Journal, text: str, by: str, via: str) -> RunState:
    """Record the answer to the open question. Raises Conflict or Refused."""

    def make(state: RunState) -> Event:
        asked = state.asked
        if asked is not None and state.answered is not None and state.phase is not Phase.AWAITING_ANSWER:
            raise Conflict(f"{state.answered.by} answered it before.", code="answered_before", winner=state.answered.by)
        if asked is None or state.phase is not Phase.AWAITING_ANSWER:
            raise Refused(f"No question waits for an answer; the run is {state.phase}.", code="nothing_to_answer")
        return QuestionAnswered(turn=asked.turn, answer=text, by=by, via=via)

    return _append(journal, make)


def cancel(journal: Journal, by: str, via: str, reason: str = "") -> RunState:
    """Record that the run shall stop. Raises Conflict when it was cancelled before or has ended."""

    def make(state: RunState) -> Event:
        if state.cancel is not None:
            raise Conflict(f"{state.cancel.by} cancelled it before.", code="cancelled_before", winner=state.cancel.by)
        if state.phase.is_terminal:
            raise Conflict(f"The run has ended: {state.phase}.", code="ended_before", at=state.ended_at)
        return CancelRequested(by=by, via=via, reason=reason)

    return _append(journal, make)


def _append(journal: Journal, make: Callable[[RunState], Event]) -> RunState:
    """Append what `make` says of the newest state; when the head moves, look again and let it decide anew."""
    while True:
        journal.refresh()
        event = make(journal.state)
        try:
            journal.append(event)
            return journal.state
        except HeadMoved:
            continue
        except IllegalTransition as error:
            raise Refused(_why(error), code=_code(journal.state), next="Look at `bq-copilot show`.") from error


def _code(state: RunState) -> str:
    waits = state.phase in {Phase.AWAITING_APPROVAL, Phase.AWAITING_ANSWER}
    return "expired" if waits else "too_late"


def _why(error: IllegalTransition) -> str:
    return str(error).rpartition(": ")[2] or str(error)
