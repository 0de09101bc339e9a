"""What the question asks of this schema: the best complete reading, a question back, or the words that fit nothing.

Decides by coverage: a reading must explain every content word of the question by a measure, a grouping, a filter or
the tables that it uses. A word that nothing explains means that the data does not answer the question; that is
what keeps the planner from guessing. Among complete readings the better name fits and the fewer joins win.
"""

import re
from dataclasses import dataclass, field, replace
from itertools import product

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.forms import shape
from deployments.local.offline_model.funnels import funnel_measures
from deployments.local.offline_model.guards import with_guards
from deployments.local.offline_model.joins import Nest, distance, steps_from
from deployments.local.offline_model.matching import dims_for, hit, is_state, value_filters
from deployments.local.offline_model.measures import candidates, rows_of
from deployments.local.offline_model.membership import member_measures
from deployments.local.offline_model.phrases import WHO, Phrase, find_phrases
from deployments.local.offline_model.ratios import per_ratio
from deployments.local.offline_model.reading import Dim, Filter, Form, Kind, Measure, Reading
from deployments.local.offline_model.schema_view import Column, Schema, Table
from deployments.local.offline_model.spans_between import duration_measures
from deployments.local.offline_model.thresholds import threshold_measures
from deployments.local.offline_model.words import is_soft, stem, stems_of

_LIFTABLE = (Kind.ROWS, Kind.DISTINCT, Kind.SHARE)
_NEGATIONS = frozenset(["excluding", "exclude", "except", "without", "not", "non", "ignoring"])
_DONE = stems_of("deliver ship send dispatch handle process fulfil fulfill")
"""What somebody does with things: as verbs with a subject they add nothing to what is measured."""
_AS_PART = re.compile(r" an? (?:share|percentage|percent|fraction|proportion|part)\b")
_HOP = 0.12


@dataclass(frozen=True)
class Sources:
    """What one question and one schema give to choose from; computed once per turn."""

    cues: Cues
    schema: Schema
    filters: tuple[Filter, ...]
    blocked: frozenset[str]
    loose: dict[tuple[int, ...], list[Dim]] = field(default_factory=dict)

    def reach(self, table: Table, nest: Nest | None, column: Column) -> int | None:
        if _key(column) in self.blocked:
            return None
        return distance(self.schema, table, nest, column)


def interpret(cues: Cues, schema: Schema, blocked: frozenset[str] = frozenset()) -> list[Reading]:
    """Readings, best first; a reading whose `uncovered` is not empty does not answer the question."""
    filters = tuple(f for f in value_filters(cues, schema) if _key(f.column) not in blocked)
    sources = Sources(cues, schema, filters, blocked)
    found: list[Reading] = []
    for phrases in _role_choices(find_phrases(cues)):
        taken = {i for p in phrases for i in p.words}
        done = {i for i in cues.active if cues.words[i].stem in _DONE}
        free = tuple(i for i in cues.content if i not in taken and i not in done)
        options = [_groupings(p.words, cues, schema) for p in phrases]
        if not all(options):
            continue
        usable = [f for f in filters if not f.covers <= taken]
        for measure in [*_measures(cues, free, usable, schema), *_unnamed(cues, options, schema)]:
            reading = _best_base(sources, measure, options, free)
            if reading:
                found.append(_with_bonus(reading, phrases, cues, schema))
    return sorted(found, key=lambda r: (len(r.uncovered), -r.score))


def _groupings(words: tuple[int, ...], cues: Cues, schema: Schema) -> list[Dim]:
    """What a phrase may group by; a light verb at its end (`products got`) is no part of the name."""
    kept = words
    while len(kept) > 1 and is_soft(cues.words[kept[-1]]):
        kept = kept[:-1]
    found = [*dims_for(words, cues, schema), *(dims_for(kept, cues, schema) if kept != words else [])]
    whose = len(kept) > 1 and cues.words[kept[-1]].stem in WHO  # `by returning customers` is a condition
    return [d for d in found if not (whose and d.key.is_flag)]


