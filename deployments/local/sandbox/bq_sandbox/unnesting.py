"""UNNEST as GoogleSQL has it: struct members as columns, and offsets that count from zero.

Decides when the plain form is not enough. DuckDB yields one struct column per UNNEST, so a member is reached only
through its alias; GoogleSQL also lets members be named alone and be part of `*`. DuckDB's ordinality counts from
one. Where a query needs either, the UNNEST becomes a small subquery that spells the columns out. Members are known
from the schemas that `sources.py` carries; an array of unknown members is left alone.
"""

from __future__ import annotations

from sqlglot import exp

from bq_sandbox.fields import is_repeated, type_of
from bq_sandbox.sources import element_alias, field_of, sources_of


def spread_struct_arrays(tree: exp.Expression) -> None:
    """Rewrite the UNNESTs that need it. Changes the tree."""
    for number, unnest in enumerate(list(tree.find_all(exp.Unnest))):
        select = unnest.find_ancestor(exp.Select)
        if select is None or not isinstance(unnest.parent, exp.From | exp.Join):
            continue
        members = _members(unnest, select)
        if members and _used_bare(unnest, select, members):
            unnest.replace(_as_columns(unnest, members, f"_item{number}"))
        elif unnest.args.get("offset"):
            unnest.replace(_with_offset(unnest, f"_item{number}"))


def _members(unnest: exp.Unnest, select: exp.Select) -> list[str]:
    array = unnest.expressions[0] if unnest.expressions else None
    if isinstance(array, exp.Array) and array.expressions and isinstance(array.expressions[0], exp.Struct):
        first = array.expressions[0].expressions
        return [m.this.name if isinstance(m, exp.PropertyEQ) else m.output_name for m in first]
    if isinstance(array, exp.Column | exp.Dot):
        field = field_of([part.name for part in array.parts], select)
        if field and is_repeated(field) and type_of(field) == "RECORD":
            return [member["name"] for member in field["fields"]]
    return []


def _used_bare(unnest: exp.Unnest, select: exp.Select, members: list[str]) -> bool:
    if any(isinstance(e, exp.Star) for e in select.expressions):
        return True
    alias, wanted = element_alias(unnest).lower(), {m.lower() for m in members}
    known = {f["name"].lower() for name, fields in sources_of(select) if name != alias for f in fields}
    for column in select.find_all(exp.Column):
        if column.find_ancestor(exp.Unnest) is unnest:
            continue
        name = column.parts[0].name.lower()
        if isinstance(column.this, exp.Star) and column.table.lower() == alias:
            return True
        if name in wanted and name != alias and name not in known:
            return True
    return False


def _as_columns(unnest: exp.Unnest, members: list[str], item: str) -> exp.Subquery:
    """SELECT item.a AS a, ... FROM UNNEST(array) AS item."""
    columns: list[exp.Expression] = [exp.alias_(exp.column(m, table=item), m) for m in members]
    name = element_alias(unnest) or f"{item}_row"
    return _subquery(unnest, columns, item, name)


def _with_offset(unnest: exp.Unnest, item: str) -> exp.Subquery:
    """SELECT item AS alias, position - 1 AS offset FROM UNNEST(array) AS item."""
    name = element_alias(unnest) or f"{item}_value"
    return _subquery(unnest, [exp.alias_(exp.column(item), name)], item, f"{item}_row")


def _subquery(unnest: exp.Unnest, columns: list[exp.Expression], item: str, name: str) -> exp.Subquery:
    inner = unnest.copy()
    inner.set("alias", exp.TableAlias(columns=[exp.to_identifier(item)]))
    if isinstance(inner.expressions[0], exp.Array):
        # the translator opens a literal array of structs in a form that takes no offset
        inner.set("expressions", [exp.Anonymous(this="bqs_same", expressions=[inner.expressions[0]])])
    offset = unnest.args.get("offset")
    if offset:
        position = f"{item}_position"
        inner.set("offset", exp.to_identifier(position))
        shown = offset.name if isinstance(offset, exp.Identifier) else "offset"
        counted = exp.Sub(this=exp.column(position), expression=exp.Literal.number(1))
        columns = [*columns, exp.alias_(counted, shown)]
    query = exp.Select(expressions=columns).from_(inner)
    return exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(name)))
