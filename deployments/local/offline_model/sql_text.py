"""GoogleSQL fragments: names, literals, column references, joins, conditions and aggregate expressions.

Decides spelling only. Table aliases are `t0, t1 … u0`, so that none can equal a column name; table names are always in
full in backticks; literals never need a backslash. The statements are put together in `sql_writer`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from deployments.local.offline_model.joins import path_to
from deployments.local.offline_model.reading import Dim, Filter, Kind, Measure, Reading
from deployments.local.offline_model.schema_view import Column, Schema
from deployments.local.offline_model.time_window import Window
from deployments.local.offline_model.words import word_set

_RESERVED = word_set(
    """all and any array as asc at between by case cast collate contains create cross cube current default define desc
    distinct else end enum escape except exclude exists extract false fetch following for from full group grouping
    groups hash having if ignore in inner intersect interval into is join lateral left like limit lookup merge
    natural new no not null nulls of on or order outer over partition preceding proto qualify range recursive
    respect right rollup rows select set some struct tablesample then to treat true unbounded union unnest using
    when where window with within"""
)
DECIMALS = {"money": 2, "percent": 2, "count": 2, "number": 4}


def quote_name(segment: str) -> str:
    """A column name, in backticks only when it needs them."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", segment)
    return segment if plain and segment.lower() not in _RESERVED else f"`{segment}`"


def literal(value: str) -> str:
    """A string literal; quotes that would need an escape are dropped."""
    clean = value.replace("\\", "").replace("\n", " ")
    return f"'{clean}'" if "'" not in clean else '"' + clean.replace('"', "") + '"'


@dataclass(frozen=True)
class Scope:
    """Aliases of one SELECT: the base, its unnested field, and the joined tables."""

    schema: Schema
    reading: Reading
    joined: tuple[str, ...]

    def ref(self, column: Column) -> str:
        """The column as it is written in this SELECT."""
        if column.array is not None:
            rest = column.path[len(column.array) :].lstrip(".")
            return ".".join(["u0", *(quote_name(s) for s in rest.split(".") if s)])
        return ".".join([self.alias(column.table), *(quote_name(s) for s in column.path.split("."))])

    def alias(self, table: str) -> str:
        return "t0" if table == self.reading.table.id else f"t{self.joined.index(table) + 1}"

    def day(self, column: Column) -> str:
        """The column as a DATE."""
        return self.ref(column) if column.type == "DATE" else f"DATE({self.ref(column)})"


def scope_of(reading: Reading, schema: Schema) -> Scope:
    """The scope with every table that the reading's columns live in, in join order."""
    joined: list[str] = []
    for column in columns_of(reading):
        for step in path_to(schema, reading.table, reading.nest, column.table) or ():
            if step.right not in joined:
                joined.append(step.right)
    return Scope(schema, reading, tuple(joined))


def columns_of(reading: Reading) -> Iterable[Column]:
    """Every column that the reading uses."""
    for measure in reading.measures:
        yield from measure_columns(measure)
    for dim in reading.dims:
        yield from dim.columns
    for found in reading.filters:
        yield found.key or found.column
    if reading.time:
        yield reading.time


def measure_columns(measure: Measure) -> Iterable[Column]:
    yield from measure.columns
    yield from (f.key or f.column for f in measure.where)
    for part in (measure.top, measure.over):
        if part:
            yield from measure_columns(part)


def from_clause(scope: Scope) -> str:
    """FROM with its joins; a repeated field is unnested as soon as its owner is there."""
    reading, nest = scope.reading, scope.reading.nest
    lines = [f"FROM `{reading.table.id}` AS t0"]
    done = {reading.table.id}
    if nest and nest.owner == reading.table.id:
        lines.append(_unnest(scope))
    for target in scope.joined:
        for step in path_to(scope.schema, reading.table, nest, target) or ():
            if step.right in done:
                continue
            done.add(step.right)
            left = scope.schema.table(step.left).column(step.left_path)
            right = scope.schema.table(step.right).column(step.right_path)
            assert left and right
            name = scope.alias(step.right)
            lines.append(f"LEFT JOIN `{step.right}` AS {name} ON {scope.ref(left)} = {scope.ref(right)}")
            if nest and nest.owner == step.right:
                lines.append(_unnest(scope))
    return "\n".join(lines)


