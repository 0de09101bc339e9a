"""What an expression is made of: its shape, where it is stored, and which leaves flow into it.

Decides nothing: these are the values that the resolver passes around. A value with a `place` stands for data that
was named but not read yet (`orders.items` inside `items[0].sku`); consuming it reads every leaf below that place.
A derived value keeps only its shape, so that later names still resolve, and the leaves it came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from bq_copilot.catalog import Column


class Shape(StrEnum):
    """How a value can be taken apart."""

    SCALAR = "scalar"
    """No parts."""
    STRUCT = "struct"
    """Named fields."""
    ARRAY = "array"
    """Elements of one value."""
    JSON = "json"
    """Any path is legal, every path reads the whole."""
    UNKNOWN = "unknown"
    """The gate does not know; any path is possible, each reads the whole."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value; `place` is `table.path` while it is stored and unread, `leaves` are the leaf ids below it."""

    shape: Shape
    fields: tuple[tuple[str, Value], ...] = ()
    element: Value | None = None
    place: str | None = None
    leaves: frozenset[str] = frozenset()

    def field(self, name: str) -> Value | None:
        """Return the field of this name; a JSON or unknown value answers with itself."""
        wanted = name.casefold()
        for label, value in self.fields:
            if label.casefold() == wanted:
                return value
        if self.shape in (Shape.JSON, Shape.UNKNOWN):
            return self
        return None

    def item(self) -> Value | None:
        """Return what an index takes out of this value."""
        if self.shape is Shape.ARRAY:
            return self.element
        return self if self.shape in (Shape.JSON, Shape.UNKNOWN) else None


def derived(value: Value) -> Value:
    """Return the value as it is after reading: same shape and leaves, no place any more."""
    if value.place is None and not value.fields and value.element is None:
        return value
    return replace(
        value,
        place=None,
        fields=tuple((name, derived(field)) for name, field in value.fields),
        element=None if value.element is None else derived(value.element),
    )


def scalar(leaves: Iterable[str] = ()) -> Value:
    """Return a value without parts that came from these leaves."""
    return Value(Shape.SCALAR, leaves=frozenset(leaves))


def unknown(leaves: Iterable[str] = ()) -> Value:
    """Return a value of unknown shape that came from these leaves."""
    return Value(Shape.UNKNOWN, leaves=frozenset(leaves))


def array_of(element: Value) -> Value:
    """Return an array of such elements."""
    return Value(Shape.ARRAY, element=element, leaves=element.leaves)


def struct_of(fields: Iterable[tuple[str, Value]]) -> Value:
    """Return a struct of these fields."""
    kept = tuple(fields)
    return Value(Shape.STRUCT, fields=kept, leaves=frozenset[str]().union(*(v.leaves for _, v in kept)))


def stored(table: str, column: Column, above: str = "", *, inside: bool = False) -> Value:
    """Return the unread value of a catalog column; `inside` means one element of a repeated column."""
    path = f"{above}{column.name}"
    place = f"{table}.{path}"
    if column.mode == "REPEATED" and not inside:
        element = stored(table, column, above, inside=True)
        return Value(Shape.ARRAY, element=element, place=place, leaves=element.leaves)
    if column.fields:
        fields = tuple((f.name, stored(table, f, f"{path}.")) for f in column.fields)
        return replace(struct_of(fields), place=place)
    shape = Shape.JSON if column.type == "JSON" else Shape.SCALAR
    return Value(shape, place=place, leaves=frozenset((place,)))


def combined(values: Iterable[Value]) -> Value:
    """Return one value for branches of one expression: the first shape with parts, the leaves of all."""
    every = tuple(values)
    leaves = frozenset[str]().union(*(v.leaves for v in every))
    shaped = next((v for v in every if v.shape is not Shape.SCALAR), None)
    return scalar(leaves) if shaped is None else replace(derived(shaped), leaves=leaves)
