"""PIVOT's column names: `sum_x` in BigQuery, `x_sum` in DuckDB.

Decides the names by BigQuery's rule (aggregate's alias, then the value's alias or text) and puts a renaming query
around each PIVOT. A PIVOT whose DuckDB names cannot be foretold is left alone.
"""

from __future__ import annotations

from sqlglot import exp


def rename_pivots(tree: exp.Expression) -> None:
    """Wrap every PIVOT that needs it. Changes the tree."""
    for pivot in list(tree.find_all(exp.Pivot)):
        names = _names(pivot)
        if names and any(theirs != ours for theirs, ours in names):
            _wrap(pivot, names)


def _names(pivot: exp.Pivot) -> list[tuple[str, str]]:
    """Pairs of DuckDB's and BigQuery's name of each new column, in order."""
    fields = pivot.args.get("fields") or []
    if pivot.args.get("unpivot") or len(fields) != 1 or not isinstance(fields[0], exp.In):
        return []
    aggregates = pivot.expressions
    if len(aggregates) > 1 and not all(isinstance(a, exp.Alias) for a in aggregates):
        return []
    names: list[tuple[str, str]] = []
    for value in fields[0].expressions:
        for aggregate in aggregates:
            alias = aggregate.alias if isinstance(aggregate, exp.Alias) else ""
            names.append(_pair(_text(value), alias))
    return names


def _text(value: exp.Expression) -> str:
    if isinstance(value, exp.PivotAlias | exp.Alias):
        return value.args["alias"].name
    return value.this.name if isinstance(value, exp.Cast) else value.name


def _pair(value: str, alias: str) -> tuple[str, str]:
    if alias:
        return f"{value}_{alias}", f"{alias}_{value.replace('-', '_')}"
    spelled = value.replace("-", "_")
    return value, f"_{spelled}" if spelled[:1].isdigit() else spelled


def _wrap(pivot: exp.Pivot, names: list[tuple[str, str]]) -> None:
    source = pivot.parent
    if not isinstance(source, exp.Table | exp.Subquery):
        return
    alias = pivot.args.get("alias")
    inner = source.copy()
    inner.args["pivots"][0].set("alias", None)
    others = exp.Star(except_=[exp.to_identifier(theirs, quoted=True) for theirs, _ in names])
    renamed = [
        exp.alias_(exp.column(exp.to_identifier(theirs, quoted=True)), ours, quoted=True) for theirs, ours in names
    ]
    query = exp.Select(expressions=[others, *renamed]).from_(inner)
    name = alias.this.copy() if alias is not None else exp.to_identifier("_pivoted")
    joins = inner.args.pop("joins", None)
    wrapped = exp.Subquery(this=query, alias=exp.TableAlias(this=name))
    if joins:
        wrapped.set("joins", joins)
    source.replace(wrapped)
