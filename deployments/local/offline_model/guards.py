"""Words that change the meaning of everything else: negations and thresholds that a reading must not drop.

Decides whether a reading honours them; one that does not is marked incomplete, so that it is never proposed. Applies
a threshold to the rows' worth (`orders above 500 dollars`) where the base has such a column.
"""

import re
from dataclasses import replace

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.measures import money_column
from deployments.local.offline_model.reading import Filter, Form, Kind, Measure, Reading

_NEGATIONS = frozenset(
    ["never", "without", "haven't", "hasn't", "hadn't", "didn't", "don't", "doesn't", "not", "excluding", "except"]
)
_MONEY = re.compile(
    r"\s*(?:us |canadian )?(?:dollars?|usd|euros?|eur|pounds?|gbp|"
    r"\$|€)|\s*$|\s*(?:in|were|was|are|is|there|during|placed|last|"
    r"this|on)\b"
)


def with_guards(reading: Reading, cues: Cues) -> Reading:
    """The reading with its threshold applied; incomplete when a threshold or a negation would be lost."""
    reading = _with_extreme(_with_threshold(reading, cues), cues)
    negation = next((i for i, t in enumerate(cues.words) if t.lower in _NEGATIONS), None)
    if negation is None or _negates(reading):
        return reading
    return replace(reading, uncovered=(*reading.uncovered, negation))


def _with_extreme(reading: Reading, cues: Cues) -> Reading:
    """`the highest order total` is a maximum; a ranking with nothing to rank is no reading at all."""
    measure = reading.measure
    if cues.rank is None or reading.form is not Form.TOTAL or reading.dims or reading.grain:
        return reading
    if measure.kind in (Kind.SUM, Kind.AVG) and not measure.where and cues.aggregate is None and cues.rank.n is None:
        kind, word = (Kind.MAX, "highest") if cues.rank.descending else (Kind.MIN, "lowest")
        extreme = replace(
            measure, kind=kind, name=f"{word}_{measure.name.removeprefix('total_').removeprefix('average_')}"
        )
        return replace(reading, measures=(extreme, *reading.measures[1:]))
    place = next((i for i, t in enumerate(cues.words) if t.start >= cues.rank.span[0]), 0)
    return replace(reading, uncovered=(*reading.uncovered, place))


def _with_threshold(reading: Reading, cues: Cues) -> Reading:
    threshold = cues.threshold
    if threshold is None or reading.form is Form.THRESHOLD:
        return reading
    column = money_column(reading.table)
    plain = reading.measure.kind in (Kind.ROWS, Kind.SUM, Kind.AVG) and reading.nest is None
    if column and plain and _MONEY.match(cues.text[threshold.span[1] :]):
        bound = Filter(column, (str(threshold.number),), threshold.operator)
        return replace(reading, filters=(*reading.filters, bound))
    place = next(i for i, t in enumerate(cues.words) if t.start >= threshold.span[0])
    return replace(reading, uncovered=(*reading.uncovered, place))


def _negates(reading: Reading) -> bool:
    filters = [f for f in reading.filters if f.covers] + [f for m in reading.measures for f in _conditions(m)]
    return any(f.op in ("!=", "not in") or f.values == ("FALSE",) for f in filters)


def _conditions(measure: Measure) -> list[Filter]:
    parts = [p for p in (measure.top, measure.over) if p]
    return [*measure.where, *(f for p in parts for f in _conditions(p))]
