"""What people do with follow-ups: propose one themselves, accept, decline, grant, stop. Each is one append.

All of it stands in the parent's chain. Nothing here speaks to Prefect: what is accepted gets its schedule from
`scheduling`, and what is stopped does not run whatever Prefect still believes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bq_copilot import grants, identity, rhythm
from bq_copilot.appending import append
from bq_copilot.approval import Decision
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import (
    Event,
    FollowUpDecided,
    FollowUpProposed,
    FollowUpRequested,
    FollowUpStopped,
)
from bq_copilot.grant_terms import Grant, GrantTerms, digest_of_terms
from bq_copilot.identities import Identity
from bq_copilot.journal import Journal
from bq_copilot.rhythm import Rhythm
from bq_copilot.series import Series
from bq_copilot.state import RunState
from bq_copilot.values import Value

LONGEST = timedelta(days=365)
"""How long a follow-up runs when nobody says until when."""


class Terms(Value):
    """What a person changes or adds when they accept; what is left out stays as it was proposed."""

    when: str = ""
    until: datetime | None = None
    percent: float | None = None
    grant: bool = False
    """Give the standing grant; else every run asks."""
    bytes_per_run: int = 0
    bytes_total: int = 0
    grant_until: datetime | None = None


def request_of(state: RunState, number: int, proposed: FollowUpProposed, now: datetime, seconds: int) -> Event:
    """Return the request for this proposal. Raises Refused (`when_unclear`)."""
    wish = rhythm.read(proposed.when, now)
    series = identity.series_id(state.run_id, number)
    asked = FollowUpRequested(
        number=number,
        series=series,
        question=proposed.question,
        rhythm=wish.rhythm,
        until=wish.until or (now + LONGEST).replace(microsecond=0),
        percent=wish.percent,
        expires_at=(now + timedelta(seconds=seconds)).replace(microsecond=0),
    )
    offered = grants.offer(state, series, asked)
    named = digest_of_terms(offered) if offered else ""
    return asked.model_copy(update={"offer": offered, "offer_digest": named})


def terms_of(series: Series, terms: Terms, now: datetime) -> tuple[Rhythm, datetime, float | None, GrantTerms | None]:
    """Return rhythm, end, condition and grant terms as they would be accepted."""
    asked = series.requested
    wish = rhythm.read(terms.when, now) if terms.when.strip() else None
    when = wish.rhythm if wish else asked.rhythm
    until = terms.until or (wish.until if wish else None) or asked.until
    percent = terms.percent if terms.percent is not None else (wish.percent if wish else asked.percent)
    if until <= now:
        raise Refused(f"{until:%Y-%m-%d %H:%M} UTC is over.", code="until_past", next="Name a later end.")
    return when, until, percent, _granted(asked, terms, when, until, percent)


def _granted(
    asked: FollowUpRequested, terms: Terms, when: Rhythm, until: datetime, percent: float | None
) -> GrantTerms | None:
    if not terms.grant:
        return None
    if asked.offer is None:
        raise Refused(
            "No standing grant is offered here: the plan was approved by several people, or by policy alone.",
            code="no_grant_offered",
            next="Accept it without a grant; each run asks, or policy approves it again.",
        )
    per_run = terms.bytes_per_run or asked.offer.bytes_per_run
    total = terms.bytes_total or max(asked.offer.bytes_total, per_run)
    ends = min(terms.grant_until or until, until)
    changed = {"rhythm": when, "percent": percent, "until": ends, "bytes_per_run": per_run, "bytes_total": total}
    return asked.offer.model_copy(update=changed)


def accept(
    journal: Journal, series: str, who: Identity, via: str, terms: Terms | None = None, reason: str = ""
) -> RunState:
    """Accept the follow-up that waits. Raises Conflict, or Refused: with a grant, who may approve may accept."""
    wanted = terms or Terms()
    return append(journal, lambda state: _accepted(journal, state, series, who, via, wanted, reason))


def _accepted(
    journal: Journal, state: RunState, series: str, who: Identity, via: str, terms: Terms, reason: str
) -> Event:
    found, now = _open(state, series), journal.ledger.now()
    when, until, percent, granted = terms_of(found, terms, now)
    grant = _give(state, granted, who, via, reason, now) if granted else None
    return FollowUpDecided(
        number=found.requested.number,
        series=found.id,
        verdict="accept",
        by=grant.decision.by if grant else who.name,
        via=via,
        identity=str(who.how),
        reason=reason,
        rhythm=when,
        until=until,
        percent=percent,
        grant=grant,
    )


def _give(state: RunState, terms: GrantTerms, who: Identity, via: str, reason: str, now: datetime) -> Grant:
    decision = Decision(
        request_id=terms.series,
        digest=digest_of_terms(terms),
        verdict="approve",
        by=who.name,
        via=via,
        identity=str(who.how),
        reason=reason,
        code=who.code,
        valid_until=who.valid_until,
    )
    return grants.give(state, terms, decision, now)


def decline(journal: Journal, series: str, who: Identity, via: str, reason: str = "") -> RunState:
    """Decline the follow-up that waits. Raises Conflict or Refused."""

    def make(state: RunState) -> Event:
        asked = _open(state, series).requested
        return _ended(asked, "decline", who.name, via).model_copy(update={"identity": str(who.how), "reason": reason})

    return append(journal, make)


def lapsed(state: RunState) -> Event:
    """Return the event for a follow-up that nobody decided about in time: nothing is scheduled."""
    return _ended(state.series[-1].requested, "expired", "nobody", "clock")


def dismissed(state: RunState, by: str, via: str) -> Event:
    """Return the event for a run that is cancelled when it is answered already: its follow-up is declined."""
    return _ended(state.series[-1].requested, "decline", by, via).model_copy(update={"reason": "the run was cancelled"})


def _ended(asked: FollowUpRequested, verdict: str, by: str, via: str) -> FollowUpDecided:
    said = {"number": asked.number, "series": asked.series, "verdict": verdict, "by": by, "via": via}
    return FollowUpDecided.model_validate(
        {**said, "rhythm": asked.rhythm, "until": asked.until, "percent": asked.percent}
    )


def _open(state: RunState, series: str) -> Series:
    found = state.series_of(series)
    if found is None:
        raise Refused(f"{state.run_id} has no follow-up {series}.", code="unknown_series")
    if found.decided is not None:
        raise Conflict(
            f"{found.decided.by} decided it before: {found.decided.verdict}.",
            code="decided_before",
            winner=found.decided.by,
            verdict=found.decided.verdict,
            at=found.decided_at,
        )
    if state.cancel is not None:
        raise Conflict(f"{state.cancel.by} cancelled the run before.", code="cancelled_before")
    return found


def add(journal: Journal, when: str, question: str, by: str, seconds: int) -> str:
    """Propose a follow-up of an answered run as a person; return its series, which then waits to be accepted.

    Raises Refused when the run has no answer, or the words are not clear.
    """

    def propose(state: RunState) -> Event:
        rhythm.read(when, journal.ledger.now())
        if state.answer is None:
            raise Refused(f"{state.run_id} has no answer to follow up; it is {state.phase}.", code="not_answered")
        if waits := next((s.id for s in state.series if s.decided is None), ""):
            raise Refused(
                f"{waits} of this run still waits to be accepted.",
                code="follow_up_waits",
                next=f"First `bq-copilot followups accept {waits}`, or `decline`.",
            )
        return FollowUpProposed(turn=0, when=when, question=question or state.question, by=by)

    def ask(state: RunState) -> Event:
        number = len(state.series)
        return request_of(state, number, state.follow_ups[number], journal.ledger.now(), seconds)

    journal.refresh()
    if len(journal.state.follow_ups) == len(journal.state.series):
        append(journal, propose)
    return append(journal, ask).series[-1].id


def stop(journal: Journal, series: str, by: str, via: str, reason: str = "") -> RunState:
    """Stop a series: nothing of it starts any more. Raises Conflict when it was stopped before, or Refused."""

    def make(state: RunState) -> Event:
        found = state.series_of(series)
        if found is None or found.accepted is None:
            raise Refused(f"{series} is no accepted follow-up of {state.run_id}.", code="unknown_series")
        if found.stopped is not None:
            raise Conflict(
                f"{found.stopped.by} stopped it before.",
                code="stopped_before",
                winner=found.stopped.by,
                at=found.stopped_at,
            )
        return FollowUpStopped(series=series, by=by, via=via, reason=reason)

    return append(journal, make)
