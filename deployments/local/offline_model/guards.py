"""Words that change the meaning of everything else: negations and thresholds that a reading must not drop.

Decides whether a reading honours them; one that does not is marked incomplete, so that it is never proposed. Applies
a threshold to the rows' worth (`orders above 500 dollars`) where the base has such a column.
"""

import re
from dataclasses import replace

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.measures import money_column
from deployments.local.offline_model.qualifiers import dropped
from deployments.local.offline_model.reading import Filter, Form, Kind, Measure, Reading
from deployments.local.offline_model.schema_view import Schema

_NEGATIONS = frozenset(
    ["never", "without", "haven't", "hasn't", "hadn't", "didn't", "don't", "doesn't", "not", "excluding", "except"]
)
_WORTH_OF_ONE = re.compile(r"\b(?:order|basket|cart|purchase|invoice|booking|ticket|sale) (?:value|size|worth)\b")
_SUMMED = re.compile(r"\b(?:total|sum|summed|overall|combined|altogether|all)\b")
_EXTREME = re.compile(r"\b(?P<w>maximum|minimum)\b")
_EXTREME_OF_EACH = re.compile(r"\b(?P<w>highest|lowest|largest|smallest)(?: \w+){1,3} (?:per|(?:for|in|of|by) each)\b")
_MONEY = re.compile(
    r"\s*(?:us |canadian )?(?:dollars?|usd|euros?|eur|pounds?|gbp|"
    r"\$|€)|\s*$|\s*(?:in|were|was|are|is|there|during|placed|last|"
    r"this|on)\b"
)


def with_guards(reading: Reading, cues: Cues, schema: Schema) -> Reading:
    """The reading with its threshold applied; incomplete when a threshold, a negation or a qualifier would be lost."""
    reading = _with_one_rows_worth(_with_extremes_of_groups(reading, cues), cues)
    reading = _with_extreme(_with_threshold(reading, cues), cues)
    place = None if reading.uncovered else dropped(reading, cues, schema)
    if place is not None:
        return replace(reading, uncovered=(place,), dropped=place)
    negation = next((i for i, t in enumerate(cues.words) if t.lower in _NEGATIONS), None)
    if negation is None or _negates(reading):
        return reading
    return replace(reading, uncovered=(*reading.uncovered, negation))


def _with_extreme(reading: Reading, cues: Cues) -> Reading:
    """`the highest order total` is a maximum; a ranking with nothing to rank is no reading at all."""
    measure = reading.measure
    if cues.rank is None or reading.form is not Form.TOTAL or reading.dims or reading.grain:
        return reading
    plain = measure.kind in (Kind.SUM, Kind.AVG) and not measure.where and cues.aggregate is None
    if plain and cues.rank.n is None and not cues.count:
        kind, word = (Kind.MAX, "highest") if cues.rank.descending else (Kind.MIN, "lowest")
        extreme = replace(
            measure, kind=kind, name=f"{word}_{measure.name.removeprefix('total_').removeprefix('average_')}"
        )
        return replace(reading, measures=(extreme, *reading.measures[1:]))
    place = next((i for i, t in enumerate(cues.words) if t.start >= cues.rank.span[0]), 0)
    return replace(reading, uncovered=(*reading.uncovered, place))


def _with_extremes_of_groups(reading: Reading, cues: Cues) -> Reading:
    """`the maximum order value by channel`: the largest of each group, not the groups in order of their sums."""
    measure = reading.measure
    of_one = measure.kind is Kind.AVG or measure.name.endswith("_value")
    found = _EXTREME.search(cues.text) or (_EXTREME_OF_EACH.search(cues.text) if of_one else None)
    if not found or reading.form is not Form.RANKING or not reading.dims or cues.aggregate or measure.where:
        return reading
    if measure.kind not in (Kind.SUM, Kind.AVG) or len(reading.measures) > 1:
        return reading
    kind = Kind.MAX if found["w"] in ("maximum", "highest", "largest") else Kind.MIN
    name = f"{found['w']}_{measure.name.removeprefix('total_').removeprefix('average_')}"
    return replace(reading, form=Form.TOTAL, limit=None, measures=(replace(measure, kind=kind, name=name),))


def _with_one_rows_worth(reading: Reading, cues: Cues) -> Reading:
    """`which weekday has the lowest order value`: what one order is worth; their sum is asked for as a total."""
    measure = reading.measure
    if reading.form is not Form.RANKING or measure.kind is not Kind.SUM or cues.aggregate or measure.where:
        return reading
    named = _WORTH_OF_ONE.search(cues.text)
    if not named or measure.unit != "money" or _SUMMED.search(cues.text) or reading.cumulative:
        return reading
    if not measure.name.endswith("_value"):
        return reading
    average = replace(measure, kind=Kind.AVG, name=f"average_{measure.name}")
    said = f"{named.group()} is taken as the average of one"
    return replace(reading, measures=(average, *reading.measures[1:])).assuming(said)


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
