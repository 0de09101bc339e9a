"""GoogleSQL trees to DuckDB SQL: bqemulator's translator, after the corrections it needs.

Decides how the constructs are written that the translator gets wrong: week truncation, type-keeping truncation,
default NUMERIC width, names of unnamed columns and struct members, struct fields of UNNEST. Each correction turns
one tree shape into another before the translator runs; none looks at text.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError

from bq_sandbox.engine_import import Caller, DomainError, SQLTranslator
from bq_sandbox.names import PROJECT, schema_of
from bq_sandbox.pivoting import rename_pivots
from bq_sandbox.refusals import invalid_query
from bq_sandbox.unnesting import spread_struct_arrays

_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_UNITS = frozenset({"DAY", "HOUR", "MINUTE", "SECOND", "MONTH", "QUARTER", "YEAR"})
_TRANSLATOR = SQLTranslator()


def to_duckdb(tree: exp.Expression, *, user: str) -> str:
    """DuckDB SQL of a bound statement (three-part names, literals for parameters)."""
    try:
        return _translated(tree, user)
    except (SqlglotError, DomainError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise invalid_query(f"The sandbox cannot translate the statement: {error}".splitlines()[0]) from error


def _translated(tree: exp.Expression, user: str) -> str:
    corrected = correct(tree.copy())
    for node in corrected.find_all(exp.Table):
        if node.catalog == PROJECT and node.db:
            node.set("catalog", None)
            node.set("db", exp.to_identifier(schema_of(node.db), quoted=True))
    result = _TRANSLATOR.translate(corrected.sql("bigquery"), caller=Caller(f"user:{user}"))  # pyright: ignore
    translated = getattr(result, "value", None)
    if translated is None:
        raise invalid_query(str(getattr(result, "error", result)).splitlines()[0])
    return str(translated)


def correct(tree: exp.Expression) -> exp.Expression:
    """All corrections, in the order they build on each other. Changes and returns the tree."""
    name_columns(tree)
    rename_pivots(tree)
    spread_struct_arrays(tree)
    for node in list(tree.find_all(exp.Cast)):
        _name_members_by_type(node)
    for node in list(tree.find_all(exp.Struct)):
        _name_members(node)
    for node in list(tree.find_all(exp.DateTrunc, exp.DatetimeTrunc, exp.TimestampTrunc)):
        _keep_type_when_truncating(node)
    for node in list(tree.find_all(exp.Extract)):
        _count_weeks(node)
    for node in list(tree.find_all(exp.Cast)):
        _widen_numeric(node)
        _round_to_int64(node)
    for node in list(tree.find_all(exp.DateDiff)):
        _count_week_starts(node)
    for node in list(tree.find_all(exp.TimeToStr)):
        _format_quarter(node)
    for node in list(tree.find_all(exp.IgnoreNulls)):
        _drop_nulls(node)
    return tree


def name_columns(tree: exp.Expression) -> None:
    """Give unnamed output columns BigQuery's names (f0_, f1_, ...)."""
    for select in list(tree.find_all(exp.Select)):
        if select.args.get("kind") or isinstance(select.parent, exp.In | exp.Exists):
            continue
        unnamed = 0
        for projection in list(select.expressions):
            if projection.is_star or _keeps_name(projection):
                continue
            if isinstance(projection, exp.Dot) and projection.output_name:
                projection.replace(exp.alias_(projection.copy(), projection.output_name))
                continue
            projection.replace(exp.alias_(projection.copy(), f"f{unnamed}_"))
            unnamed += 1


def _keeps_name(projection: exp.Expression) -> bool:
    return isinstance(projection, exp.Alias | exp.Aliases | exp.Column)


def _name_members(struct: exp.Struct) -> None:
    """STRUCT(a, t.b, 1) names its members a, b and, for want of a name, _field_3.

    Rows of an INSERT and later elements of an array keep their positions instead: the first one names them.
    """
    array = struct.parent if isinstance(struct.parent, exp.Array) else None
    positional = struct.find_ancestor(exp.Values) or (array and array.expressions[0] is not struct)
    for number, member in enumerate(list(struct.expressions), start=1):
        if isinstance(member, exp.PropertyEQ):
            continue
        named = member.output_name if isinstance(member, exp.Column | exp.Dot) else ""
        if not positional:
            name = exp.to_identifier(named or f"_field_{number}")
            member.replace(exp.PropertyEQ(this=name, expression=member.copy()))


def _name_members_by_type(node: exp.Cast) -> None:
    """STRUCT<a INT64>(1) names its member a; the tree has it as a cast of a nameless struct."""
    if not isinstance(node.this, exp.Struct) or node.to.this is not exp.DataType.Type.STRUCT:
        return
    for kind, member in zip(node.to.expressions, list(node.this.expressions), strict=False):
        if isinstance(kind, exp.ColumnDef) and not isinstance(member, exp.PropertyEQ):
            member.replace(exp.PropertyEQ(this=kind.this.copy(), expression=member.copy()))


