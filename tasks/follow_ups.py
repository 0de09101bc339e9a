"""A follow-up in its parent's run: put to a person in a form, accepted or declined, scheduled once.

The form is one contestant among others, as for an approval; what was decided is read from the ledger.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bq_copilot import deciding, following_up, identities, identity, scheduling
from bq_copilot.card_markdown import to_markdown
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import FollowUpRequested, FollowUpScheduled
from bq_copilot.follow_up_card import follow_up_card
from bq_copilot.rhythm import Rhythm
from bq_copilot.series import Series
from bq_copilot.steps import RequestFollowUp
from tasks.durable import Place, effect
from tasks.forms import FollowUpForm
from tasks.prefect_server import prefect_api
from tasks.publishing import publish_run
from tasks.run import Run
from tasks.waiting import ask, forget, looks


def request(run: Run, step: RequestFollowUp) -> None:
    """Record what a person is asked about; words that an older version let through unread are not asked about."""
    now, seconds = run.journal.ledger.now(), run.policy.approvals.expire_after_seconds
    try:
        run.append(following_up.request_of(run.state, step.number, step.proposed, now, seconds))
    except Refused:
        run.append(
            FollowUpRequested(
                number=step.number,
                series=identity.series_id(run.id, step.number),
                question=step.proposed.question,
                rhythm=Rhythm(form="once", at=now),
                until=now,
                expires_at=now - timedelta(seconds=1),
            )
        )


async def await_decision(run: Run, series: Series, warm_seconds: float) -> None:
    """Wait until the follow-up is accepted, declined, or nobody wants it; the answer can be read meanwhile."""
    asked = series.requested
    if run.journal.ledger.now() > asked.expires_at:
        _lapse(run)
        return
    await publish_run(run)
    key = f"follow-up-{series.id}"
    form = await ask(
        key,
        FollowUpForm.with_initial_data(description=to_markdown(follow_up_card(asked))),
        warm_seconds,
        looks(run.journal, lambda: _waits(run, series)),
    )
    run.journal.refresh()
    if form is not None and _waits(run, series):
        _record(run, series, form)
    await forget(key)


def _waits(run: Run, series: Series) -> bool:
    now = run.state.series_of(series.id)
    return now is not None and now.decided is None and run.state.cancel is None


def _record(run: Run, series: Series, form: FollowUpForm) -> None:
    coded = form.approval_code.strip()
    who = identities.by_code(coded) if coded else identities.FORM_USER
    try:
        if form.decision == "decline":
            following_up.decline(run.journal, series.id, who, "prefect-form", form.reason)
        else:
            following_up.accept(run.journal, series.id, who, "prefect-form", form.terms(), form.reason)
    except (Refused, Conflict):
        return  # the form is asked again, or the loop goes on with whoever was first


def _lapse(run: Run) -> None:
    try:
        deciding.expire(run.journal)
    except Conflict:
        return  # somebody was in time after all


@effect(name="schedule follow-up")
async def create_schedule(place: Place, run: Run) -> dict[str, str]:
    """Make the deployment with the schedule, or find it; return where it is, as JSON."""
    series = run.state.series[place.seq]

    def ensure() -> FollowUpScheduled:
        with prefect_api() as api:
            return scheduling.ensure(api, run.state, series)

    made = await asyncio.to_thread(ensure)
    return made.model_dump(exclude={"kind"})


async def schedule(run: Run, series: Series) -> None:
    """Record that Prefect has the schedule."""
    place = Place(run_id=run.id, seq=series.requested.number, kind="schedule", inputs=series.id)
    found = await create_schedule(place, run)
    run.append(FollowUpScheduled.model_validate(found))
