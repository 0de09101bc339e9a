"""When two readings differ in SQL: the one short question to ask back, with its options.

Decides only for wordings that leave the measure open (`best products`, `how is business`): the options are measures
that the described tables can compute. Never asks when the question names a measure; never asks twice.
"""

from dataclasses import dataclass

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.measures import line_measures, revenue_measures
from deployments.local.offline_model.phrases import find_phrases
from deployments.local.offline_model.reading import Kind, Reading
from deployments.local.offline_model.schema_view import Schema
from deployments.local.offline_model.matching import entity_of
from deployments.local.offline_model.words import title

_MAX_OPTIONS = 4


@dataclass(frozen=True)
class Question:
    """A question back and its options, the likeliest first."""

    text: str
    options: tuple[str, ...]


def open_question(cues: Cues, schema: Schema, readings: list[Reading]) -> Question | None:
    """The question back, or None when the wording settles the measure."""
    if readings and not readings[0].uncovered and not _unmeasured(cues, readings[0]):
        return None
    phrases = find_phrases(cues)
    ranked = next((p for p in phrases if p.marker in ("rank", "which", "what")), None)
    if cues.rank is None or ranked is None or not _only_phrase(cues, ranked.words, schema):
        return None
    options = _options(schema)
    if len(options) < 2:
        return None
    noun = " ".join(cues.words[i].text for i in ranked.words)
    return Question(f"By which measure should {noun} be ranked?", options)


def _only_phrase(cues: Cues, words: tuple[int, ...], schema: Schema) -> bool:
    rest = [i for i in cues.content if i not in words]
    known = {v.lower() for t in schema.tables for c in t.columns for v in c.values}
    return all(cues.words[i].lower in known for i in rest) and bool(entity_of(cues.words[words[-1]].stem, schema) or words)


def _unmeasured(cues: Cues, reading: Reading) -> bool:
    """True when a ranking's measure was only guessed from the ranked thing itself."""
    return cues.rank is not None and not cues.count and reading.measure.kind in (Kind.ROWS, Kind.DISTINCT) and not (
        reading.dims and reading.measure.covers - {i for d in reading.dims for i in d.covers}
    )  # fmt: skip


def _options(schema: Schema) -> tuple[str, ...]:
    found: list[str] = []
    if revenue_measures(schema):
        found.append("revenue")
    if any(line_measures(t) for t in schema.tables):
        found.append("units sold")
    facts = [t for t in schema.tables if t.time is not None and sum(c.is_key for c in t.columns) >= 2]
    found += [f"number of {title(t.name).lower()}" for t in sorted(facts, key=lambda t: -t.rows)]
    return tuple(dict.fromkeys(found))[:_MAX_OPTIONS]