def _format_quarter(node: exp.TimeToStr) -> None:
    """%Q of FORMAT_DATE is the quarter; DuckDB's format knows no such thing."""
    pattern = node.args.get("format")
    if not isinstance(pattern, exp.Literal) or "%Q" not in pattern.name:
        return
    quarter = exp.Extract(this=exp.Var(this="QUARTER"), expression=node.this.copy())
    parts: list[exp.Expression] = []
    for number, text in enumerate(pattern.name.split("%Q")):
        if number:
            parts.append(exp.cast(quarter.copy(), "STRING", dialect="bigquery"))
        if text:
            parts.append(exp.TimeToStr(this=node.this.copy(), format=exp.Literal.string(text)))
    node.replace(exp.Concat(expressions=parts))


def _drop_nulls(node: exp.IgnoreNulls) -> None:
    """ARRAY_AGG(... IGNORE NULLS) filters the finished array, and only then takes its LIMIT."""
    aggregate = node.this
    if not isinstance(aggregate, exp.ArrayAgg):
        return
    limit = aggregate.this if isinstance(aggregate.this, exp.Limit) else None
    collected = exp.ArrayAgg(this=(limit.this if limit is not None else aggregate.this).copy())
    kept: exp.Expression = exp.Anonymous(this="bqs_without_nulls", expressions=[collected])
    if limit is not None:
        bounds = [exp.Literal.number(1), limit.expression.copy()]
        kept = exp.Anonymous(this="list_slice", expressions=[kept, *bounds])
    node.replace(kept)


def _unit(node: exp.Expression | None) -> str:
    """Name of a date part; WEEK(MONDAY) is `WEEK1`, WEEK is `WEEK0`, ISOWEEK is `WEEK1`."""
    if isinstance(node, exp.WeekStart):
        return f"WEEK{_DAYS.index(node.name.upper())}"
    name = node.name.upper() if node is not None else ""
    return {"WEEK": "WEEK0", "ISOWEEK": "WEEK1"}.get(name, name)


def _keep_type_when_truncating(node: exp.Expression) -> None:
    """DATE_TRUNC of a DATE is a DATE; with a time zone the translator's own form is kept."""
    unit = _unit(node.args.get("unit"))
    if node.args.get("zone") or not (unit in _UNITS or unit.startswith("WEEK")):
        return
    operand = node.this
    if isinstance(operand, exp.Literal):
        kinds = {exp.DateTrunc: "DATE", exp.DatetimeTrunc: "DATETIME"}
        operand = exp.cast(operand.copy(), kinds.get(type(node), "TIMESTAMP"), dialect="bigquery")
    node.replace(exp.Anonymous(this=f"bqs_trunc_{unit.lower()}", expressions=[operand.copy()]))


def _count_weeks(node: exp.Extract) -> None:
    """EXTRACT(WEEK FROM x) counts from the year's first Sunday, WEEK(MONDAY) from its first Monday."""
    if node.this.name.upper() == "ISOWEEK":
        return
    unit = _unit(node.this)
    if unit.startswith("WEEK"):
        day = exp.Literal.number(unit.removeprefix("WEEK"))
        node.replace(exp.Anonymous(this="bqs_week", expressions=[node.expression.copy(), day]))


def _count_week_starts(node: exp.DateDiff) -> None:
    """DATE_DIFF in weeks counts the week starts between two dates."""
    unit = _unit(node.args.get("unit"))
    if not unit.startswith("WEEK"):
        return
    ends = [
        exp.Anonymous(this=f"bqs_trunc_{unit.lower()}", expressions=[_as_date(end)])
        for end in (node.this, node.expression)
    ]
    days = exp.DateDiff(this=ends[0], expression=ends[1], unit=exp.Var(this="DAY"))
    node.replace(exp.IntDiv(this=days, expression=exp.Literal.number(7)))


def _as_date(node: exp.Expression) -> exp.Expression:
    return exp.cast(node.copy(), "DATE", dialect="bigquery")


def _round_to_int64(node: exp.Cast) -> None:
    """CAST(2.5 AS INT64) is 3: halves go away from zero, where DuckDB goes to the even number."""
    known = isinstance(node.this, exp.Null) or (isinstance(node.this, exp.Literal) and node.this.is_string)
    if node.to.this is exp.DataType.Type.BIGINT and not known:
        name = "bqs_int64_or_null" if isinstance(node, exp.TryCast) else "bqs_int64"
        node.replace(exp.Anonymous(this=name, expressions=[node.this.copy()]))


def _widen_numeric(node: exp.Cast) -> None:
    """NUMERIC is DECIMAL(38, 9), where the translator's DECIMAL is (18, 3) and loses digits."""
    macros = {exp.DataType.Type.DECIMAL: "bqs_numeric", exp.DataType.Type.BIGDECIMAL: "bqs_bignumeric"}
    macro = macros.get(node.to.this)
    if macro is None:
        return
    name = f"{macro}_or_null" if isinstance(node, exp.TryCast) else macro
    wide: exp.Expression = exp.Anonymous(this=name, expressions=[node.this.copy()])
    sizes = node.to.expressions
    if sizes:
        scale = sizes[1].this.copy() if len(sizes) > 1 else exp.Literal.number(0)
        wide = exp.Round(this=wide, decimals=scale)
    node.replace(wide)