def _unnest(scope: Scope) -> str:
    nest = scope.reading.nest
    assert nest
    path = ".".join(quote_name(s) for s in nest.path.split("."))
    return f"CROSS JOIN UNNEST({scope.alias(nest.owner)}.{path}) AS u0"


def _member(found: Filter, scope: Scope) -> str:
    """A semi-join: the base's key among the keys of another table."""
    assert found.key
    column = found.column
    names = _Inner(column.table)
    source = f"`{column.table}` AS s0"
    if column.array:
        source += f" CROSS JOIN UNNEST(s0.{column.array}) AS s1"
    parts = [f"{names.ref(column)} IS NOT NULL", *(_plain_condition(f, names.ref(f.column)) for f in found.inner)]
    inside = " ".join(["SELECT", names.ref(column), "FROM", source, "WHERE", " AND ".join(parts)])
    return f"{scope.ref(found.key)} {'NOT IN' if found.op == 'not in' else 'IN'} ({inside})"


@dataclass(frozen=True)
class _Inner:
    """Names inside a semi-join's subquery."""

    table: str

    def ref(self, column: Column) -> str:
        if column.array:
            rest = column.path[len(column.array) :].lstrip(".")
            return ".".join(["s1", *(quote_name(s) for s in rest.split(".") if s)])
        return ".".join(["s0", *(quote_name(s) for s in column.path.split("."))])


def condition(found: Filter, scope: Scope) -> str:
    """One filter as a condition."""
    if found.key is not None:
        return _member(found, scope)
    column = found.column
    if column.array == column.path and (scope.reading.nest is None or scope.reading.nest.path != column.array):
        path = ".".join([scope.alias(column.table), *(quote_name(s) for s in column.path.split("."))])
        return f"{literal(found.values[0])} {'NOT IN' if found.op == '!=' else 'IN'} UNNEST({path})"
    return _plain_condition(found, scope.ref(column))


def _plain_condition(found: Filter, name: str) -> str:
    values = list(found.values)
    if found.column.is_flag:
        return name if values == ["TRUE"] else f"NOT {name}"
    if found.op in (">", "<", ">=", "<=", "=") and found.column.is_number:
        return f"{name} {found.op} {values[0]}"
    if found.op in (">", "<", ">=", "<="):
        return f"{name} {found.op} {moment(date.fromisoformat(values[0]), found.column)}"
    if len(values) > 1:
        inside = ", ".join(literal(v) for v in values)
        return f"{name} {'NOT IN' if found.op == '!=' else 'IN'} ({inside})"
    return f"{name} {'!=' if found.op == '!=' else '='} {literal(values[0])}"


def within(window: Window, column: Column, scope: Scope) -> str:
    """The window as a condition on the time column, so that partitions are pruned."""
    name = scope.ref(column)
    parts = []
    if window.start:
        parts.append(f"{name} >= {moment(window.start, column)}")
    if window.end:
        parts.append(f"{name} < {moment(window.end, column)}")
    return " AND ".join(parts)


def moment(day: date, column: Column) -> str:
    """A day as a literal of the column's type."""
    if column.type == "DATE":
        return f"DATE '{day}'"
    return f"{column.type} '{day} 00:00:00{' UTC' if column.type == 'TIMESTAMP' else ''}'"


def period(grain: str, column: Column, scope: Scope) -> str:
    """The first day of the period; weeks start on Monday."""
    unit = {"week": "ISOWEEK"}.get(grain, grain.upper())
    return f"DATE_TRUNC({scope.day(column)}, {unit})" if grain != "day" else scope.day(column)


def dim_columns(dim: Dim, scope: Scope) -> list[tuple[str, str]]:
    """Pairs of expression and name for a grouping."""
    if dim.part == "weekday":
        day = scope.day(dim.key)
        return [(f"FORMAT_DATE('%A', {day})", "weekday")]
    if dim.part == "hour":
        return [(f"EXTRACT(HOUR FROM {scope.ref(dim.key)})", "hour")]
    return [(scope.ref(c), dim_name(c, scope.schema)) for c in dim.columns]


