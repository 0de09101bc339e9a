"""Finds a question's words in the schema: columns for grouping, values for filtering, tables for counting.

Decides how well a phrase fits a column. A leaf's own name counts most, then the struct it lives in, then its table,
then its description; a synonym counts a little less than the word itself. Never looks at a restricted column: those
are not in the schema view.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.reading import Dim, Filter
from deployments.local.offline_model.schema_view import Column, Schema, Table
from deployments.local.offline_model.words import COUNTRIES, alike, stem, stems_of

_GENERIC_LEAVES = frozenset({"category", "type", "name", "kind", "class", "method", "group", "code"})
EVENT_WORDS = stems_of("event action step stage status state phase activity")
_OPPOSITE = {"new": "returning", "first-time": "returning", "firsttime": "returning", "onetime": "repeat"}


def hit(word: str, words: frozenset[str]) -> float:
    """1 for the word itself, 0.85 for a synonym, 0 otherwise."""
    if word in words:
        return 1.0
    return 0.85 if words & alike(word) else 0.0


def is_event(column: Column) -> bool:
    """True for a column that holds the steps of a process."""
    return column.is_category and column.array is None and len(column.values) >= 3 and bool(
        (column.words | column.aliases) & EVENT_WORDS and stem("status") not in column.words
    )  # fmt: skip


def column_fit(phrase: Sequence[str], column: Column, table: Table) -> tuple[float, frozenset[int]]:
    """Fit of a phrase (stems) to a column and the positions that it explains; 0 when the name has no part in it."""
    scores: list[float] = []
    named = 0.0
    for word in phrase:
        leaf, parent, owner = hit(word, column.words), hit(word, column.parent_words), hit(word, table.words)
        named = max(named, leaf, parent * (0.8 if column.words & _GENERIC_LEAVES else 0.5))
        alias = 0.85 * (word in column.aliases and not column.is_flag) or 0.6 * (word in column.head)
        named = max(named, 0.9 * (word in column.aliases and not column.is_flag))
        scores.append(max(leaf, 0.75 * parent, 0.6 * owner, alias, 0.2 * (word in column.note)))
    if not named or not scores:
        return 0.0, frozenset()
    missed = len([w for w in column.words if not any(w in alike(p) or w == p for p in phrase)])
    fit = sum(scores) / len(scores) * (0.5 + 0.5 * named) - 0.05 * min(missed, 3)
    return max(fit, 0.0), frozenset(i for i, s in enumerate(scores) if s > 0.25)


def entity_of(word: str, schema: Schema) -> list[tuple[float, Table]]:
    """Tables that a noun names, best first; the last word of a table's name is its head."""
    found = [
        (hit(word, frozenset({stem(t.name.split("_")[-1])})) or 0.6 * hit(word, t.words), t) for t in schema.tables
    ]
    return sorted(((s, t) for s, t in found if s > 0), key=lambda p: -p[0])


def dims_for(phrase: tuple[int, ...], cues: Cues, schema: Schema) -> list[Dim]:
    """Every grouping that a phrase may mean, best first."""
    stems = cues.stems(phrase)
    entities = entity_of(stems[-1], schema) if stems else []
    found = [_entity_dim(phrase, stems, table, score) for score, table in entities]
    around = frozenset(t.stem for i, t in enumerate(cues.words) if i not in phrase)
    whole = len(phrase) == 1 and any(score >= 0.85 for score, _ in entities)
    for table in schema.tables:
        for column in table.columns:
            if column.is_time or (
                column.is_number and (column.type not in ("INT64", "INTEGER") or "quantity" in column.words)
            ):
                continue
            fit, covered = column_fit(stems, column, table)
            if fit > (0.9 if column.is_number else 0.3) and not (column.is_key and len(covered) < len(phrase)):
                weight = 0.5 if column.is_key else 0.75 if column.is_number else 1.0
                weight *= 0.5 if whole and not any(hit(s, column.words | column.parent_words) for s in stems) else 1.0
                near = 0.1 * any(hit(w, column.parent_words) for w in around)
                found.append(Dim((column,), frozenset(phrase[i] for i in covered), fit * weight + near))
    return sorted((d for d in found if d), key=lambda d: (-len(d.covers), -d.score))


def _entity_dim(phrase: tuple[int, ...], stems: Sequence[str], table: Table, score: float) -> Dim | None:
    if table.key is None:
        return None
    columns = (table.key, table.label) if table.label else (table.key,)
    covers = frozenset(p for p, s in zip(phrase, stems, strict=True) if hit(s, table.words))
    return Dim(columns, covers, 0.8 * score)


def value_filters(cues: Cues, schema: Schema) -> list[Filter]:
    """Filters on values that the question names: enumerated values, flags and countries."""
    found = [f for i in cues.content for f in _flags(i, cues, schema)]
    for span in _spans(cues):
        text = " ".join(cues.words[i].lower for i in span)
        stems = tuple(cues.words[i].stem for i in span)
        for table in schema.tables:
            for column in table.columns:
                match = _value(column, text, stems)
                if match and not column.is_key and not (len(span) == 1 and span[0] in cues.active and is_state(match)):
                    hint = _hint(span, cues, column)
                    found.append(Filter(column, match, covers=frozenset(span) | hint, score=1 + 0.2 * bool(hint)))
                    if hint:  # the hint may be what is measured (`express shipping fees`)
                        found.append(Filter(column, match, covers=frozenset(span), score=1.1))
    return found + _countries(cues, schema) + _scattered(cues, schema)


