"""`check`: rule on a file of statements and say so one line each, with no stack and no warehouse.

Decides the shape of input and output and the exit code, nothing about SQL. It is pure: lines in, lines out; reading
files, printing and building the gate belong to the command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Protocol, cast

from pydantic import BaseModel, ConfigDict, JsonValue

from bq_copilot.errors import Refused
from bq_copilot.gate.verdict import Finding, Parameter, Verdict


class Exit(IntEnum):
    """What the command's exit code says."""

    FINE = 0
    """No statement is denied."""
    BAD_INPUT = 2
    """The input could not be read."""
    DENIED = 3
    """At least one statement is denied."""


class Ruler(Protocol):
    """Anything that rules on a statement: the pure gate or the guarded one."""

    def rule(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> Verdict:
        """Return the verdict."""
        ...


class Statement(BaseModel):
    """One statement to check."""

    model_config = ConfigDict(frozen=True)
    id: str
    sql: str
    parameters: tuple[Parameter, ...] = ()


class Checked(BaseModel):
    """One line of output."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    ruling: str
    findings: tuple[Finding, ...]
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    tagged_read: tuple[str, ...]
    tagged_in_output: bool


def statements(text: str, *, lines: bool) -> Iterator[Statement]:
    """Return the statements of an input: one whole SQL text, or one JSON object a line; raises `Refused`."""
    if not lines:
        yield Statement(id="1", sql=text)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield _statement(number, line)


def looks_like_lines(text: str) -> bool:
    """Say whether a text without a file name is JSON lines: its first line is a JSON object with `sql`."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    try:
        loaded: object = json.loads(first)
    except ValueError:
        return False
    return isinstance(loaded, dict) and "sql" in loaded


def check_lines(ruler: Ruler, items: Iterable[Statement]) -> Iterator[Checked]:
    """Return one result for each statement, in order."""
    for item in items:
        yield checked(item.id, ruler.rule(item.sql, item.parameters))


def checked(identity: str, verdict: Verdict) -> Checked:
    """Return the output line of one verdict."""
    facts = verdict.facts
    return Checked(
        id=identity,
        ruling=verdict.ruling.value,
        findings=verdict.findings,
        tables=facts.tables,
        columns=facts.columns,
        tagged_read=facts.tagged_read,
        tagged_in_output=facts.tagged_in_output,
    )


def exit_code(results: Iterable[Checked]) -> Exit:
    """Return the exit code for these results."""
    return Exit.DENIED if any(r.ruling == "deny" for r in results) else Exit.FINE


def _statement(number: int, line: str) -> Statement:
    try:
        loaded: object = json.loads(line)
    except ValueError as error:
        raise Refused(f"line {number} is not JSON: {error}", code="bad_input") from error
    entry = cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
    if not isinstance(entry.get("sql"), str):
        raise Refused(f'line {number} has no "sql" text. Write {{"id", "sql"}} on each line.', code="bad_input")
    identity = entry.get("id", number)
    return Statement(id=str(identity), sql=str(entry["sql"]), parameters=_parameters(entry.get("params")))


def _parameters(given: object) -> tuple[Parameter, ...]:
    """Accept `{name: value}`, `{name: {"type", "value"}}`, or a list of values or of parameter objects."""
    if isinstance(given, Mapping):
        named = cast("Mapping[str, object]", given)
        return tuple(_parameter(name.lstrip("@"), value) for name, value in named.items())
    if isinstance(given, list):
        return tuple(_parameter("", value) for value in cast("list[object]", given))
    return ()


def _parameter(name: str, value: object) -> Parameter:
    if isinstance(value, Mapping):
        entry = cast("Mapping[str, object]", value)
        inner = cast("JsonValue", entry.get("value"))
        return Parameter(name=str(entry.get("name", name)), type=str(entry.get("type", "STRING")), value=inner)
    return Parameter(name=name, type=type_of(value), value=cast("JsonValue", value))


def type_of(value: object) -> str:
    """Return the GoogleSQL type that a JSON value has as a parameter."""
    match value:
        case bool():
            return "BOOL"
        case int():
            return "INT64"
        case float():
            return "FLOAT64"
        case list():
            items = cast("list[object]", value)
            return f"ARRAY<{type_of(items[0]) if items else 'STRING'}>"
        case _:
            return "STRING"
