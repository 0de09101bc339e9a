"""Funnels: the ordered steps of an event column, how many keys reach each, by group if asked.

Decides which column holds the steps, which of them are asked for (`from A to B` or all) and what is counted.
The order of the steps is the order in which the column's description lists them.
"""

from dataclasses import replace

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.membership import event_columns, links
from deployments.local.offline_model.reading import Filter, Kind, Measure
from deployments.local.offline_model.schema_view import Column, Schema, Table


def funnel_measures(cues: Cues, free: tuple[int, ...], filters: list[Filter], schema: Schema) -> list[Measure]:
    """One candidate for every key that the events carry; the measure's `where` names the steps."""
    if not cues.funnel:
        return []
    found: list[Measure] = []
    for column in event_columns(schema):
        steps = _steps(column, filters)
        covers = frozenset(i for f in filters if f.column == column for i in f.covers)
        covers |= frozenset(i for i in free if hit(cues.words[i].stem, column.words | column.aliases))
        table = schema.table(column.table)
        for entity, key in sorted(links(schema, table), key=lambda p: -p[0].rows):
            if key.array is None:
                named = frozenset(i for i in free if hit(cues.words[i].stem, entity.words))
                score = 1.2 + 0.2 * bool(named) + (0.15 if _counted(table, key) else 0.0)
                found.append(Measure(entity.name, Kind.DISTINCT, table.id, (key,), None, (steps,), None,
                                     covers | named, score - 0.01 * len(found), "count", note="funnel"))  # fmt: skip
    return found


def _counted(table: Table, key: Column) -> bool:
    """True when the table's description says to count these keys."""
    return "distinct" in table.note and bool(key.words & table.note)


def _steps(column: Column, filters: list[Filter]) -> Filter:
    """All steps, or those from the first to the last that the question names."""
    named = [column.values.index(v) for f in filters if f.column == column for v in f.values if v in column.values]
    first, last = (min(named), max(named)) if len(set(named)) > 1 else (0, len(column.values) - 1)
    return Filter(column, column.values[first : last + 1])


def split_steps(measure: Measure) -> tuple[Measure, Filter]:
    """The plain count and the filter on its steps."""
    return replace(measure, where=()), measure.where[0]
