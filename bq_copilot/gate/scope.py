"""Names in force at one place of a query, and how a dotted path finds its value.

Decides name resolution the way GoogleSQL does it: the nearest scope wins; inside one scope a range variable wins
over a column of the same name; a column that two relations have is an error. It never guesses between two
candidates, and never reads anything: reading is the resolver's step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from bq_copilot.gate.values import Shape, Value, struct_of, unknown


class Size(IntEnum):
    """How many rows a relation may have, as far as the text says."""

    ONE = 0
    """One row: an aggregate without keys, LIMIT 1, or no table at all."""
    SMALL = 1
    """Rows that were generated or unnested, no table scan of its own."""
    GROUPED = 2
    """Grouped, distinct or limited rows of a table."""
    BIG = 3
    """Rows of a table or view."""


class Unresolved(ValueError):
    """A name does not resolve against the scopes."""

    def __init__(self, subject: str, reason: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(f"{subject}: {reason}")
        self.subject, self.reason, self.near = subject, reason, near


@dataclass(slots=True)
class Relation:
    """One range variable: its alias, its columns, and for a value table (UNNEST) its row."""

    alias: str
    columns: list[tuple[str, Value]]
    row: Value | None = None
    pseudo: dict[str, Value] = field(default_factory=dict[str, Value])
    size: Size = Size.BIG
    elements: int = 1
    source: str = ""
    is_stored: bool = False
    tied: list[Relation] = field(default_factory=list["Relation"])
    open: bool = False

    def whole(self) -> Value:
        """Return the row as one value."""
        return self.row if self.row is not None else struct_of(self.columns)

    def column(self, name: str) -> Value | None:
        """Return the visible column of this name, pseudo columns included, or None."""
        wanted = name.casefold()
        hit = next((value for label, value in self.columns if label.casefold() == wanted), None)
        return hit if hit is not None else self.pseudo.get(wanted)

    @property
    def is_open(self) -> bool:
        """Say whether the relation may have columns that the gate cannot list."""
        return self.open or (self.row is not None and self.row.shape is Shape.UNKNOWN)


@dataclass(slots=True)
class Scope:
    """The relations of one FROM clause, the select aliases where they count, and the scope around it."""

    relations: list[Relation] = field(default_factory=list[Relation])
    parent: Scope | None = None
    aliases: dict[str, Value] = field(default_factory=dict[str, Value])
    merged: dict[str, Value] = field(default_factory=dict[str, Value])
    links: list[tuple[Relation, Relation]] = field(default_factory=list[tuple[Relation, Relation]])

    def relation(self, name: str) -> Relation | None:
        """Return the range variable of this name in this scope only."""
        wanted = name.casefold()
        return next((r for r in self.relations if r.alias.casefold() == wanted), None)

    def starts(self, name: str) -> bool:
        """Say whether a path that begins with this name belongs to this scope or one around it."""
        here = self.relation(name) is not None or bool(self._columns(name))
        return here or (self.parent is not None and self.parent.starts(name))

    def find(self, parts: list[str]) -> tuple[Value, list[str]]:
        """Return the value of the longest relation or column prefix, and the field names that remain."""
        head = parts[0].casefold()
        if head in self.aliases:
            return self.aliases[head], parts[1:]
        relation = self.relation(parts[0])
        if relation is not None:
            return self._in_relation(relation, parts)
        if head in self.merged:
            return self.merged[head], parts[1:]
        hits = self._columns(parts[0])
        if len(hits) > 1:
            raise Unresolved(parts[0], "more than one relation has a column of this name")
        if hits:
            return hits[0], parts[1:]
        return self._outside(parts)

    def _outside(self, parts: list[str]) -> tuple[Value, list[str]]:
        if self.parent is not None:
            try:
                return self.parent.find(parts)
            except Unresolved:
                if not any(r.is_open for r in self.relations):
                    raise
        leaves = [r.whole().leaves for r in self.relations if r.is_open]
        if leaves:
            return unknown(frozenset[str]().union(*leaves)), []
        raise Unresolved(parts[0], "no such column or alias here", self.names())

    @staticmethod
    def _in_relation(relation: Relation, parts: list[str]) -> tuple[Value, list[str]]:
        if len(parts) == 1 or relation.row is not None:
            return relation.whole(), parts[1:]
        value = relation.column(parts[1])
        if value is None:
            raise Unresolved(".".join(parts[:2]), "no such column", tuple(name for name, _ in relation.columns))
        return value, parts[2:]

    def _columns(self, name: str) -> list[Value]:
        return [v for v in (r.column(name) for r in self.relations) if v is not None]

    def names(self) -> tuple[str, ...]:
        """Return every column name in force, for a message."""
        own = tuple(name for r in self.relations for name, _ in r.columns)
        return own if self.parent is None else own + self.parent.names()


def walk_fields(value: Value, parts: list[str], written: str) -> Value:
    """Return the value below `value` along field names; raises `Unresolved` when there is none."""
    for name in parts:
        inner = value.field(name)
        if inner is None:
            raise Unresolved(written, f"has no field {name}", tuple(label for label, _ in value.fields))
        value = inner
    return value
