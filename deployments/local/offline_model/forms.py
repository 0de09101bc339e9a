"""The shape of the analysis: from a bare reading and the wording's cues to total, trend, ranking, comparison and so on.

Decides the form, the window pair of a comparison, the grain of a series and the number of rows, and adds the
exclusions that the data's own descriptions define (`revenue … except those with status cancelled`). Never changes which
columns the reading uses.
"""

import re
from dataclasses import replace
from itertools import pairwise

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.funnels import split_steps
from deployments.local.offline_model.phrases import find_phrases
from deployments.local.offline_model.reading import Dim, Filter, Form, Kind, Measure, Reading
from deployments.local.offline_model.schema_view import Column, Schema
from deployments.local.offline_model.time_window import Window, shift

_EXCLUDED = re.compile(
    r"\b(?:except|excluding|leaving out|without|not counting|but not|ignoring)\b((?:\W+\w+){1,8})", re.I
)
DEFAULT_ROWS = 10
_ALL_PERIODS = 1000


def shape(reading: Reading, cues: Cues, schema: Schema) -> Reading | None:
    """The reading in its form; None when the form cannot be computed on this base."""
    reading = replace(_with_time(reading, cues), cumulative=cues.cumulative)
    if (reading.windows or reading.grain) and reading.time is None:
        return None
    reading = _with_inner_window(_with_exclusions(_with_form(reading, cues), schema), schema)
    return _with_assumptions(reading, cues)


def _with_time(reading: Reading, cues: Cues) -> Reading:
    windows = cues.windows
    if len(windows) >= 2 and not cues.versus:
        windows = _nested(windows)
    if cues.part and reading.table.time:
        column = _moment(reading) if cues.part == "hour" else reading.table.time
        if column:
            reading = replace(reading, dims=(*reading.dims, Dim((column,), part=cues.part, score=0.3)))
    return replace(reading, time=reading.table.time, windows=windows, grain=cues.grain)


