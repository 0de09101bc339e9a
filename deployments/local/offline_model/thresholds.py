"""Counts of things that have at least, or at most, so many of something else (`customers with at least five orders`).

Decides the operator, the number, whose keys are counted and in which table. Only whole numbers of rows.
"""

from collections.abc import Iterable
from dataclasses import replace

from deployments.local.offline_model.cues import Cues
from deployments.local.offline_model.matching import hit
from deployments.local.offline_model.membership import links
from deployments.local.offline_model.reading import Kind, Measure
from deployments.local.offline_model.schema_view import Schema


def threshold_measures(cues: Cues, free: tuple[int, ...], schema: Schema) -> Iterable[Measure]:
    """Keys of an entity counted in a table that carries them."""
    if cues.threshold is None:
        return
    for table in schema.tables:
        rows = frozenset(i for i in free if hit(cues.words[i].stem, table.words))
        for entity, key in links(schema, table):
            nouns = frozenset(i for i in free if hit(cues.words[i].stem, entity.words)) - rows
            if rows and nouns and key.array is None:
                counted = Measure(entity.name, Kind.DISTINCT, table.id, (key,), covers=rows | nouns, unit="count")
                yield replace(counted, score=1.4, note="threshold")
