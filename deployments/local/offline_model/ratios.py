"""Quotients that a question spells out: `X per Y`, where Y is something that can be counted.

Decides whether `per` divides or groups: it divides when the word after it names a table or a key of the measure's own
table. Never mixes two tables in one quotient unless one query over one base can count both.
"""

from collections.abc import Iterable

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.measures import QUANTITY, RATES, candidates, quotient, rows_of
from deployments.local.offline_model.reading import Kind, Measure
from deployments.local.offline_model.schema_view import Schema, Table

_TOPS = (Kind.ROWS, Kind.DISTINCT, Kind.SUM, Kind.LINE, Kind.MARGIN, Kind.AVG)


def per_ratio(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    """One quotient for every numerator that shares a base with the thing after `per`."""
    position = next((i for i, t in enumerate(cues.words) if _divides(cues, i, t.lower)), None)
    if position is None:
        return
    below = tuple(i for i in free if i == position + 1)
    above = tuple(i for i in free if i not in below)
    if not below or not above:
        return
    for top in candidates(cues, above, [], schema):
        if top.kind in _TOPS and not _is_rate(top):
            bottom = _denominator(cues.words[below[0]].stem, below, schema.table(top.table), top)
            if bottom and (bottom.kind, bottom.columns) != (top.kind, top.columns):  # a thing per itself is 1
                yield _per(top, bottom)


def _divides(cues: Cues, index: int, word: str) -> bool:
    """`per X`, `each X`, `in an X`."""
    if word in ("a", "an"):
        return bool(cues.aggregate) and index > 0 and cues.words[index - 1].lower in ("in", "for", "with")
    if word in ("average", "typical", "mean"):  # `how many items does the average order have`
        return cues.count and index > 0 and cues.words[index - 1].lower in ("the", "an", "a", "our")
    return word in ("per", "each", "every")


def _is_rate(top: Measure) -> bool:
    """Prices and rates are averaged, never added up and divided."""
    return top.kind is Kind.AVG and bool(top.columns[0].words & RATES)


def _denominator(word: str, below: tuple[int, ...], table: Table, top: Measure) -> Measure | None:
    covers = frozenset(below)
    if hit(word, table.words):
        if top.array is None or table.key is None:
            return rows_of(table, covers)
        return Measure(table.name, Kind.DISTINCT, table.id, (table.key,), top.array, covers=covers, unit="count")
    for column in table.columns:
        if column.is_number and column.array == top.array and QUANTITY & column.words and hit(word, column.words):
            return Measure(column.leaf, Kind.SUM, table.id, (column,), top.array, covers=covers, unit="count")
    for column in table.columns:
        if column.is_key and column.array in (None, top.array) and hit(word, column.words):
            return Measure(column.leaf, Kind.DISTINCT, table.id, (column,), top.array, covers=covers, unit="count")
    return None


def _per(top: Measure, bottom: Measure) -> Measure:
    plain = top if top.kind is not Kind.AVG else Measure(
        top.name.removeprefix("average_"), Kind.SUM, top.table, top.columns, top.array, top.where, None, top.covers,
        top.score, top.unit,
    )  # fmt: skip
    name = f"{plain.name}_per_{bottom.name.removesuffix('_id').removesuffix('s')}"
    unit = "money" if plain.unit == "money" else "number"
    ratio = quotient(plain, bottom, name, unit)
    return Measure(ratio.name, ratio.kind, ratio.table, (), ratio.array, (), ratio.over, ratio.covers,
                   plain.score + 0.25, unit, top=plain)  # fmt: skip
