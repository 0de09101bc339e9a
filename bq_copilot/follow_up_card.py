"""The card of a follow-up: what would run again, when, and on what terms. Facts only, as on the approval card."""

from __future__ import annotations

from bq_copilot.amounts import size
from bq_copilot.card_blocks import Card, Code, Fact, Heading
from bq_copilot.events import FollowUpRequested
from bq_copilot.grant_terms import GrantTerms


def follow_up_card(asked: FollowUpRequested) -> Card:
    """Return the card of a follow-up that waits for a person."""
    told = "every time" if asked.percent is None else f"only of a change by more than {asked.percent:g} %"
    facts = (
        Fact("Question", asked.question),
        Fact("When", asked.rhythm.words),
        Fact("Until", f"{asked.until:%Y-%m-%d %H:%M} UTC"),
        Fact("Tells", told),
        Fact("Missed times", "made up for once, by the newest; the earlier ones are skipped"),
        Fact("Approval", _approval(asked.offer)),
        Fact("Expires", f"{asked.expires_at:%Y-%m-%d %H:%M} UTC; then nothing is scheduled"),
        Fact("Series", asked.series),
    )
    return (Heading("Ask this again?", top=True), *facts, *_sql(asked))


def _approval(offer: GrantTerms | None) -> str:
    if offer is None:
        return "each run asks for its own"
    return (
        "each run asks for its own; or a standing grant for exactly this SQL, at most"
        f" {size(offer.bytes_per_run)} a run and {size(offer.bytes_total)} in total, until {offer.until:%Y-%m-%d};"
        " any drift asks again"
    )


def _sql(asked: FollowUpRequested) -> Card:
    if asked.offer is None:
        return ()
    named = Fact("Grant digest", asked.offer_digest)
    return (named, *(Code(q.sql, "sql") for q in asked.offer.basis.queries))
