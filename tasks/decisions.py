"""Wait for people: the approval and the clarifying question, asked in the Prefect form, recorded in the ledger.

Prefect's state wakes the run; what was decided is read from the ledger. The form is one contestant among others:
when it loses, the run goes on with the winner. It does not say who filled it: without an approval code nobody is named.
"""

from __future__ import annotations

from prefect.artifacts import acreate_markdown_artifact

from bq_copilot import deciding, identities
from bq_copilot.card import card_markdown
from bq_copilot.card_markdown import plain
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import QuestionAsked
from bq_copilot.phases import Phase
from bq_copilot.state import Plan
from tasks.durable import Place, effect
from tasks.forms import AnswerForm, ApprovalForm
from tasks.run import Run
from tasks.waiting import ask, forget, looks


@effect(name="publish card")
async def publish_card(place: Place, key: str, markdown: str) -> str:
    """Put the approval card among the run's artifacts."""
    return str(await acreate_markdown_artifact(markdown, key=key, description="What is to be approved"))


async def await_decision(run: Run, plan: Plan, warm_seconds: float) -> None:
    """Wait until the open request is decided or expired, and record which."""
    assert plan.request is not None
    request = plan.request
    if run.journal.ledger.now() > request.expires_at:
        _expire(run)
        return
    card = card_markdown(plan, run.state.earlier, run.journal.ledger.now())
    place = Place(run_id=run.id, seq=plan.revision, kind="card", inputs=plan.digest)
    await publish_card(place, f"{run.id}-card-{plan.revision}", card)
    key = f"approval-{run.id}-{plan.revision}-{plan.digest.removeprefix('sha256:')[:12]}"
    form = await ask(
        key,
        ApprovalForm.with_initial_data(description=card),
        warm_seconds,
        looks(run.journal, lambda: _still_waits(run, plan)),
    )
    run.journal.refresh()
    if form is not None and _still_waits(run, plan):
        _record(run, plan, form)
    await forget(key)


def _still_waits(run: Run, plan: Plan) -> bool:
    """A form that only woke the run, or came second, is no decision."""
    now = run.state.plan
    same = now is not None and now.digest == plan.digest and now.decided is None
    return same and run.state.phase is Phase.AWAITING_APPROVAL


def _record(run: Run, plan: Plan, form: ApprovalForm) -> None:
    assert plan.request is not None
    only = plan.queries[0].id if len(plan.queries) == 1 else ""
    decision = deciding.decision_by(
        identities.by_code(form.approval_code) if form.approval_code.strip() else identities.FORM_USER,
        plan.request.request_id,
        plan.digest,
        form.decision,
        "prefect-form",
        reason=form.reason,
        sql=((form.query.strip() or only, form.sql),) if form.decision == "edit" else (),
    )
    try:
        deciding.decide(run.journal, decision)
    except (Refused, Conflict):
        return  # recorded; the loop asks again and says why, or goes on with the winner


async def await_answer(run: Run, asked: QuestionAsked, warm_seconds: float) -> None:
    """Wait until the clarifying question is answered or expired, and record which."""
    if run.journal.ledger.now() > asked.expires_at:
        _expire(run)
        return
    options = "".join(f"\n- {plain(o)}" for o in asked.options)
    text = f"### A question about: {plain(run.state.question)}\n\n{plain(asked.question)}{options}"
    key = f"question-{run.id}-{asked.turn}"
    moved = looks(run.journal, lambda: run.state.phase is Phase.AWAITING_ANSWER)
    form = await ask(key, AnswerForm.with_initial_data(description=text), warm_seconds, moved)
    run.journal.refresh()
    if form is not None and run.state.phase is Phase.AWAITING_ANSWER:
        try:
            deciding.answer(run.journal, form.answer, identities.FORM_USER.name, "prefect-form")
        except (Refused, Conflict):
            return
    await forget(key)


def _expire(run: Run) -> None:
    try:
        deciding.expire(run.journal)
    except Conflict:
        return  # somebody was in time after all
