"""Words that say which figure is wanted of what is measured: a reading that drops one is another question's answer.

Decides whether a reading honours them: per cent, the top tenth, both periods at once, what is left after something is
taken off, two aggregates side by side, and a verb that has a date of its own. Never makes a figure of them: a reading
that leaves one out is marked incomplete, so that it is said to be impossible instead of answered wrongly.
"""

import re
from collections.abc import Callable

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.reading import Form, Kind, Reading
from deployments.local.offline_model.schema_view import Schema
from deployments.local.offline_model.words import Token, stem, stems_of, word_set

_TENTH = re.compile(r"\b(?:top|bottom|best|worst|first|last|upper|lower)[ -]+\w+ ?(?:%|per ?cent\b|percentile\b)")
_PER_CENT = re.compile(r"\b(?:percentages?|per ?cent|pct)\b|%")
_BOTH = re.compile(r"\bboth\b")
_WORTHS = r"(?:revenue|sales|turnover|earnings|takings|income|value|amount|money|margin|profit)s?"
_LEFT_OVER = re.compile(
    rf"\bnet (?!margin|profit){_WORTHS}\b|\b(?:net of|minus|deducting|subtracting)\b"
    rf"|\b{_WORTHS} (?:\w+ )?(?:after|before|less) (?:all |the |any |our )?[a-z]+s\b"
)
_AGGREGATES = {
    "low": r"minimum|min|lowest|smallest|cheapest",
    "high": r"maximum|max|highest|largest|biggest",
    "average": r"average|mean|avg",
    "median": "median",
    "total": "total|sum",
}
_ANY = "|".join(_AGGREGATES.values())
_JOINED = re.compile(rf"\b(?P<a>{_ANY})(?: \w+){{0,2}}?(?: and| or| as well as|,|/| &)(?: the)? (?P<b>{_ANY})\b")
_HOW_LONG = re.compile(
    r"\bhow (?:long|old|fast|quickly)\b|\b(?:average|mean|median|typical|longest|shortest) (?:\w+ )?times?\b"
)
_LENGTHS = stems_of("duration length time age days hours minutes seconds stay")
_SPAN = re.compile(r"\bwithin (?:\d+|one|two|three|a|an) (?:hour|day|week|month|year)s?\b(?! of 20)")
_PART_OF_THEM = re.compile(r"\bhow many of (?:them|these|those)\b")
_CHANGED_MOST = re.compile(
    r"\b(?:lost|gained|grew|grown|shrank|fell|fallen|declined|dropped|rose|risen|climbed|increased|decreased) (?:the )?"
    r"(?:most|least|fastest|strongest)\b"
)
_SHARE_THAT = re.compile(r"\b(?:share|percentage|percent|proportion|fraction) of (?:\w+ ){1,4}(?:that|which|who)\b")
_AVERAGE_SALES = re.compile(
    r"\b(?:average|mean|median) (?:daily |weekly |monthly )?(?:revenue|sales|turnover|earnings|takings)\b"
)
_DATE_WORDS = stems_of("date ts time timestamp datetime at on day moment when created")
_BETWEEN = word_set("in on during since after before from between within over throughout the of until by for")


def dropped(reading: Reading, cues: Cues, schema: Schema) -> int | None:
    """The word that this reading drops; None when it honours all of them."""
    places = [rule(reading, cues) for rule in _RULES]
    place = next((p for p in places if p is not None), None)
    if place is None:
        other = _other_date(reading, cues, schema)
        return _other_money(reading, cues, schema) if other is None else other
    return next((i for i, t in enumerate(cues.words) if t.end > place), 0)


def _tenth(_reading: Reading, cues: Cues) -> int | None:
    """`the top 10% of customers` is not ten customers."""
    found = _TENTH.search(cues.text)
    return found.start() if found else None


def _per_cent(reading: Reading, cues: Cues) -> int | None:
    """`discount percentage` is no sum and no average of dollars."""
    found = _PER_CENT.search(cues.text)
    if not found or cues.threshold or any(m.unit == "percent" for m in reading.measures):
        return None
    parts = reading.form in (Form.SHARES, Form.FUNNEL) or (reading.form is Form.RANKING and reading.measure.additive)
    moves = reading.form in (Form.COMPARISON, Form.ANOMALY) or (reading.form is Form.TREND and cues.growth)
    return None if parts or moves else found.start()