def _measures(cues: Cues, free: tuple[int, ...], filters: list[Filter], schema: Schema) -> list[Measure]:
    return [
        *funnel_measures(cues, free, filters, schema),
        *candidates(cues, free, filters, schema),
        *per_ratio(cues, free, schema),
        *member_measures(cues, free, filters, schema),
        *duration_measures(cues, free, schema),
        *threshold_measures(cues, free, schema),
    ]


def _unnamed(cues: Cues, options: list[list[Dim]], schema: Schema) -> list[Measure]:
    """Rows of the tables where the groupings live, for `most frequent X` without a noun to count."""
    if not (cues.count or cues.share):
        return []
    loose = [] if options else [dims_for(cues.content, cues, schema)]
    loose = [[d for d in found if len(d.covers) > 1 and not d.key.is_key] for found in loose]
    score = 0.3 if options else 0.6
    owners = dict.fromkeys(d.key.table for choices in (options or loose) for d in choices)
    return [rows_of(schema.table(t), score=score) for t in owners]


def _with_bonus(reading: Reading, phrases: tuple[Phrase, ...], cues: Cues, schema: Schema) -> Reading:
    """Groupings that the wording marks are worth more; single rows of an entity are unlikely without a rank."""
    bonus = sum(0.3 if p.sure or p.marker in ("by", "rank") else 0.2 for p in phrases)
    unlikely = any(d.key.is_key for d in reading.dims) and cues.rank is None
    if reading.measure.kind is Kind.ROWS and any(d.key == reading.table.key for d in reading.dims):
        bonus -= 1.0  # one row each: a count of them by themselves says nothing
    if re.search(r"\bhow many of (?:them|these|those|which)\b", cues.text) and len(reading.measures) == 1:
        bonus -= 1.0  # a part of what was counted first: two figures
    part = (cues.share or cues.rate) and any(m.unit == "percent" for m in reading.measures)
    whole = 0.3 * (1 if reading.measure.additive else -1) if cues.share and reading.dims and not part else 0.0
    whole += 0.5 * (reading.form is Form.FUNNEL) - 1.0 * (cues.rank is not None and reading.form is Form.TOTAL)
    return replace(
        reading,
        score=reading.score
        + bonus
        - (0.9 if any(p.sure for p in phrases) else 1.6) * unlikely
        + (0.9 if _AS_PART.search(cues.text) else 0.5) * part
        + whole
        - _soft_missing(reading, cues, schema),
    )


def _soft_missing(reading: Reading, cues: Cues, schema: Schema) -> float:
    """A word that may be left over costs little, more when it names a table that the reading does not use."""
    left = [cues.words[i].stem for i in reading.soft if i not in reading.uncovered]
    return sum(0.3 if any(hit(w, t.words) for t in schema.tables) else 0.05 for w in left)


def _role_choices(phrases: tuple[Phrase, ...]) -> list[tuple[Phrase, ...]]:
    """Every way to take unsure phrases as groupings or as plain words."""
    choices = [(True,) if p.sure else (True, False) for p in phrases]
    return [tuple(p for p, kept in zip(phrases, keep, strict=True) if kept) for keep in product(*choices)]


def _key(column: Column) -> str:
    return f"{column.table}.{column.path}"


def _best_base(sources: Sources, measure: Measure, options: list[list[Dim]], free: tuple[int, ...]) -> Reading | None:
    """The measure on its table, unnesting a repeated field where the groupings need one."""
    table = sources.schema.table(measure.table)
    nests: list[Nest | None] = [Nest(table.id, measure.array) if measure.array else None]
    if measure.array is None and measure.kind in _LIFTABLE and table.key is not None:
        nests += _nests(sources.schema, table)
    if any(_key(c) in sources.blocked for c in measure.columns):
        return None
    readings = [r for n in nests if (r := _reading(sources, measure, table, n, options, free))]
    return max(readings, key=lambda r: (-len(r.uncovered), r.score), default=None)


def _nests(schema: Schema, table: Table) -> list[Nest]:
    """Repeated records of the table and of the tables that its rows lead to."""
    owners = [table, *(schema.table(step.right) for step in steps_from(schema, table, None))]
    return [
        Nest(t.id, a) for t in owners for a in sorted({c.array for c in t.columns if c.array and c.array != c.path})
    ]


