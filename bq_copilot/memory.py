"""Accepted queries: what was approved, executed and found good may serve as an example for later questions.

Decides which queries of earlier runs count as accepted, whose may be shown to whom, and which fit a question. A query
counts only when it was approved and used, and a person said that the answer was good; a later "down" takes it back.
It allows nothing: whoever shows an example puts it before the reader's own gate first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bq_copilot.canonical import digest_bytes
from bq_copilot.context_events import Example
from bq_copilot.ledger import Ledger
from bq_copilot.phases import Phase
from bq_copilot.retrieval.words import query_words
from bq_copilot.state import RunState
from bq_copilot.transitions import fold

LOOK_BACK = 200
"""Rated runs that are looked at, newest first."""
SHOWN = 3
ALIKE = 0.25
"""Share of the question's words that an example's question must have."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One accepted query and where it comes from."""

    run_id: str
    query: str
    question: str
    sql: str
    tables: tuple[str, ...]
    requester: str
    accepted_by: str

    @property
    def provenance(self) -> Example:
        """What the event says of it."""
        said = digest_bytes(self.sql.encode())
        return Example(run_id=self.run_id, query=self.query, accepted_by=self.accepted_by, sql_digest=said)


def accepted(state: RunState) -> Iterator[Remembered]:
    """Yield the accepted queries of a run; none unless it was approved, completed and rated good."""
    plan, rating = state.plan, state.rating
    good = state.phase is Phase.COMPLETED and rating is not None and rating.verdict == "up"
    if not good or plan is None or not plan.consumed or plan.request is None:
        return
    assert rating is not None
    for facts in plan.request.queries:
        yield Remembered(
            run_id=state.run_id,
            query=facts.id,
            question=state.question,
            sql=facts.sql,
            tables=tuple(t.table for t in facts.tables),
            requester=state.requester,
            accepted_by=rating.by,
        )


def recall(ledger: Ledger, requester: str, whose: str) -> list[Remembered]:
    """Return the accepted queries that this requester may see: `off`, the `requester`'s own, or `everyone`'s."""
    if whose == "off":
        return []
    runs = ledger.runs_with("answer_rated", LOOK_BACK)
    if whose == "requester" and runs:
        own = {h.run_id for h in ledger.heads(requester=requester, run_ids=runs, limit=LOOK_BACK)}
        runs = [run for run in runs if run in own]
    return [one for run in runs for one in accepted(fold(run, ledger.read(run)))]


def fitting(question: str, remembered: Iterable[Remembered]) -> list[Remembered]:
    """Return the accepted queries whose questions are most like this one, the same SQL once."""
    words = set(query_words(question))
    scored = [(_alike(words, one), one) for one in remembered]
    ranked = sorted((p for p in scored if p[0] >= ALIKE), key=lambda p: (-p[0], p[1].run_id, p[1].query))
    unique = {one.sql: one for _, one in reversed(ranked)}
    return [one for _, one in ranked if unique[one.sql] is one][:SHOWN]


def _alike(words: set[str], one: Remembered) -> float:
    theirs = set(query_words(one.question))
    return len(words & theirs) / max(len(words), len(theirs), 1)