def _both(reading: Reading, cues: Cues) -> int | None:
    """Who did it in both periods is not who did it in each."""
    counts = reading.measure.kind in (Kind.DISTINCT, Kind.ROWS)
    found = _BOTH.search(cues.text) if len(cues.windows) > 1 and counts else None
    return found.start() if found else None


def _left_over(reading: Reading, cues: Cues) -> int | None:
    """`revenue after refunds` takes something off; only a margin is known to."""
    found = _LEFT_OVER.search(cues.text)
    if not found or any(stem("net") in c.words for m in reading.measures for c in m.columns):
        return None
    return found.start()


def _two_aggregates(reading: Reading, cues: Cues) -> int | None:
    """`minimum and maximum`, `average and median`: two figures, of which one is not enough."""
    found = _JOINED.search(cues.text)
    if not found or len(reading.measures) > 1 or _aggregate(found["a"]) == _aggregate(found["b"]):
        return None
    return found.start("b")


def _aggregate(word: str) -> str:
    return next(name for name, rule in _AGGREGATES.items() if re.fullmatch(rule, word))


def _span_of_time(reading: Reading, cues: Cues) -> int | None:
    """`how long does it take` asks for days, whatever `take` means elsewhere."""
    found = _HOW_LONG.search(cues.text)
    lasts = any(c.words & _LENGTHS for m in reading.measures for c in m.columns)
    return None if not found or lasts or reading.measure.kind is Kind.DURATION else found.start()


def _per(reading: Reading, cues: Cues) -> int | None:
    """`sessions per visitor` divides or groups; a count of sessions does neither."""
    if any(m.kind in (Kind.RATIO, Kind.AVG, Kind.MEDIAN, Kind.SHARE) for m in reading.measures):
        return None
    explained = {i for part in (*reading.dims, *reading.filters) for i in part.covers}
    for place, word in enumerate(cues.words[1:], start=1):
        if cues.words[place - 1].lower == "per" and place in cues.content and not {place, place + 1} & explained:
            return word.start
    return None


def _one_each(reading: Reading, cues: Cues) -> int | None:
    """Rows counted by their own key are one each: whatever was asked, it is not that."""
    measure, keys = reading.measure, {d.key.leaf for d in reading.dims if d.key.is_key}
    counted = {Kind.ROWS: reading.table.key, Kind.DISTINCT: next(iter(measure.columns), None)}.get(measure.kind)
    return cues.words[0].start if counted and not measure.where and counted.leaf in keys else None


def _within(_reading: Reading, cues: Cues) -> int | None:
    """`refunds within 30 days of the order` bounds a span between two dates, not a period."""
    found = _SPAN.search(cues.text)
    return found.start() if found else None


def _how_many(reading: Reading, cues: Cues) -> int | None:
    """`how many different brands were sold` counts brands; a figure for each brand does not."""
    place = next(iter(cues.counted), None)
    if place is None or not re.search(r"\bhow many\b", cues.text) or place in _explained(reading):
        return None
    return cues.words[place].start if place in _grouped(reading) or not reading.measure.covers else None


def _of_them(reading: Reading, cues: Cues) -> int | None:
    """`how many …, and how many of them …`: two figures, of which one is not enough."""
    found = _PART_OF_THEM.search(cues.text)
    whole = len(reading.measures) > 1 or reading.measure.kind in (Kind.RATIO, Kind.SHARE)
    return None if not found or whole or reading.form is Form.FUNNEL else found.start()


def _average(reading: Reading, cues: Cues) -> int | None:
    """A count is no average of anything, and `the average revenue per day` is not that of an order."""
    measure = reading.measure
    sums = measure.kind in (Kind.ROWS, Kind.DISTINCT, Kind.SUM, Kind.LINE, Kind.MARGIN)
    days = measure.kind is Kind.DURATION and cues.aggregate == "median"
    series = reading.form is Form.TREND and measure.kind in (Kind.AVG, Kind.MEDIAN)
    periods = series and _AVERAGE_SALES.search(cues.text) is not None
    return cues.words[0].start if cues.aggregate and (sums or days or periods) else None


def _lost_most(reading: Reading, cues: Cues) -> int | None:
    """`lost the most` ranks by a change; a ranking of what there is has none."""
    found = _CHANGED_MOST.search(cues.text) if reading.form is Form.RANKING else None
    return found.start() if found else None