def _reading(
    sources: Sources, measure: Measure, table: Table, nest: Nest | None, options: list[list[Dim]], free: tuple[int, ...]
) -> Reading | None:
    dims: list[Dim] = []
    for choices in options:
        best = _nearest(sources, table, nest, choices)
        if best is None:
            return None
        if measure.note == "funnel" and best.key.leaf == measure.columns[0].leaf:
            continue  # `by sessions` says what is counted
        if all(d.columns != best.columns for d in dims):
            dims.append(best)
        else:
            dims = [replace(d, covers=d.covers | best.covers) if d.columns == best.columns else d for d in dims]
    taken = {i for d in dims for i in d.covers}
    filters = _filters(
        sources, table, nest, measure, tuple(i for i in sources.cues.content if i in free or i not in taken)
    )
    filters, dims = _compared_values(filters, dims, sources.cues)
    covered = _covered(sources, table, nest, measure, dims, filters)
    second = _second_measure(sources, measure, free, filters)
    covered |= second.covers if second else frozenset()
    missing = tuple(i for i in sources.cues.content if i not in covered)
    cues = sources.cues
    done = {i for i in cues.active if cues.words[i].stem in _DONE}
    rest = tuple(i for i in missing if i not in done and not is_soft(cues.words[i]))
    extra = _loose_dim(sources, table, nest, rest)
    if extra:
        fixed = [f for f in (*filters, *measure.where) if f.column == extra.key and len(f.values) == 1]
        dims += [extra] if not fixed and all(extra.key not in d.columns for d in dims) else []
        rest = tuple(i for i in rest if i not in extra.covers)
        missing = tuple(i for i in missing if i not in extra.covers)
    lift = 0.1 * ((nest.path if nest else None) != measure.array)
    score = measure.score + sum(d.score for d in dims) + 0.3 * len(filters) - lift + 0.5 * bool(second)
    measures = (measure, second) if second else (measure,)
    base = Reading(
        Form.TOTAL, table, nest, measures, tuple(dims), tuple(filters), score=score, uncovered=rest, soft=missing
    )
    shaped = shape(base, sources.cues, sources.schema)
    return with_guards(shaped, sources.cues, sources.schema) if shaped else None


def _second_measure(sources: Sources, measure: Measure, free: tuple[int, ...], filters: list[Filter]) -> Measure | None:
    """A figure that is named after `and` beside the first one, over the same rows."""
    if measure.note:
        return None
    cues = sources.cues
    used = {i for f in filters for i in f.covers}
    starts = [
        i for i, t in enumerate(cues.words)
        if t.lower in ("and", "plus") or (t.lower == "as" and not _AS_PART.match(cues.text[t.end :]))
    ]  # fmt: skip
    for start in starts:
        after = tuple(i for i in free if start < i <= start + 10 and i not in measure.covers and i not in used)
        if not after or not any(i < start for i in measure.covers):
            continue
        choices = [
            m for m in _measures(cues, after, [f for f in sources.filters if f.covers & set(after)], sources.schema)
            if m.table == measure.table and m.array == measure.array and m.name != measure.name and m.score >= 0.6
            and min(m.covers, default=99) in (after[0], next((i for i in after if not is_soft(cues.words[i])), -1))
        ]  # fmt: skip
        if choices:
            return choices[0]
    return None


def _nearest(sources: Sources, table: Table, nest: Nest | None, choices: list[Dim]) -> Dim | None:
    """The grouping that explains most words and fits best, less what its joins cost."""
    reached = [
        (len(d.covers), d.score - _HOP * max(hops), d)
        for d in choices
        if (hops := [h for c in d.columns if (h := sources.reach(table, nest, c)) is not None])
        and len(hops) == len(d.columns)
    ]
    if not reached:
        return None
    _, score, dim = max(reached, key=lambda r: (r[0], r[1]))
    return replace(dim, score=score)


