"""Turns a reading into the statements of a plan.

Decides the statement's shape for each form and lets the SQL compute every figure that the answer may cite: changes,
shares, distances from the usual level. Never writes `SELECT *`, an unqualified table, or a join without an equality.
"""

from dataclasses import dataclass

from deployments.local.offline_model.measures import rows_of
from deployments.local.offline_model.reading import Form, Kind, Reading
from deployments.local.offline_model.schema_view import Schema
from deployments.local.offline_model.sql_text import (
    Scope,
    aggregate,
    condition,
    dim_columns,
    from_clause,
    literal,
    period,
    rounded,
    scope_of,
    within,
)  # fmt: skip

MAX_GROUPS = 1000
_NEIGHBOURS = {"day": 14, "week": 4, "month": 3, "quarter": 2, "year": 2}


@dataclass(frozen=True)
class Written:
    """One query of a plan."""

    id: str
    purpose: str
    sql: str


def write_sql(reading: Reading, schema: Schema) -> str:
    """The one statement that computes the reading."""
    scope = scope_of(reading, schema)
    match reading.form:
        case Form.TREND:
            return _trend(scope)
        case Form.COMPARISON:
            return _comparison(scope)
        case Form.ANOMALY:
            return _anomaly(scope)
        case Form.FUNNEL:
            return _funnel(scope)
        case Form.THRESHOLD:
            return _threshold(scope)
        case Form.RANKING | Form.SHARES | Form.TOTAL:
            return _groups(scope)


def _keys(scope: Scope, with_period: bool) -> list[tuple[str, str]]:
    reading = scope.reading
    keys = [pair for dim in reading.dims for pair in dim_columns(dim, scope)]
    if with_period and reading.grain and reading.time:
        keys.insert(0, (period(reading.grain, reading.time, scope), reading.grain))
    return _unique(keys)