def _share_that(reading: Reading, cues: Cues) -> int | None:
    """`share of mobile sessions that bounce`: the part is what follows, the whole what stands before."""
    found = _SHARE_THAT.search(cues.text)
    if not found or reading.measure.kind is not Kind.SHARE:
        return None
    covers = {i for f in reading.measure.where for i in f.covers}
    after = [i for i, t in enumerate(cues.words) if t.start >= found.end()]
    turned = covers and not covers & set(after) and any(f.covers & set(after) for f in reading.filters)
    return found.start() if turned else None


def _versus(reading: Reading, cues: Cues) -> int | None:
    """`list price versus selling price`: the other side is to be in the figures as well."""
    explained = _explained(reading) | _grouped(reading)
    for place, word in enumerate(cues.words[1:-1], start=1):
        other = place + 1
        if word.lower in ("versus", "vs") and other in cues.content and not {other, other + 1} <= explained:
            named = other in explained or reading.form is Form.COMPARISON
            return None if named else word.start
    return None


def _which(reading: Reading, cues: Cues) -> int | None:
    """`which customers …` asks for customers: one figure for all of them names none."""
    if reading.dims or reading.grain or reading.form in (Form.FUNNEL, Form.ANOMALY, Form.COMPARISON, Form.TREND):
        return None
    for place, word in enumerate(cues.words[1:], start=1):
        opens = place == 1 or cues.words[place - 2].lower in ("and", "in", "from", "for", "on", "by", "of", "at")
        if cues.words[place - 1].lower == "which" and opens and place in cues.content:
            return word.start
    return None


def _contradiction(reading: Reading, cues: Cues) -> int | None:
    """`added to the cart but did not buy`: one row cannot be both, a visitor can."""
    taken = [f for f in reading.filters if f.op == "!=" and f.covers]
    for left in taken:
        if any(f.column == left.column and f.op == "=" for f in reading.filters):
            return cues.words[min(left.covers)].start
    return None


def _grouped(reading: Reading) -> set[int]:
    return {i for d in reading.dims for i in d.covers}


def _explained(reading: Reading) -> set[int]:
    return {i for part in (*reading.measures, *reading.filters) for i in part.covers}


_RULES: tuple[Callable[[Reading, Cues], int | None], ...] = (
    _tenth, _per_cent, _both, _left_over, _two_aggregates, _span_of_time, _per, _one_each, _within, _how_many, _which,
    _contradiction, _of_them, _average, _lost_most, _share_that, _versus,
)  # fmt: skip


def _other_money(reading: Reading, cues: Cues, schema: Schema) -> int | None:
    """`shipping revenue` is what shipping brings, where that is a column of its own."""
    used = {c for m in reading.measures for c in m.columns}
    before = {i - 1 for i in reading.measure.covers if i} & set(cues.content) - _explained(reading) - _grouped(reading)
    others = [c for c in reading.table.columns if c.is_number and c not in used and c.array is None and c.parents]
    if reading.measure.unit != "money":
        return None
    return next((i for i in sorted(before) if any(cues.words[i].stem in c.parent_words for c in others)), None)


def _other_date(reading: Reading, cues: Cues, schema: Schema) -> int | None:
    """`products launched in 2025`: the period is of the launch, not of what is measured of them."""
    for window in cues.windows:
        place = _verb_before(cues, window.span[0])
        if place is None:
            continue
        said = _word(cues.words, place)
        dates = [c for t in schema.tables for c in t.columns if c.is_time and hit(said, c.words - _DATE_WORDS) == 1]
        used = [reading.time, *(c for m in reading.measures for f in m.where for i in f.inner for c in (i.column,))]
        if dates and not any(c is not None and (c in dates or hit(said, c.words)) for c in used):
            return place
    return None


def _verb_before(cues: Cues, end: int) -> int | None:
    """The word before a period and its prepositions, where it is the past form of a verb."""
    before = [i for i, t in enumerate(cues.words) if t.end <= end and t.lower not in _BETWEEN]
    if not before:
        return None
    place = before[-1] - (cues.words[before[-1]].lower == "up")
    return place if place >= 0 and cues.words[place].lower.endswith("ed") else None


def _word(words: tuple[Token, ...], place: int) -> str:
    """`signed up` as the one word that a column has."""
    follows = words[place + 1].lower if place + 1 < len(words) else ""
    return stem("signup") if words[place].lower == "signed" and follows == "up" else words[place].stem