def dim_name(column: Column, schema: Schema) -> str:
    """A column's name in a result: generic leaves carry the name of what they belong to."""
    if (
        column.leaf in ("name", "title", "label", "type", "method", "category", "source", "value", "key")
        and column.array is None
    ):
        owner = column.parents.split(".")[-1] if column.parents else schema.table(column.table).name.removesuffix("s")
        return column.leaf if column.leaf == "category" and not column.parents else f"{owner}_{column.leaf}"
    return column.leaf


def aggregate(measure: Measure, scope: Scope, when: str | None = None) -> str:
    """The measure as an aggregate, over all rows or over those that meet `when`; not rounded."""
    conditions = [condition(f, scope) for f in measure.where] if measure.kind is not Kind.SHARE else []
    when = " AND ".join([c for c in (when, *conditions) if c]) or None
    match measure.kind:
        case Kind.ROWS | Kind.DISTINCT:
            return _count(measure, scope, when)
        case Kind.SHARE:
            part = " AND ".join([c for c in (when, *(condition(f, scope) for f in measure.where)) if c])
            return f"100 * SAFE_DIVIDE({_count(measure, scope, part)}, {_count(measure, scope, when)})"
        case Kind.RATIO:
            assert measure.top and measure.over
            factor = "100 * " if measure.unit == "percent" else ""
            return f"{factor}SAFE_DIVIDE({aggregate(measure.top, scope, when)}, {aggregate(measure.over, scope, when)})"
        case Kind.MEDIAN:
            return f"APPROX_QUANTILES({_when(scope.ref(measure.columns[0]), when)}, 2)[OFFSET(1)]"
        case Kind.SUM | Kind.AVG | Kind.MAX | Kind.MIN:
            return f"{measure.kind.upper()}({_when(scope.ref(measure.columns[0]), when)})"
        case Kind.DURATION:
            first, last = scope.day(measure.columns[0]), scope.day(measure.columns[-1])
            return f"AVG({_when(f'DATE_DIFF({last}, {first}, DAY)', when)})"
        case Kind.LINE | Kind.MARGIN:
            return f"SUM({_when(_line(measure, scope), when)})"


def _when(expression: str, when: str | None) -> str:
    return f"IF({when}, {expression}, NULL)" if when else expression


def _count(measure: Measure, scope: Scope, when: str | None) -> str:
    key = measure.columns[0] if measure.columns else None
    nest = scope.reading.nest
    lifted = nest is not None and measure.array != nest.path
    if key is None and lifted:
        key = scope.reading.table.key
    if key is None:
        return f"COUNTIF({when})" if when else "COUNT(*)"
    return f"COUNT(DISTINCT {_when(scope.ref(key), when)})"


def _line(measure: Measure, scope: Scope) -> str:
    """Quantity x price, less the discount as its description defines it, less quantity x cost for a margin."""
    refs = [scope.ref(c) for c in measure.columns]
    text = f"{refs[0]} * {refs[1]}"
    discounts = measure.columns[2:] if measure.kind is Kind.LINE else measure.columns[3:]
    for column in discounts:
        name = scope.ref(column)
        if re.search(r"fraction|share|percent|rate|between 0 and 1|0 to 1|0\.\.1", column.description, re.I):
            text += f" * (1 - {name})"
        elif re.search(r"per unit|each unit|unit discount", column.description, re.I):
            text += f" - {refs[0]} * {name}"
        else:
            text += f" - {name}"
    return text if measure.kind is Kind.LINE else f"{text} - {refs[0]} * {refs[2]}"


def rounded(measure: Measure, expression: str) -> str:
    """Counts stay whole; everything else is rounded for reading."""
    if measure.kind in (Kind.ROWS, Kind.DISTINCT):
        return expression
    if measure.kind in (Kind.SUM, Kind.MAX, Kind.MIN) and measure.columns[0].type in ("INT64", "INTEGER"):
        return expression
    return f"ROUND({expression}, {DECIMALS[measure.unit]})"
