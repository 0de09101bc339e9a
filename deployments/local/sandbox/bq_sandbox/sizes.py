"""How many bytes a table's columns weigh, by BigQuery's published type widths.

Decides the numbers that a dry run adds up: for each leaf column, the logical bytes in every partition. They are
measured once, when a table's rows change, so that a dry run reads no rows at all. NULL weighs nothing, a string
two bytes more than its UTF-8 text, a repeated field the sum of its elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from bq_sandbox.fields import Field, is_repeated, type_of
from bq_sandbox.names import quoted

_WIDTH = {
    "INTEGER": 8,
    "FLOAT": 8,
    "BOOLEAN": 1,
    "DATE": 8,
    "TIME": 8,
    "DATETIME": 8,
    "TIMESTAMP": 8,
    "NUMERIC": 16,
    "BIGNUMERIC": 32,
    "INTERVAL": 16,
}
NO_PARTITION = ""


@dataclass(frozen=True)
class Sizes:
    """Rows and bytes per partition; `leaves` names the columns of each row of numbers, dotted."""

    leaves: tuple[str, ...]
    partitions: dict[str, tuple[int, ...]]

    @property
    def rows(self) -> int:
        """All rows of the table."""
        return sum(numbers[0] for numbers in self.partitions.values())

    @property
    def total_bytes(self) -> int:
        """All bytes of the table."""
        return sum(sum(numbers[1:]) for numbers in self.partitions.values())

    def bytes_of(self, leaves: frozenset[str], partitions: list[str]) -> int:
        """The bytes of some leaf columns in some partitions."""
        wanted = [at for at, leaf in enumerate(self.leaves, start=1) if leaf in leaves]
        return sum(self.partitions[key][at] for key in partitions for at in wanted)

    def as_json(self) -> dict[str, Any]:
        """The form kept in the registry."""
        return {
            "leaves": list(self.leaves),
            "partitions": {k: list(v) for k, v in self.partitions.items()},
        }


def sizes_from_json(body: dict[str, Any]) -> Sizes:
    """Read back what `as_json` wrote."""
    return Sizes(tuple(body["leaves"]), {k: tuple(v) for k, v in body["partitions"].items()})


def leaf_paths(fields: list[Field], prefix: str = "") -> Iterator[str]:
    """Dotted names of all columns that hold values, in schema order."""
    for field in fields:
        path = f"{prefix}{field['name']}"
        if type_of(field) == "RECORD":
            yield from leaf_paths(field["fields"], f"{path}.")
        else:
            yield path


def measure(
    cursor: duckdb.DuckDBPyConnection, table: str, fields: list[Field], partition_field: str | None, unit: str
) -> Sizes:
    """Weigh a stored table. Reads it once."""
    leaves = tuple(leaf_paths(fields))
    sums = "".join(f", CAST(coalesce(sum({w}), 0) AS BIGINT)" for w in _weights(fields))
    key = _partition_key(partition_field, unit)
    rows = cursor.execute(f"SELECT {key}, count(*){sums} FROM {table} GROUP BY 1").fetchall()
    return Sizes(leaves, {row[0]: tuple(row[1:]) for row in rows})


def _partition_key(partition_field: str | None, unit: str) -> str:
    if partition_field is None:
        return f"'{NO_PARTITION}'"
    day = f"date_trunc('{unit.lower()}', CAST({quoted(partition_field)} AS TIMESTAMP))"
    return f"coalesce(strftime({day}, '%Y-%m-%d'), '__NULL__')"


def _weights(fields: list[Field], parent: str = "", depth: int = 0) -> Iterator[str]:
    for field in fields:
        value = f"{parent}.{quoted(field['name'])}" if parent else quoted(field["name"])
        if not is_repeated(field):
            yield from _weights_of(field, value, depth)
            continue
        item = f"x{depth}"
        for weight in _weights_of(field, item, depth + 1):
            yield f"coalesce(list_sum(list_transform({value}, lambda {item}: {weight})), 0)"


def _weights_of(field: Field, value: str, depth: int) -> Iterator[str]:
    kind = type_of(field)
    if kind == "RECORD":
        yield from _weights(field["fields"], value, depth)
        return
    length = f"octet_length({value})" if kind == "BYTES" else f"strlen(CAST({value} AS VARCHAR))"
    weight = str(_WIDTH[kind]) if kind in _WIDTH else f"2 + {length}"
    yield f"CASE WHEN {value} IS NULL THEN 0 ELSE {weight} END"