def _nested(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    """`in May 2026 … in 2026`: the narrower window when one holds the other, else all."""
    first, second = windows[:2]
    if first.start and second.start and first.end and second.end:
        if second.start <= first.start and first.end <= second.end:
            return (first,)
        if first.start <= second.start and second.end <= first.end:
            return (second,)
    return windows[:2]


def _moment(reading: Reading) -> Column | None:
    return next((c for c in reading.table.columns if c.type in ("TIMESTAMP", "DATETIME") and c.array is None), None)


def _with_form(reading: Reading, cues: Cues) -> Reading:
    if reading.measure.note == "funnel":
        count, steps = split_steps(reading.measure)
        return replace(
            reading,
            form=Form.FUNNEL,
            measures=(count,),
            filters=(steps, *reading.filters),
            steps=steps.values,
            grain=None,
        )
    if reading.measure.note == "threshold" and cues.threshold:
        return replace(
            reading, form=Form.THRESHOLD, threshold=(cues.threshold.operator, cues.threshold.number), grain=None
        )
    pair = _pair(reading, cues)
    if cues.anomaly and (reading.grain or not reading.dims or cues.anomaly):
        limit = _ALL_PERIODS if cues.each else None
        return replace(reading, form=Form.ANOMALY, grain=reading.grain or "week", anomaly=cues.anomaly, limit=limit)
    if pair:
        limit = (cues.rank.n or _rows_asked(cues)) if cues.rank and reading.dims else None
        fell = bool(re.search(r"\b(?:declin|drop|fell|fall|decreas|lost|shrank|shrunk)", cues.text))
        return replace(reading, form=Form.COMPARISON, windows=pair, grain=None, limit=limit,
                       by_change=bool(cues.rank and (cues.growth or fell)),
                       descending=cues.rank.descending and not fell if cues.rank else True)  # fmt: skip
    if cues.rank and (reading.dims or reading.grain):
        return replace(
            reading, form=Form.RANKING, limit=cues.rank.n or _rows_asked(cues), descending=cues.rank.descending
        )
    if reading.grain or (cues.trend and reading.time is not None):
        return replace(reading, form=Form.TREND, grain=reading.grain or _default_grain(reading.windows))
    if cues.share and reading.dims and reading.measure.additive:
        shown = {c for d in reading.dims for c in d.columns}
        return replace(reading, form=Form.SHARES, filters=tuple(f for f in reading.filters if f.column not in shown))
    return reading


def _rows_asked(cues: Cues) -> int:
    """One row when the question asks for one thing (`which brand`, `our best day`), else ten."""
    if cues.single:
        return 1
    asked = [p.words for p in find_phrases(cues) if p.marker in ("which", "what", "rank")]
    asked.sort(key=lambda words: -words[0])
    nouns = [cues.words[i].lower for i in asked[-1]] if asked else []
    if cues.grain and not nouns:
        nouns = re.findall(r"\b(?:day|week|month|quarter|year)s?\b", cues.text)[:1]
    plural = not nouns or any(n.endswith("s") and not n.endswith(("ss", "us", "'s")) for n in nouns)
    return DEFAULT_ROWS if plural else 1


def _pair(reading: Reading, cues: Cues) -> tuple[Window, Window] | None:
    """The later and the earlier window of a comparison, when the wording asks for one."""
    windows = reading.windows
    if len(windows) >= 2:
        first, second = windows[:2]
        if first.start and second.start:
            return (first, second) if first.start > second.start else (second, first)
        return None
    if not windows or windows[0].start is None or windows[0].end is None or reading.grain:
        return None
    if cues.ago == "year":
        return windows[0], windows[0].shifted("year", 1)
    halves = _ends_of_range(windows[0]) if cues.growth and not cues.trend else None
    if halves:
        return halves
    if cues.ago == "period" or (cues.growth and not cues.trend and not reading.grain and cues.anomaly is None):
        return windows[0], windows[0].previous()
    return None


def _ends_of_range(window: Window) -> tuple[Window, Window] | None:
    """`change from February to March`: the two units of the range, the later one first."""
    if window.start is None or window.unit not in ("month", "quarter", "year") or not re.search(
        r"\b(?:to|and)\b", window.label
    ):  # fmt: skip
        return None
    middle = shift(window.start, window.unit, 1)
    if window.end != shift(middle, window.unit, 1):
        return None
    return replace(window, start=middle, label=""), replace(window, end=middle, label="")


def _default_grain(windows: tuple[Window, ...]) -> str:
    days = windows[0].days if windows else None
    if days is None or days > 92:
        return "month"
    return "week" if days > 31 else "day"


def _with_inner_window(reading: Reading, schema: Schema) -> Reading:
    """For things counted by membership (`products not ordered in 2025`), the period is the other table's."""
    conditions = reading.measure.where
    if len(reading.windows) != 1 or reading.grain or not any(f.key for f in conditions):
        return reading
    if sum(c.is_key for c in reading.table.columns) > 1:
        return reading
    where = tuple(_windowed(f, reading.windows[0], schema) for f in conditions)
    return replace(reading, measures=(replace(reading.measure, where=where), *reading.measures[1:]), windows=())


def _windowed(found: Filter, window: Window, schema: Schema) -> Filter:
    time = schema.table(found.column.table).time
    if found.key is None or time is None:
        return found
    ends = ((">=", window.start), ("<", window.end))
    bounds = tuple(Filter(time, (day.isoformat(),), op) for op, day in ends if day)
    return replace(found, inner=(*found.inner, *bounds))


def _with_assumptions(reading: Reading, cues: Cues) -> Reading:
    """Say so where a word was read as the table's date, or a flag was counted by rows."""
    time, table = reading.time, reading.table
    if time and any(cues.words[i].stem == "new" and i not in reading.measure.covers for i in cues.content):
        flagged = any(f.column.is_flag for f in (*reading.filters, *reading.measure.where))
        if not flagged and "new" in time.aliases | time.head:
            reading = reading.assuming(f"new {table.name} are counted by {time.leaf}")
    if reading.measure.kind is Kind.SHARE and any(f.column.is_flag for f in reading.measure.where):
        reading = reading.assuming(f"the share is counted in rows of {table.name}")
    return reading


def _with_exclusions(reading: Reading, schema: Schema) -> Reading:
    """Add `column != value` where a description says that the measure leaves a value out."""
    if not any(_is_amount(m) for m in reading.measures):
        return reading
    texts = [reading.table.description, *(c.description for m in reading.measures for c in m.columns)]
    for text in texts:
        for match in _EXCLUDED.finditer(text):
            left_out = _left_out(reading, re.findall(r"\w+", match[1]))
            if left_out is None:
                continue
            column = left_out.column
            if any(f.column == column for f in reading.filters) or any(column in d.columns for d in reading.dims):
                return reading
            note = f"{column.leaf} {left_out.values[0]} is left out, as the table's description defines it"
            return replace(reading, filters=(*reading.filters, left_out)).assuming(note)
    return reading


def _left_out(reading: Reading, words: list[str]) -> Filter | None:
    """A column of the base followed by one of its values."""
    for name, value in pairwise(words):
        column = reading.table.column(name)
        known = next((v for v in column.values if v.lower() == value.lower()), None) if column else None
        if column and known:
            return Filter(column, (known,), "!=")
    return None


def _is_amount(measure: Measure) -> bool:
    if measure.kind is Kind.RATIO:
        return any(_is_amount(m) for m in (measure.top, measure.over) if m)
    return measure.kind in (Kind.LINE, Kind.MARGIN) or (
        measure.kind in (Kind.SUM, Kind.AVG, Kind.MEDIAN)
        and (measure.unit in ("money", "count") or measure.array is not None)
    )
