"""What to look at next: which table to describe, which column to profile, and up to which day the data reaches.

Decides by the question's words against table names and descriptions; likely tables first, the others only
while some word is still unexplained. Every look is bounded. Never profiles unless the answer changes the SQL.
"""

import re
from datetime import date, timedelta

from deployments.local.offline_model.conversation import Conversation
from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.reading import Reading
from deployments.local.offline_model.schema_view import Column, Listed, Schema, Table
from deployments.local.offline_model.words import BUYERS, alike, stem, stems_of

FIRST_TABLES = 4
MAX_TABLES = 12
MAX_PROFILES = 4
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2}) ?(?:to|until|through|-|\u2013|\.\.) ?(\d{4}-\d{2}-\d{2})")


def next_description(
    schema: Schema, cues: Cues, conversation: Conversation, reading: Reading | None, complete: bool
) -> str | None:
    """The next table worth describing, or None when enough is known."""
    ranked = sorted(schema.listed, key=lambda t: -relevance(t, cues))
    best = relevance(ranked[0], cues) if ranked else 0.0
    likely = [t for t in ranked if relevance(t, cues) >= max(0.5 * best, 1.0)][:FIRST_TABLES]
    following = next((t for t in likely if t.id not in schema.tried), None)
    if following:
        return following.id
    named = (
        (_referenced(schema, reading, cues) or _worth_a_look(schema, reading, cues)) if reading and complete else None
    )
    if named:
        return named
    if complete or len(conversation.of("describe_table")) >= MAX_TABLES:
        return None
    return next((t.id for t in ranked if t.id not in schema.tried), None)


def _referenced(schema: Schema, reading: Reading, cues: Cues) -> str | None:
    """An undescribed table that a used key leads to: it may hold the readable name, or be what is counted."""
    used = [c for d in reading.dims for c in d.columns if c.is_key]
    for found in (f for m in (reading.measure, reading.measure.top) if m for f in m.where):
        if found.key is not None:
            used += [c for c in schema.table(found.column.table).columns if c.is_key and c.array is None]
    if cues.funnel:
        used += [c for c in reading.table.columns if c.is_key and c.array is None]
    for column in used:
        words = stems_of(column.leaf.rsplit("_", 1)[0])
        for table in schema.undescribed:
            if stems_of(table.name) == words:
                return table.id
    return None


def _worth_a_look(schema: Schema, reading: Reading, cues: Cues) -> str | None:
    """An undescribed table that may explain a word which the reading only tolerates."""
    left = tuple(i for i in reading.soft if i not in reading.uncovered)
    return next((t.id for t in schema.undescribed if left and relevance(t, cues, left) >= 0.5), None)


def relevance(table: Listed, cues: Cues, words: tuple[int, ...] | None = None) -> float:
    """2 for each word that the table's name has, 1 for each in its description; synonyms count too."""
    name, note = stems_of(table.name), stems_of(_positive(table.description))
    return sum(
        2 * hit(word, name) + (word in note) + 0.5 * bool(alike(word) & note and word not in note)
        for word in dict.fromkeys(_looked_for(cues, cues.content if words is None else words))
    )


def _looked_for(cues: Cues, words: tuple[int, ...]) -> list[str]:
    """The words' stems; who buys is found where sales are."""
    stems = [cues.words[i].stem for i in words]
    return [*stems, *(stem("order") for w in stems if w in BUYERS), *([stem("funnel")] if cues.funnel else [])]


def _positive(text: str) -> str:
    """The description without sentences that say what is not there."""
    return " ".join(
        s for s in re.split(r"(?<=[.;])\s", text) if not re.search(r"\b(?:no|not|never|none|without)\b", s, re.I)
    )


def data_end(table: Table) -> date | None:
    """The last day of data: from a profile of the time column, else from a range in the table's description."""
    time = table.time
    if time and time.profile and time.profile.maximum:
        found = re.match(r"\d{4}-\d{2}-\d{2}", str(time.profile.maximum))
        return date.fromisoformat(found.group()) if found else None
    told = _RANGE.search(table.description)
    return date.fromisoformat(told.group(2)) if told else None


def outside(table: Table, cues: Cues) -> str | None:
    """The days that the table covers, when the question's windows all lie outside of them."""
    told = _RANGE.search(table.description)
    if not told or not cues.windows:
        return None
    first, last = told.group(1), told.group(2)
    reached = [
        w for w in cues.windows
        if (w.end is None or w.end > date.fromisoformat(first))
        and (w.start is None or w.start <= date.fromisoformat(last))
    ]  # fmt: skip
    return None if reached else f"{first} to {last}"


def anchor_of(table: Table, today: date) -> date:
    """The day that relative windows count back from: today, or the day after the data ends."""
    end = data_end(table)
    return min(today, end + timedelta(days=1)) if end else today


def next_profile(schema: Schema, cues: Cues, readings: list[Reading], conversation: Conversation) -> Column | None:
    """A column whose values or last day the reading depends on."""
    if not conversation.offers("profile_column") or len(conversation.of("profile_column")) >= MAX_PROFILES:
        return None
    tried = {(str(e.arguments.get("table")), str(e.arguments.get("column"))) for e in conversation.of("profile_column")}
    best = readings[0] if readings else None
    if best and not best.uncovered:
        time = best.table.time
        open_ended = any(w.relative for w in cues.windows)
        unknown = time is not None and data_end(best.table) is None and (time.table, time.path) not in tried
        return time if open_ended and unknown else None
    return _value_column(schema, cues, best, tried)


def _value_column(schema: Schema, cues: Cues, best: Reading | None, tried: set[tuple[str, str]]) -> Column | None:
    """A text column that may hold an unexplained name (capitalised, quoted, or beside the column's name)."""
    missing = best.uncovered if best else cues.content
    if not missing or not all(_looks_like_value(cues, i) for i in missing):
        return None
    near = {cues.words[j].stem for i in missing for j in (i - 2, i - 1, i + 1, i + 2) if 0 <= j < len(cues.words)}
    choices = [
        (sum(hit(w, c.words | c.parent_words) for w in near), c)
        for table in schema.tables
        for c in table.columns
        if c.is_category and c.array is None and c.profile is None and (c.table, c.path) not in tried
        and not (c.values and "for example" not in c.description and "such as" not in c.description)
    ]  # fmt: skip
    ranked = sorted(choices, key=lambda p: -p[0])
    return ranked[0][1] if ranked else None


def _looks_like_value(cues: Cues, index: int) -> bool:
    token = cues.words[index]
    before, after = cues.text[max(0, token.start - 1) : token.start], cues.text[token.end : token.end + 1]
    quoted = before in "'\"\u201c\u2018" and after in "'\"\u201d\u2019" and bool(before)
    return quoted or "_" in token.text or (index > 0 and token.text[:1].isupper())
