"""Wait for people: the approval and the clarifying question, asked in the Prefect form, recorded in the ledger.

Prefect's state wakes the run; what was decided is read from the ledger. The form is one contestant among others:
when it loses, the run goes on with the winner.
"""

from __future__ import annotations

from prefect.artifacts import acreate_markdown_artifact

from bq_copilot import deciding
from bq_copilot.approval import Decision
from bq_copilot.card import card_markdown
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import QuestionAsked, RunEnded
from bq_copilot.phases import Phase
from bq_copilot.state import Plan
from bq_copilot.values import Failure
from tasks.durable import Place, effect
from tasks.forms import AnswerForm, ApprovalForm
from tasks.run import Run
from tasks.waiting import ask, forget


@effect(name="publish card")
async def publish_card(place: Place, key: str, markdown: str) -> str:
    """Put the approval card among the run's artifacts."""
    return str(await acreate_markdown_artifact(markdown, key=key, description="What is to be approved"))


async def await_decision(run: Run, plan: Plan, warm_seconds: float) -> None:
    """Wait until the open request is decided or expired, and record which."""
    assert plan.request is not None
    request = plan.request
    if run.journal.ledger.now() > request.expires_at:
        _expire(run, f"nobody decided until {request.expires_at:%Y-%m-%d %H:%M} UTC")
        return
    card = card_markdown(plan)
    place = Place(run_id=run.id, seq=plan.revision, kind="card", inputs=plan.digest)
    await publish_card(place, f"{run.id}-card-{plan.revision}", card)
    key = f"approval-{run.id}-{plan.revision}"
    form = await ask(key, ApprovalForm.with_initial_data(description=card), warm_seconds)
    run.journal.refresh()
    if run.state.plan and run.state.plan.decided is None and run.state.phase is Phase.AWAITING_APPROVAL:
        _record(run, plan, form)
    await forget(key)


def _record(run: Run, plan: Plan, form: ApprovalForm) -> None:
    assert plan.request is not None
    only = plan.queries[0].id if len(plan.queries) == 1 else ""
    decision = Decision(
        request_id=plan.request.request_id,
        digest=plan.digest,
        verdict=form.decision,
        by=form_user(run),
        via="prefect-form",
        identity="local-user" if run.env.warehouse_block.is_sandbox else "unverified",
        reason=form.reason,
        sql=((form.query or only, form.sql),) if form.decision == "edit" else (),
    )
    try:
        deciding.decide(run.journal, decision)
    except (Refused, Conflict):
        return  # recorded; the loop asks again, or goes on with the winner


def form_user(run: Run) -> str:
    """Return who fills a form without a code: the stack's one local user."""
    return run.state.requester


async def await_answer(run: Run, asked: QuestionAsked, warm_seconds: float) -> None:
    """Wait until the clarifying question is answered or expired, and record which."""
    if run.journal.ledger.now() > asked.expires_at:
        _expire(run, f"nobody answered until {asked.expires_at:%Y-%m-%d %H:%M} UTC")
        return
    options = "".join(f"\n- {o}" for o in asked.options)
    text = f"### A question about: {run.state.question}\n\n{asked.question}{options}"
    key = f"question-{run.id}-{asked.turn}"
    form = await ask(key, AnswerForm.with_initial_data(description=text), warm_seconds)
    run.journal.refresh()
    if run.state.phase is Phase.AWAITING_ANSWER:
        try:
            deciding.answer(run.journal, form.answer, form_user(run), "prefect-form")
        except (Refused, Conflict):
            return
    await forget(key)


def _expire(run: Run, why: str) -> None:
    message = f"expired: {why}; nothing was executed, 0 bytes billed"
    failure = Failure(code="expired", message=message, next="Ask again.")
    run.append(RunEnded(phase=Phase.EXPIRED, failure=failure))
