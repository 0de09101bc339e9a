"""When two readings differ in SQL: the one short question to ask back, with its options.

Decides only for wordings that leave the measure open (`best products`, `how is business`): the options are measures
that the described tables can compute. Never asks when the question names a measure; never asks twice.
"""

import re
from dataclasses import dataclass
from datetime import date

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import dims_for, hit, is_event
from deployments.local.offline_model.measures import line_measures, revenue_measures
from deployments.local.offline_model.membership import populations
from deployments.local.offline_model.phrases import find_phrases
from deployments.local.offline_model.reading import Form, Kind, Reading
from deployments.local.offline_model.schema_view import Schema
from deployments.local.offline_model.time_window import find_windows
from deployments.local.offline_model.words import is_soft, title

_MAX_OPTIONS = 4
_WHICH_FIGURE = "Which figure"
_STATE = re.compile(
    r"\bhow (?:are|is|was|were|did|do|does|have|has) (?:we|things|"
    r"business|it|the business|the company|the shop|everything|the "
    r"numbers)\b|"
    r"\bhow'?s (?:it|business|everything)\b|\bhow well\b|\bstate of "
    r"(?:the )?business\b|\bperformance overview\b"
)
_PERIODS = (
    "last month compared with the previous month",
    "last quarter compared with the previous quarter",
    "last 12 months compared with the year before",
)


@dataclass(frozen=True)
class Question:
    """A question back and its options, the likeliest first."""

    text: str
    options: tuple[str, ...]


def with_answer(text: str, question: str, answer: str, today: date) -> str:
    """The question with the answer to what was asked back.

    A measure follows `by`, a period stands alone; the answer to `Which figure …` takes the question's place and keeps
    its periods.
    """
    if not answer:
        return text
    if question.startswith(_WHICH_FIGURE):
        return " ".join([answer, *(w.label for w in find_windows(text, today))])
    period = re.match(r"(?:last|this|the last|since|in|between|from|previous)\b", answer, re.I)
    return f"{text}, {answer}" if period else f"{text}, by {answer}"


def open_question(cues: Cues, schema: Schema, readings: list[Reading]) -> Question | None:
    """The question back, or None when the wording settles measure and period.

    Without options when more tables must be described before something can be offered.
    """
    best = readings[0] if readings and not readings[0].uncovered else None
    if best is None and _STATE.search(cues.text) and not _hard(cues):
        return Question(f"{_WHICH_FIGURE} is meant?", tuple(f"{o} by month" for o in _options(schema)))
    if best and _vague_period(cues, best):
        return Question("Which period is meant?", _PERIODS)
    if best and _vague_count(cues, best):
        return _count_or_share(cues, best, schema)
    if best and _coarse_conversion(cues, best, schema):
        return _which_step(best, schema)
    if best and not _unmeasured(cues, best):
        return None
    return _by_which_measure(cues, schema)


def _hard(cues: Cues) -> list[int]:
    return [i for i in cues.content if not is_soft(cues.words[i])]


def _coarse_conversion(cues: Cues, best: Reading, schema: Schema) -> bool:
    """True when a step's share had to be counted over something coarser than what goes through the steps."""
    inner = [f for f in best.measure.where if f.key and f.inner and is_event(f.inner[0].column)]
    if not inner or not best.dims:
        return False
    finest = next(iter(populations(schema, inner[0].inner[0].column)), None)
    grouped = {i for p in find_phrases(cues) for i in p.words}
    named = any(hit(cues.words[i].stem, best.table.words) for i in cues.content if i not in grouped)
    return finest is not None and finest[0].id != best.table.id and not named


def _which_step(best: Reading, schema: Schema) -> Question:
    column = next(f.inner[0].column for f in best.measure.where if f.inner)
    events, by = schema.table(column.table).name, best.dims[0].key.leaf.replace("_", " ")
    options = tuple(f"number of {v} {events} by {by}" for v in column.values[1:])
    return Question((f"{_WHICH_FIGURE} is meant? The steps are not counted together by {by}."), options[:_MAX_OPTIONS])


def _vague_period(cues: Cues, best: Reading) -> bool:
    """`recently` with no period and nothing else that settles it."""
    recent = re.search(
        (
            r"\b(?:recent(?:ly)?|lately|these days|of late|nowadays|latest "
            r"(?:development|numbers|figures))\b"
        ),
        cues.text,
    )
    return bool(recent) and not cues.windows and best.time is not None


def _vague_count(cues: Cues, best: Reading) -> bool:
    """`How are X?`: a state of affairs is asked for, with no figure named."""
    state = re.match(r"\s*(?:so,? |and )?how (?:are|is|were|was)\b", cues.text)
    plain = best.measure.kind in (Kind.ROWS, Kind.DISTINCT) and not cues.count and not cues.share and not cues.rate
    bare = not best.dims and best.grain is None and best.form in (Form.TOTAL, Form.COMPARISON)
    return bool(state) and plain and bare


def _count_or_share(cues: Cues, best: Reading, schema: Schema) -> Question:
    noun = best.measure.name.replace("_", " ")
    value = next((f.values[0] for f in best.filters if f.column.is_category), "")
    if value:
        options = (f"number of {value} {noun}", f"share of {noun} that are {value}")
    else:
        options = (f"number of {noun}", f"number of {noun} by month")
    return Question(f"{_WHICH_FIGURE} about {value + ' ' if value else ''}{noun} is meant?", options)


def _by_which_measure(cues: Cues, schema: Schema) -> Question | None:
    phrases = find_phrases(cues)
    ranked = next((p for p in phrases if p.marker in ("rank", "which", "what")), None)
    if cues.rank is None or ranked is None or not _only_phrase(cues, ranked.words, schema):
        return None
    options = _options(schema)
    noun = " ".join(cues.words[i].text for i in ranked.words)
    return Question(f"By which measure should {noun} be ranked?", options)


def _only_phrase(cues: Cues, words: tuple[int, ...], schema: Schema) -> bool:
    """True when the ranked noun fits the schema and every other word is a known value or carries no meaning."""
    rest = [i for i in cues.content if i not in words and not is_soft(cues.words[i])]
    known = {v.lower() for t in schema.tables for c in t.columns for v in c.values}
    return all(cues.words[i].lower in known for i in rest) and _fits(cues, words, schema)


def _fits(cues: Cues, words: tuple[int, ...], schema: Schema) -> bool:
    """True when one grouping explains every word of the phrase that carries meaning."""
    needed = {i for i in words if not is_soft(cues.words[i])}
    return any(needed <= d.covers for d in dims_for(words, cues, schema))


def _unmeasured(cues: Cues, reading: Reading) -> bool:
    """True when a ranking's measure was only guessed from the ranked thing itself."""
    grouped = {i for d in reading.dims for i in d.covers}
    if any(is_event(f.column) and f.covers - grouped for f in reading.filters):
        return False  # `most views`: the event is the measure
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
