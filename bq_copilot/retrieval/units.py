"""What the index holds: a table, or a wildcard family of date-sharded tables as one.

Decides which tables are shards of one family (the name ends in a day, a month or a year, and there are at least two)
and which texts describe a unit. It never looks at data, and a family never spans datasets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bq_copilot.canonical import digest
from bq_copilot.catalog import Column, Family, Table
from bq_copilot.retrieval.words import split

_YEAR = r"(?:1[89]|20)\d\d"
_SHARD = re.compile(rf"^(?P<prefix>.*?)(?P<date>{_YEAR}(?:_?(?:0[1-9]|1[0-2])(?:_?(?:[0-2]\d|3[01]))?)?)$")
MAX_COLUMNS = 2_000
"""Column names of one unit that are indexed; wider tables repeat themselves."""
MANY_SHARDS = 130
"""Families with more members are sharded by day: their dates say nothing that a question would name."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One table, or one family with the member whose schema stands for it."""

    id: str
    """`project.dataset.table`, or `project.dataset.prefix*`."""
    table: Table
    members: tuple[str, ...]
    """Ids of all tables that it stands for, oldest first."""

    @property
    def is_family(self) -> bool:
        """True when it stands for several tables."""
        return len(self.members) > 1


def units_of(tables: Iterable[Table]) -> list[Unit]:
    """Return the units that these tables amount to, in the order of their ids."""
    groups: dict[tuple[str, str], list[Table]] = defaultdict(list)
    for table in sorted(tables, key=lambda t: t.id):
        groups[_shard(table.id) or (table.id, "")].append(table)
    made = (_unit(key, found) for key, found in groups.items())
    return sorted(made, key=lambda u: u.id)


def families_of(tables: Iterable[Table]) -> tuple[Family, ...]:
    """Return the wildcard families among these tables, as the gate needs them."""
    found = [u for u in units_of(tables) if u.is_family]
    return tuple(Family(pattern=u.id, schema_of=u.table.id, suffix_regex=_suffix(u)) for u in found)


def _suffix(unit: Unit) -> str:
    dates = {len(m) - len(unit.id) + 1 for m in unit.members}
    return rf"^[\d_]{{{min(dates)},{max(dates)}}}$"


def _shard(table_id: str) -> tuple[str, str] | None:
    """Return (prefix, shape of the date); None for a table that is no shard."""
    found = _SHARD.match(table_id)
    prefix = found["prefix"] if found else ""
    if found is None or not prefix or prefix[-1].isdigit() or prefix.endswith("."):
        return None
    return prefix, re.sub(r"\d", "9", found["date"])


def _unit(key: tuple[str, str], found: Sequence[Table]) -> Unit:
    newest = found[-1]
    name = f"{key[0]}*" if len(found) > 1 else newest.id
    return Unit(id=name, table=newest, members=tuple(t.id for t in found))


def texts_of(unit: Unit) -> dict[str, str]:
    """Return the texts of a unit by field, as they are indexed."""
    table = unit.table
    dataset, name = unit.id.rsplit(".", 2)[1:] if unit.id.count(".") >= 2 else ("", unit.id)
    labels = " ".join(" ".join(split(t.removeprefix("label:"))) for t in table.tags if t.startswith("label:"))
    columns = list(_columns(table.columns))[:MAX_COLUMNS]
    named = dict.fromkeys(w for c in columns for w in split(c.name))
    noted = dict.fromkeys(w for c in columns for w in split(c.description))
    return {
        "name": " ".join([*split(name.rstrip("*")), *_dates(unit)]),
        "dataset": " ".join(split(dataset)),
        "description": f"{table.description} {labels}".strip(),
        "columns": " ".join(named),
        "notes": " ".join(noted),
    }


def _dates(unit: Unit) -> list[str]:
    if not unit.is_family or len(unit.members) >= MANY_SHARDS:
        return []
    return sorted({m[len(unit.id) - 1 :][:4] for m in unit.members})


def _columns(columns: Iterable[Column]) -> Iterator[Column]:
    for column in columns:
        yield column
        yield from _columns(column.fields)


def fingerprint_of(unit: Unit, asked: Sequence[str]) -> str:
    """Return the digest by which an index knows that a unit is unchanged, without splitting its texts into words."""
    said = unit.table.model_dump_json(include={"columns", "description", "tags"})
    return digest([unit.id, len(unit.members), _dates(unit), said, list(asked)])