def is_state(values: tuple[str, ...]) -> bool:
    """`delivered`, `shipped`: what became of a thing, which a verb with a subject does not name."""
    return all(v.lower().endswith("ed") for v in values)


def _scattered(cues: Cues, schema: Schema) -> list[Filter]:
    """Values of several words whose words stand apart (`products that were viewed` for `view_product`)."""
    places = {cues.words[i].stem: i for i in cues.content}
    return [
        Filter(column, (value,), covers=frozenset(places[w] for w in words), score=0.6)
        for table in schema.tables
        for column in table.columns
        if column.words & EVENT_WORDS
        for value in column.values
        if len(words := _stems(_plain(value))) > 1 and set(words) <= set(places)
    ]


def _spans(cues: Cues) -> list[tuple[int, ...]]:
    """Runs of one to four words with at least one content word, not broken by punctuation."""
    content, words = set(cues.content), cues.words
    joined = [not re.search(r"[,;:?!]", cues.text[a.end : b.start]) for a, b in pairwise(words)]
    return [
        tuple(range(i, i + n))
        for n in (4, 3, 2, 1)
        for i in range(len(words) - n + 1)
        if i in content and (i + n - 1) in content and all(joined[i : i + n - 1])
    ]


def _value(column: Column, text: str, stems: tuple[str, ...]) -> tuple[str, ...] | None:
    """The known values that the words mean: one, or several where the description names them together."""
    plain, stemmed = _value_index(tuple(column.value_aliases.items()))
    asked = _plain(text)
    return plain.get(asked) or stemmed.get(stems) or column.value_groups.get(asked)


@lru_cache(maxsize=2048)
def _value_index(
    items: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[dict[str, tuple[str, ...]], dict[tuple[str, ...], tuple[str, ...]]]:
    """Values by their plain names and by the stems of them; very short names only match as they are."""
    plain: dict[str, tuple[str, ...]] = {}
    stemmed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for value, others in items:
        for name in map(_plain, (value, *others)):
            plain.setdefault(name, (value,))
            if len(name) > 2:
                stemmed.setdefault(_stems(name), (value,))
    return plain, stemmed


@lru_cache(maxsize=8192)
def _plain(text: str) -> str:
    return re.sub(r"[_\-/&\s]+", " ", text).lower().strip()


@lru_cache(maxsize=8192)
def _stems(text: str) -> tuple[str, ...]:
    return tuple(stem(w) for w in text.split())


def _hint(span: tuple[int, ...], cues: Cues, column: Column) -> frozenset[int]:
    """Neighbouring words that name the value's own column (`web channel`, `brand Acme`)."""
    near = [i for i in (span[0] - 2, span[0] - 1, span[-1] + 1) if 0 <= i < len(cues.words)]
    names = column.words | column.parent_words
    return frozenset(i for i in near if i in cues.content and hit(cues.words[i].stem, names))


def _flags(index: int, cues: Cues, schema: Schema) -> Iterable[Filter]:
    word = cues.words[index].stem
    negated = index > 0 and cues.words[index - 1].lower in ("not", "non", "without", "never")
    nouns = frozenset[str]().union(*(t.words for t in schema.tables))
    for table in schema.tables:
        for column in table.columns:
            if not column.is_flag:
                continue
            body = column.words - {"is", "ha", "has", "was", "flag"}
            yes, no = (names - nouns for names in column.flag_names)
            if word in body | yes or alike(word) & body:
                yield Filter(column, ("FALSE" if negated else "TRUE",), covers=frozenset({index}))
            elif _OPPOSITE.get(cues.words[index].lower) in body or word in no:
                yield Filter(column, ("FALSE",), covers=frozenset({index}), score=0.7)


def _countries(cues: Cues, schema: Schema) -> list[Filter]:
    found: list[Filter] = []
    named = [(m.span(), s) for name, s in COUNTRIES.items() for m in re.finditer(rf"\b{re.escape(name)}\b", cues.text)]
    named += [((t.start, t.end), COUNTRIES["usa"]) for t in cues.words if t.text == "US"]
    for (start, end), spellings in named:
        covers = frozenset(i for i, t in enumerate(cues.words) if start <= t.start and t.end <= end)
        if covers & set(cues.content):
            found += [
                Filter(column, (_spelling(column, spellings),), covers=covers)
                for table in schema.tables
                for column in table.columns
                if column.is_category and column.words & alike("country")
            ]
    return found


def _spelling(column: Column, spellings: tuple[str, ...]) -> str:
    """The way the column writes a country: as its known values do, else the two-letter code if codes are described."""
    known = next((s for s in spellings if s in column.values), None)
    if known:
        return known
    return spellings[0] if {"iso", "code"} & column.note or not column.description else spellings[-1]
