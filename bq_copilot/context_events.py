"""The events about what a run knows beside its question: the briefing that was pinned, and what people said of answers.

Facts in the past tense, additive only, like all events. A briefing is stored whole, because it enters every prompt of
the run: what retrieval, notes, memory or an earlier run would say later must not change what was said.
"""

from __future__ import annotations

from typing import Literal

from bq_copilot.values import Stored, Usage, Value


class Example(Value):
    """An accepted query that is shown to the model, and where it comes from."""

    run_id: str
    query: str
    accepted_by: str
    sql_digest: str


class Settled(Value):
    """A question that a person answered in the run that this one continues."""

    topic: str
    question: str
    answer: str


class ContextPinned(Value):
    """What is known about the question was gathered, and fixed for the whole run."""

    kind: Literal["context_pinned"] = "context_pinned"
    briefing: Stored
    """JSON, as it stands in the prompt: tables, notes, accepted examples, the earlier run."""
    tables: tuple[str, ...]
    """Tables and families that retrieval put before the model, best first."""
    retriever: str
    """How they were found: the index's format, and the embedding model if there was one."""
    notes_name: str = ""
    notes_version: int = 0
    notes_fingerprint: str = ""
    notes_left_out: tuple[str, ...] = ()
    """Notes that name what is not in the schemas, or not allowed; they were not shown."""
    examples: tuple[Example, ...] = ()
    after_run: str = ""
    after_seq: int = 0
    settled: tuple[Settled, ...] = ()
    """The last event of the earlier run that was taken into account."""
    usage: Usage = Usage()
    """What embedding the question cost."""


class AnswerRated(Value):
    """A person said whether the answer is good; a good one's approved queries may serve as examples."""

    kind: Literal["answer_rated"] = "answer_rated"
    verdict: Literal["up", "down"]
    by: str
    via: str
    reason: str = ""
