"""The one query by which a column is profiled, and how its rows become what the model is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.errors import Refused
from bq_copilot.policy import Policy

COUNTABLE = frozenset({"STRING", "INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC", "BOOL", "DATE", "DATETIME", "TIMESTAMP"})


def profile_query(catalog: Catalog, policy: Policy, table_id: str, path: str) -> str:
    """Return GoogleSQL that counts the values of one column. Raises Refused for what cannot be counted."""
    table = catalog.table(table_id.strip().strip("`"))
    if table is None or table.dataset not in policy.allowed_datasets:
        raise Refused("There is no such table that may be read.", code="unknown_table")
    source, expression, column = _reach(table, path)
    if column.type not in COUNTABLE:
        raise Refused(f"Values of type {column.type} are not counted.", code="not_countable")
    return f"""SELECT
  CAST(value AS STRING) AS value,
  n,
  SUM(n) OVER () AS row_count,
  COUNT(value) OVER () AS distinct_count,
  SUM(IF(value IS NULL, n, 0)) OVER () AS null_count,
  CAST(MIN(value) OVER () AS STRING) AS min_value,
  CAST(MAX(value) OVER () AS STRING) AS max_value
FROM (SELECT {expression} AS value, COUNT(*) AS n FROM {source} GROUP BY {expression}) AS counted
ORDER BY n DESC, value
LIMIT {policy.profile.top_values or 1}"""  # noqa: S608 - names are from the catalog; the gate rules on the whole


def _reach(table: Table, path: str) -> tuple[str, str, Column]:
    """Return (FROM clause, expression, column) for a dotted path; each repeated part is unnested."""
    source, expression = f"`{table.id}` AS src", "src"
    columns: Sequence[Column] = table.columns
    column: Column | None = None
    for depth, part in enumerate(path.split(".")):
        column = next((c for c in columns if c.name.casefold() == part.casefold()), None)
        if column is None:
            raise Refused(f"There is no column {path} in {table.id}.", code="unknown_column")
        expression = f"{expression}.`{column.name}`"
        if column.mode == "REPEATED":
            source += f" CROSS JOIN UNNEST({expression}) AS part{depth}"
            expression = f"part{depth}"
        columns = column.fields
    assert column is not None
    return source, expression, column


def profile_row(names: Sequence[str], rows: Sequence[Sequence[Any]], bound: int) -> dict[str, Any]:
    """Return the profile in the words of the tool; values are cut at `bound` characters."""
    if not rows:
        return {"rows": 0, "distinct": 0, "nulls": 0, "min": None, "max": None, "top": []}
    first = dict(zip(names, rows[0], strict=True))
    top = [dict(zip(names, row, strict=True)) for row in rows]
    return {
        "rows": first["row_count"],
        "distinct": first["distinct_count"],
        "nulls": first["null_count"],
        "min": _cut(first["min_value"], bound),
        "max": _cut(first["max_value"], bound),
        "top": [{"value": _cut(r["value"], bound), "count": r["n"]} for r in top],
    }


def _cut(value: str | None, bound: int) -> str | None:
    return value if value is None or len(value) <= bound else value[: bound - 1] + "…"
