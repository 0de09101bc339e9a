"""Time between two dates: days from an order to its refund, length of a stay.

Decides which two date columns a question about a duration means: two of one table, or one of a table and one
of the table that its key leads to. Only whole days, averaged.
"""

import re
from collections.abc import Iterable

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.joins import steps_from
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.reading import Kind, Measure
from deployments.local.offline_model.schema_view import Column, Schema, Table
from deployments.local.offline_model.words import stems_of

_DURATION = re.compile(
    r"\bhow long\b|\bhow many days\b|\bdays? (?:from|between|until|"
r"to|after|it takes|does it take|pass|elapse)|\btime (?:from|between|"
r"until|to)\b|"
    r"\b(?:length|duration) of\b|\b(?:number of|average) days\b|\bdays "
r"(?:on average )?(?:pass|between|until)\b|\bin days\b", re.I
)  # fmt: skip

_MOMENT = stems_of("date ts time timestamp datetime at on day")


def duration_measures(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    """Average days between two dates that the question's words name."""
    if not _DURATION.search(cues.text):
        return
    for table in schema.tables:
        for first, last, owner in _pairs(schema, table):
            one, two = _named(cues, free, first, owner), _named(cues, free, last, table)
            if two and (one - two or (owner.id == table.id and one | two)) and first != last:
                covers = one | two
                yield Measure("average_days", Kind.DURATION, table.id, (first, last), covers=covers,
                              score=1.6 + 0.1 * len(covers), unit="number")  # fmt: skip


def _pairs(schema: Schema, table: Table) -> Iterable[tuple[Column, Column, Table]]:
    dates = [c for c in table.columns if c.is_time and c.array is None]
    for place, first in enumerate(dates):
        for last in dates[place + 1 :]:
            if first.type == last.type and first.words - _MOMENT != last.words - _MOMENT:  # not a moment and its day
                yield first, last, table
    for step in steps_from(schema, table, None):
        owner = schema.table(step.right)
        if owner.time and table.time:
            yield owner.time, table.time, owner


def _named(cues: Cues, free: tuple[int, ...], column: Column, table: Table) -> frozenset[int]:
    names = column.words | column.aliases | column.head | table.words
    return frozenset(i for i in free if hit(cues.words[i].stem, names))