def _filters(
    sources: Sources, table: Table, nest: Nest | None, measure: Measure, free: tuple[int, ...]
) -> list[Filter]:
    """Value filters on words that the measure does not explain; longer spans and nearer columns first."""
    own = measure.covers if measure.kind is not Kind.ROWS or measure.where else frozenset[int]()
    usable: list[tuple[float, Filter]] = []
    for found in sources.filters:
        scalar = found.column.array == found.column.path and found.column.table == table.id
        hops = 0 if scalar else sources.reach(table, nest, found.column)
        if hops is not None and found.covers & set(free) and not found.covers & own:
            usable.append((len(found.covers) + 0.5 * found.score - _HOP * hops, found))
    chosen: list[Filter] = []
    used: set[int] = set()
    for _, found in sorted(usable, key=lambda p: -p[0]):
        if not found.covers & used and not (found.covers <= measure.covers):
            chosen.append(_negated(found, sources.cues))
            used |= found.covers
    return chosen


def _negated(found: Filter, cues: Cues) -> Filter:
    first = min(found.covers)
    before = {cues.words[i].lower for i in range(max(0, first - 2), first)}
    if before & _NEGATIONS and not found.column.is_flag:
        return replace(found, op="!=")
    return found


def _compared_values(filters: list[Filter], dims: list[Dim], cues: Cues) -> tuple[list[Filter], list[Dim]]:
    """Several values of one column become one IN filter, and the column a grouping."""
    merged: dict[tuple[str, str], Filter] = {}
    apart: set[tuple[str, str]] = set()
    for found in filters:
        key = (_key(found.column), found.op)
        other = merged.get(key)
        apart |= {key} if other is not None else set()
        merged[key] = found if other is None else replace(
            other, values=tuple(dict.fromkeys((*other.values, *found.values))), covers=other.covers | found.covers
        )  # fmt: skip
    grouped = [*dims]
    for key, found in merged.items():
        if (
            key in apart
            and cues.anomaly is None
            and found.op == "="
            and all(found.column not in d.columns for d in grouped)
        ):
            grouped.append(Dim((found.column,), found.covers, 0.2))
    plain = [f for f in merged.values() if not (f.column.is_flag and len(f.values) > 1)]
    return _without_manner(plain), grouped


def _without_manner(filters: list[Filter]) -> list[Filter]:
    """`shipped express` says how: the verb before another column's value is no state of the thing."""
    for verb in [f for f in filters if f.covers and is_state(f.values)]:
        manner = next((f for f in filters if max(verb.covers) + 1 in f.covers and f.column != verb.column), None)
        if manner is not None:
            kept = [f for f in filters if f not in (verb, manner)]
            return [*kept, replace(manner, covers=manner.covers | verb.covers)]
    return filters


def _covered(
    sources: Sources, table: Table, nest: Nest | None, measure: Measure, dims: list[Dim], filters: list[Filter]
) -> set[int]:
    """Words that the parts of the reading explain, the tables that they live in included."""
    cues, schema = sources.cues, sources.schema
    covered = set(measure.covers)
    for part in (*dims, *filters, *measure.where):
        covered |= part.covers
    used = {table.id, *(c.table for d in dims for c in d.columns), *(f.column.table for f in filters)}
    used |= {step.right for step in steps_from(schema, table, None) if any(f.key for f in measure.where)}
    names = frozenset[str]().union(*(schema.table(t).words for t in used))
    time = table.time
    if time:
        names |= time.words | time.aliases | time.head
    for column in table.columns:
        if column.is_key and column.array in (None, nest.path if nest else None):
            names |= column.words | (column.aliases if column != table.key else frozenset())
    for step in steps_from(schema, table, None):
        names |= frozenset[str]().union(
            *(c.words for c in schema.table(step.right).columns if c.is_key and c.array is None)
        )
    if nest:
        names |= {stem(w) for w in nest.path.replace("_", ".").split(".")}
    return covered | {i for i in cues.content if hit(cues.words[i].stem, names)}


def _loose_dim(sources: Sources, table: Table, nest: Nest | None, rest: tuple[int, ...]) -> Dim | None:
    """A column that is named without a marker (`order status breakdown`)."""
    if not rest:
        return None
    if rest not in sources.loose:
        sources.loose[rest] = dims_for(rest, sources.cues, sources.schema)
    choices = [d for d in sources.loose[rest] if len(d.columns) == 1 and d.score > 0.6 and not d.key.is_key]
    best = _nearest(sources, table, nest, choices)
    return replace(best, score=best.score - 0.8) if best and best.covers == set(rest) else None
