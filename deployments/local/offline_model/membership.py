"""Rows that have, or have not, something in another table: refunded orders, sessions with a purchase, unsold products.

Decides which table is counted and which only asked for membership. Conversion and abandonment rates are such
shares over the steps of an event column. Always a semi-join on a key, so the counted rows are never
multiplied.
"""

from collections.abc import Iterable
from dataclasses import replace

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.joins import steps_from
from deployments.local.offline_model.matching import hit, is_event
from deployments.local.offline_model.measures import quotient, rows_of
from deployments.local.offline_model.reading import Filter, Kind, Measure
from deployments.local.offline_model.schema_view import Column, Schema, Table
from deployments.local.offline_model.words import stem

_NEVER = frozenset({"never", "without", "no", "not", "none"})
_AUXILIARIES = frozenset({"were", "was", "are", "is", "been", "got", "get", "later"})
_CONVERT = stem("conversion")
_ABANDON = frozenset({stem("abandonment"), stem("abandoned"), stem("abandon")})


def member_measures(cues: Cues, free: tuple[int, ...], filters: list[Filter], schema: Schema) -> Iterable[Measure]:
    """Counts and shares of one table's rows by membership in another."""
    yield from _by_step(cues, free, filters, schema)
    yield from _by_table(cues, free, schema)


def links(schema: Schema, many: Table) -> Iterable[tuple[Table, Column]]:
    """Tables whose key this table carries, each with the column that carries it."""
    for array in dict.fromkeys([None, *(c.array for c in many.columns)]):
        for step in steps_from(schema, many, array):
            column = many.column(step.left_path)
            if column and column.array == array:
                yield schema.table(step.right), column


def event_columns(schema: Schema) -> list[Column]:
    """Columns that hold the steps of a process, the one with the most known steps first."""
    found = [c for t in schema.tables for c in t.columns if is_event(c) and any(links(schema, t))]
    return sorted(found, key=lambda c: -len(c.values))


def _by_step(cues: Cues, free: tuple[int, ...], filters: list[Filter], schema: Schema) -> Iterable[Measure]:
    converting = frozenset(i for i in free if cues.words[i].stem == _CONVERT)
    abandoning = frozenset(i for i in free if cues.words[i].stem in _ABANDON)
    for column in event_columns(schema)[:2]:
        last = Filter(column, (column.values[-1],), covers=converting)
        named = [f for f in filters if f.column == column and len(f.values) == 1]
        chosen = [*named, *([last] if converting else [])]
        for place, (table, key) in enumerate(populations(schema, column)):
            for found in chosen:
                covers = found.covers | _named(cues, free, table) | converting
                within = _membership(table, key, found)
                if abandoning:
                    yield _abandoned(
                        table,
                        within,
                        replace(_membership(table, key, last), op="not in"),
                        covers | abandoning,
                        1.0 - 0.05 * place,
                    )
                elif cues.rate or cues.share or converting:
                    yield _share(table, within, covers, (1.0 if _named(cues, free, table) else 0.9) - 0.05 * place)
                elif _named(cues, free, table):
                    yield _count(table, within, covers)
                elif _named(cues, cues.content, table):
                    yield _count(table, within, covers | found.covers)


def populations(schema: Schema, column: Column) -> list[tuple[Table, Column]]:
    """Tables whose rows go through the steps, the finest first: most rows, then named in the events' description."""
    events = schema.table(column.table)
    found = [(t, k) for t, k in links(schema, events) if k.array is None]
    return sorted(found, key=lambda p: (-p[0].rows, not p[0].words & events.note))


def _named(cues: Cues, free: tuple[int, ...], table: Table) -> frozenset[int]:
    return frozenset(i for i in free if hit(cues.words[i].stem, table.words))


def _membership(table: Table, key: Column, inner: Filter | None, op: str = "in") -> Filter:
    assert table.key
    return Filter(key, (), op, frozenset(), 1.0, table.key, (inner,) if inner else ())


def _label(found: Filter) -> str:
    return found.inner[0].values[0] if found.inner else found.column.table.rsplit(".", 1)[-1]


def _share(table: Table, within: Filter, covers: frozenset[int], score: float) -> Measure:
    name = f"{table.name}_with_{_label(within)}_pct".replace("-", "_").replace(" ", "_")
    return Measure(name, Kind.SHARE, table.id, (), None, (within,), None, covers, score, "percent")


def _count(table: Table, within: Filter, covers: frozenset[int]) -> Measure:
    preposition = "without" if within.op == "not in" else "with"
    name = f"{table.name}_{preposition}_{_label(within)}".replace("-", "_").replace(" ", "_")
    return replace(rows_of(table, covers, 0.8), name=name, where=(within,))


def _abandoned(table: Table, within: Filter, out: Filter, covers: frozenset[int], score: float) -> Measure:
    base = replace(rows_of(table), where=(within,))
    top = replace(base, where=(within, out))
    return replace(quotient(top, base, "abandonment_rate_pct", "percent"), covers=covers, score=score)


def _by_table(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    """`orders that were refunded`, `customers without orders`, `refund rate`."""
    never = any(t.lower in _NEVER for t in cues.words)
    for many in schema.tables:
        verbs = _named(cues, free, many)
        for table, key in links(schema, many):
            nouns = _named(cues, free, table) - verbs
            inner_words = verbs or _units_sold(cues, free, never, key)
            if table.id == many.id or not inner_words or not (nouns or cues.rate):
                continue
            within = _membership(table, key, None, "not in" if never else "in")
            if cues.share or cues.rate:
                yield _share(table, within, inner_words | nouns, 0.9 if nouns else 0.8)
            elif never or _passive(cues, inner_words):
                yield _count(table, within, inner_words | nouns)


def _units_sold(cues: Cues, free: tuple[int, ...], never: bool, key: Column) -> frozenset[int]:
    """`sold` stands for being in a repeated field of order lines."""
    if not never or key.array is None:
        return frozenset()
    return frozenset(i for i in free if cues.words[i].stem in ("sell", "buy", "order"))


def _passive(cues: Cues, verbs: frozenset[int]) -> bool:
    """`were refunded`, `got refunded`, `with a refund`: membership rather than a count of the other table."""
    for i in verbs:
        before = cues.words[i - 1].lower if i else ""
        if cues.words[i].lower.endswith("ed") and before in _AUXILIARIES:
            return True
        if before in ("with", "has", "have", "had") or (i > 1 and cues.words[i - 2].lower == "with"):
            return True
    return False
