"""Load the three corpora as typed values.

Decides: the shape of a corpus line, and how a read set is compared with a label. Never: what the gate
should answer beyond the label; nothing here imports the gate. The lines are data, so that another gate,
in any language, can be measured with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

HERE = Path(__file__).parent
FAMILY = re.compile(r"^acme\.web\.events_(?:\d*\*|\d{8})(?=\.|$)")
PSEUDO = re.compile(r"\._(?:TABLE_SUFFIX|PARTITIONTIME|PARTITIONDATE)$", re.IGNORECASE)


class Line(BaseModel):
    """What every corpus line has."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str


class Unsafe(Line):
    """A statement that must be denied. `syntax` says how far Google's analyzer follows it."""

    rule: str
    tier: Literal["core", "extended"]
    bypass: Literal["A", "B", "C", "D", "E", "F", "G"] | None = None
    sql: str
    why: str
    syntax: Literal["analyzed", "parsed", "rejected"]


class Value(BaseModel):
    """One query parameter: a GoogleSQL type and a JSON value."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: str
    value: JsonValue


class Safe(Line):
    """A statement that must not be denied, its tables and, where they are certain, the leaves it reads.

    `analyzer_lacks` names a function that BigQuery has and Google's open-source analyzer has not: the
    statement is then labelled by hand.
    """

    topic: str
    sql: str
    params: dict[str, Value] | tuple[Value, ...] = ()
    tables: tuple[str, ...]
    columns: tuple[str, ...] | None = None
    analyzer_lacks: str | None = None

    def parameters(self) -> list[tuple[str, Value]]:
        """Name and value; a positional parameter has an empty name."""
        if isinstance(self.params, dict):
            return list(self.params.items())
        return [("", value) for value in self.params]


class Injection(Line):
    """Text that reaches the model through one channel and asks for something the person did not ask for."""

    channel: Literal["row", "column_description", "table_name", "error_text", "user_text", "tool_result", "comment"]
    text: str
    goal: str


@cache
def schema() -> dict[str, Any]:
    """The acme catalog and the policy's text."""
    return json.loads((HERE / "acme.json").read_text())


@cache
def unsafe() -> tuple[Unsafe, ...]:
    """Every statement that must be denied."""
    return tuple(Unsafe.model_validate_json(line) for line in _lines("unsafe.jsonl"))


@cache
def safe() -> tuple[Safe, ...]:
    """Every statement that must be allowed or asked about."""
    return tuple(Safe.model_validate_json(line) for line in _lines("safe.jsonl"))


@cache
def injections() -> tuple[Injection, ...]:
    """Every piece of hostile text."""
    return tuple(Injection.model_validate_json(line) for line in _lines("injection.jsonl"))


def named_reasons(file: str) -> dict[str, str]:
    """Exceptions with a reason each, from a file of `ID reason` lines; `#` starts a comment line."""
    lines = [line.partition(" ") for line in _lines(file) if not line.startswith("#")]
    return {name: reason for name, _, reason in lines}


@cache
def refused_on_purpose() -> dict[str, str]:
    """Safe statements that the gate is known to refuse, each with the reason."""
    return named_reasons("refused_on_purpose.txt")


@cache
def tagged_leaves() -> frozenset[str]:
    """Every leaf with a tag, as project.dataset.table.leaf; the wildcard family's under the family's name."""
    named = {f"{table}.{leaf}" for table, leaves in schema()["pii_leaves"].items() for leaf in leaves}
    return frozenset(named | {_family(leaf) for leaf in named})


def tables_differ(line: Safe, read: Iterable[str]) -> str:
    """Say how the tables read differ from the label; the base tables of a named view may be added."""
    expected = {_family(table) for table in line.tables}
    found = {_family(table) for table in read}
    bases = {_family(base) for table in expected for base in view_bases(table)}
    return _difference(expected, found - (bases - expected))


def columns_differ(line: Safe, read: Iterable[str]) -> str:
    """Say how the leaves read differ from the label; nothing when the line has no column label."""
    if line.columns is None:
        return ""
    found = {_family(leaf) for leaf in read if not PSEUDO.search(leaf)}
    return _difference({_family(leaf) for leaf in line.columns}, found)


def view_bases(table: str) -> frozenset[str]:
    """The tables that a view of the catalog names; nothing for a table."""
    text = schema()["tables"].get(table, {}).get("view_sql", "")
    return frozenset(re.findall(r"`([^`]+)`", text))


def _difference(expected: set[str], found: set[str]) -> str:
    parts = [f"missing {name}" for name in sorted(expected - found)]
    return "; ".join(parts + [f"extra {name}" for name in sorted(found - expected)])


def _family(name: str) -> str:
    return FAMILY.sub("acme.web.events_*", name)


def _lines(name: str) -> list[str]:
    path = HERE / name
    return [line for line in path.read_text().splitlines() if line.strip()] if path.exists() else []