def _unique(keys: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """No name twice: the second `category` becomes `category_2`."""
    seen: dict[str, int] = {}
    out: list[tuple[str, str]] = []
    for expression, name in keys:
        seen[name] = seen.get(name, 0) + 1
        out.append((expression, name if seen[name] == 1 else f"{name}_{seen[name]}"))
    return out


def _where(scope: Scope, windows: bool = True) -> str:
    reading = scope.reading
    parts = [condition(f, scope) for f in reading.filters]
    if windows and reading.time:
        spans = [f"({within(w, reading.time, scope)})" for w in reading.windows if w.start or w.end]
        if spans:
            parts.append(spans[0][1:-1] if len(spans) == 1 else "(" + " OR ".join(spans) + ")")
    return "WHERE " + "\n  AND ".join(parts) if parts else ""


def _select(scope: Scope, keys: list[tuple[str, str]], columns: list[str], having: str = "") -> str:
    """One grouped SELECT without its ORDER BY."""
    items = [f"{e} AS {n}" for e, n in keys] + columns
    lines = ["SELECT", "  " + ",\n  ".join(items), from_clause(scope), _where(scope)]
    if keys:
        lines.append("GROUP BY " + ", ".join(str(i + 1) for i in range(len(keys))))
    return "\n".join(line for line in [*lines, having] if line)


def _measures(scope: Scope) -> list[str]:
    return [f"{rounded(m, aggregate(m, scope))} AS {m.name}" for m in scope.reading.measures]


def _cte(inner: str, outer: str) -> str:
    body = "\n".join("  " + line for line in inner.splitlines())
    return f"WITH grouped_rows AS (\n{body}\n)\n{outer}"


def _groups(scope: Scope) -> str:
    """Groups in order of the measure, with their share of the whole where that adds up."""
    reading = scope.reading
    keys = _keys(scope, with_period=reading.form is Form.RANKING)
    inner = _select(scope, keys, _measures(scope))
    if not keys:
        return inner
    names = [n for _, n in keys]
    columns = [*names, *(m.name for m in reading.measures)]
    if reading.measure.additive and reading.form is not Form.TOTAL:
        columns.append(
            f"ROUND(100 * SAFE_DIVIDE({reading.measure.name}, SUM({reading.measure.name}) OVER ()), 2) AS share_pct"
        )
    direction = "DESC" if reading.descending else "ASC"
    order = f"ORDER BY {reading.measure.name} {direction}, {', '.join(names)}"
    return _cte(
        inner, (f"SELECT {', '.join(columns)}\nFROM grouped_rows\n{order}\nLIMIT {reading.limit or MAX_GROUPS}")
    )


def _trend(scope: Scope) -> str:
    """The series with its change from the period before and since the first one."""
    reading, keys = scope.reading, _keys(scope, with_period=True)
    names = [n for _, n in keys]
    name, groups = reading.measure.name, names[1:]
    frame = (f"PARTITION BY {', '.join(groups)} " if groups else "") + f"ORDER BY {names[0]}"
    columns = [*names, *(m.name for m in reading.measures)]
    if reading.cumulative:
        columns.append(f"SUM({name}) OVER ({frame}) AS cumulative_{name}")
    before, first = (f"{f}({name}) OVER ({frame})" for f in ("LAG", "FIRST_VALUE"))
    change = _change_name(reading)
    columns += [f"{_change(scope, before)} AS {change}", f"{_change(scope, first)} AS {change}_since_first"]
    order = f"ORDER BY {', '.join(names)}"
    return _cte(
        _select(scope, keys, _measures(scope)), (f"SELECT {', '.join(columns)}\nFROM grouped_rows\n{order}\nLIMIT 5000")
    )


def _change_name(reading: Reading) -> str:
    return "change_points" if reading.measure.unit == "percent" else "change_pct"


def _change(scope: Scope, before: str, now: str | None = None) -> str:
    """The change from `before`: in percent, or in points for figures that are percentages."""
    now = now or scope.reading.measure.name
    if scope.reading.measure.unit == "percent":
        return f"ROUND({now} - {before}, 2)"
    return f"ROUND(100 * SAFE_DIVIDE({now} - {before}, {before}), 2)"


def _comparison(scope: Scope) -> str:
    """Both windows side by side, from one scan of their days."""
    reading, keys = scope.reading, _keys(scope, with_period=False)
    assert reading.time is not None
    later, earlier = reading.windows[:2]
    measure, names = reading.measure, [n for _, n in keys]
    now, before = f"{measure.name}_{later.name()}", f"{measure.name}_{earlier.name()}"
    both = [
        f"{rounded(measure, aggregate(measure, scope, within(w, reading.time, scope)))} AS {n}"
        for w, n in ((later, now), (earlier, before))
    ]
    columns = [*names, now, before]
    if measure.unit != "percent":
        columns.append(f"{now if measure.kind in (Kind.ROWS, Kind.DISTINCT) else f'ROUND({now}'} - {before}"
                       + ("" if measure.kind in (Kind.ROWS, Kind.DISTINCT) else ", 2)") + " AS change")  # fmt: skip
    columns.append(f"{_change(scope, before, now)} AS {_change_name(reading)}")
    direction = "DESC" if reading.descending else "ASC"
    leading = _change_name(reading) if reading.by_change else now
    order = (
        (f"\nORDER BY {leading} {direction}, {', '.join(names)}\nLIMIT {reading.limit or MAX_GROUPS}") if names else ""
    )
    return _cte(_select(scope, keys, both), f"SELECT {', '.join(columns)}\nFROM grouped_rows{order}")


def _anomaly(scope: Scope) -> str:
    """Each period beside its neighbours' average; the distance is counted in the usual spread (z-score)."""
    reading, keys = scope.reading, _keys(scope, with_period=True)
    assert reading.time is not None and reading.grain is not None
    names, name = [n for _, n in keys], reading.measure.name
    parts = f"PARTITION BY {', '.join(names[1:])} " if names[1:] else ""
    near = _NEIGHBOURS[reading.grain]
    frame = f"OVER ({parts}ORDER BY {names[0]} ROWS BETWEEN {near} PRECEDING AND {near} FOLLOWING)"
    whole = f"HAVING COUNT(DISTINCT {scope.day(reading.time)}) = 7" if reading.grain == "week" and not names[1:] else ""
    usual = f"SAFE_DIVIDE(SUM({name}) {frame} - {name}, COUNT({name}) {frame} - 1)"
    neighbours = "\n  ".join([f"SELECT {', '.join(names)}, {name}, {usual} AS usual_level", "FROM grouped_rows"])
    spread = f"STDDEV({name} - usual_level) OVER ({parts.strip()})"
    order = {"drop": "z_score", "spike": "z_score DESC"}.get(reading.anomaly or "any", "ABS(z_score) DESC")
    columns = [
        *names,
        name,
        "ROUND(usual_level, 2) AS usual_level",
        f"ROUND(100 * SAFE_DIVIDE({name} - usual_level, usual_level), 2) AS deviation_pct",
        f"ROUND(SAFE_DIVIDE({name} - usual_level, {spread}), 2) AS z_score",
    ]
    lines = ["SELECT", "  " + ",\n  ".join(columns), "FROM neighbours", "WHERE usual_level IS NOT NULL"]
    final = "\n".join([*lines, f"ORDER BY {order}", f"LIMIT {reading.limit or 10}"])
    return (
        _cte(_select(scope, keys, _measures(scope), whole), "").rstrip()
        + f",\nneighbours AS (\n  {neighbours}\n)\n{final}"
    )


def _funnel(scope: Scope) -> str:
    """How many keys reach each step, against the first step and the step before."""
    reading = scope.reading
    step = reading.filters[0].column
    count = reading.measure
    dims = [pair for dim in reading.dims for pair in dim_columns(dim, scope)]
    cases = " ".join(f"WHEN {literal(v)} THEN {i}" for i, v in enumerate(reading.steps, 1))
    keys = _unique([*dims, (f"CASE {scope.ref(step)} {cases} END", "step_number"), (scope.ref(step), "step")])
    names = [n for _, n in keys]
    groups = names[: len(dims)]
    frame = (f"PARTITION BY {', '.join(groups)} " if groups else "") + "ORDER BY step_number"
    outer = (
        f"SELECT {', '.join(names)}, {count.name},\n"
        f"  ROUND(100 * SAFE_DIVIDE({count.name}, FIRST_VALUE({count.name}) "
        f"OVER ({frame})), 2) AS pct_of_first,\n"
        f"  ROUND(100 * SAFE_DIVIDE({count.name}, LAG({count.name}) OVER ({frame})), 2) AS pct_of_previous\n"
        f"FROM grouped_rows\nORDER BY {', '.join([*groups, 'step_number'])}\nLIMIT {MAX_GROUPS}"
    )
    return _cte(_select(scope, keys, _measures(scope)), outer)


def _threshold(scope: Scope) -> str:
    """Count the keys whose number of rows passes the threshold."""
    reading = scope.reading
    assert reading.threshold is not None
    operator, number = reading.threshold
    key = reading.measure.columns[0]
    counted = aggregate(rows_of(reading.table), scope)
    inner = _select(
        scope, [(scope.ref(key), "counted_key")], [f"{counted} AS row_total"], f"HAVING {counted} {operator} {number}"
    )
    return _cte(inner, f"SELECT COUNT(*) AS {reading.measure.name}\nFROM grouped_rows")
