"""Semantic notes: what an analyst knows of datasets and no schema says. Metrics, synonyms, joins, warnings.

Data with a version and a fingerprint, kept beside the code that it describes. It helps the model and retrieval; it
allows nothing: what may be read is for policy and gate to say. `bq_copilot.notes_file` turns YAML into this value.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bq_copilot.canonical import digest
from bq_copilot.catalog import Catalog, Table

FROZEN = ConfigDict(frozen=True, extra="forbid")
SHORT = Field(min_length=1, max_length=300)


class Metric(BaseModel):
    """A figure that people ask for by name, and how it is computed."""

    model_config = FROZEN
    name: str = Field(min_length=1, max_length=80)
    means: str = SHORT
    sql: str = Field(default="", max_length=500)
    """An expression or a condition, as it would stand in a query; it is a hint and never run as it is."""
    tables: tuple[str, ...] = ()


class Synonym(BaseModel):
    """Words of the house for a name in the schemas."""

    model_config = FROZEN
    say: tuple[str, ...] = Field(min_length=1, max_length=12)
    means: str = SHORT


class Join(BaseModel):
    """Two columns that belong together, each as `table.column` within the dataset or in full."""

    model_config = FROZEN
    left: str = SHORT
    right: str = SHORT
    note: str = Field(default="", max_length=300)


class Warning(BaseModel):
    """What goes wrong for whoever does not know it."""

    model_config = FROZEN
    say: str = SHORT
    table: str = ""


class DatasetNotes(BaseModel):
    """Everything noted about one dataset."""

    model_config = FROZEN
    about: str = Field(default="", max_length=500)
    metrics: tuple[Metric, ...] = Field(default=(), max_length=100)
    synonyms: tuple[Synonym, ...] = Field(default=(), max_length=200)
    joins: tuple[Join, ...] = Field(default=(), max_length=200)
    warnings: tuple[Warning, ...] = Field(default=(), max_length=50)


class Notes(BaseModel):
    """One versioned, fingerprinted set of notes."""

    model_config = FROZEN
    format: Literal[1] = 1
    name: str = Field(default="notes", max_length=80)
    version: int = Field(default=1, ge=1)
    datasets: dict[str, DatasetNotes] = Field(default_factory=dict[str, DatasetNotes])
    """By `project.dataset`."""

    @cached_property
    def fingerprint(self) -> str:
        """Return the digest over all notes."""
        return digest(self.model_dump(mode="json"))


def about(notes: Notes, datasets: Iterable[str]) -> dict[str, DatasetNotes]:
    """Return the notes about these datasets only, in stable order."""
    return {name: notes.datasets[name] for name in sorted(set(datasets)) if name in notes.datasets}


def problems(notes: Notes, catalog: Catalog) -> list[str]:
    """Return what the notes name and the schemas do not have, with the nearest real names."""
    return [line for name, found in notes.datasets.items() for line in _of_dataset(name, found, catalog)]


def _of_dataset(name: str, notes: DatasetNotes, catalog: Catalog) -> Iterable[str]:
    tables = {t.id.rsplit(".", 1)[1]: t for t in catalog.tables if t.dataset == name}
    if not tables:
        yield f"dataset {name}: there is no such dataset{_near(name, catalog.datasets)}"
        return
    for metric in notes.metrics:
        for table in metric.tables:
            if table not in tables:
                yield f"metric {metric.name}: there is no table {table}{_near(table, tables)}"
    for warning in notes.warnings:
        if warning.table and warning.table not in tables:
            yield f"warning: there is no table {warning.table}{_near(warning.table, tables)}"
    for join in notes.joins:
        yield from (line for side in (join.left, join.right) if (line := _column(side, tables, catalog)))


def _column(side: str, tables: dict[str, Table], catalog: Catalog) -> str:
    found, path = _table_of(side, tables, catalog)
    if found is None:
        return f"join {side}: there is no such table{_near(side.split('.', maxsplit=1)[0], tables)}"
    paths = [leaf.path for leaf in found.leaves]
    return "" if path in paths else f"join {side}: {found.id} has no column {path}{_near(path, paths)}"


def _table_of(side: str, tables: dict[str, Table], catalog: Catalog) -> tuple[Table | None, str]:
    parts = side.split(".")
    if parts[0] in tables:
        return tables[parts[0]], ".".join(parts[1:])
    return catalog.table(".".join(parts[:3])), ".".join(parts[3:])


def _near(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def widened(question: str, notes: Iterable[DatasetNotes]) -> str:
    """Return the question with what its words mean here added at the end: for retrieval, never for the model."""
    said = f" {question.casefold()} "
    meant: list[str] = []
    for one in notes:
        meant += [s.means for s in one.synonyms if any(f" {w.casefold()}" in said for w in s.say)]
        meant += [" ".join((m.means, *m.tables)) for m in one.metrics if f" {m.name.casefold()}" in said]
    return " ".join([question, *meant])
