"""What the names in a query's FROM hold: schemas of tables, and of subqueries that pass columns on.

Decides how far a column's type is known without an engine: through stored tables, common table expressions,
subqueries that name or star their columns, and UNNEST of known arrays. An expression's type is not guessed.
"""

from __future__ import annotations

from sqlglot import exp

from bq_sandbox.fields import Field, type_of

_FIELDS = "fields"
Source = tuple[str, list[Field]]


def annotate(table: exp.Table, fields: tuple[Field, ...]) -> None:
    """Let a table node carry its schema, so that later passes need no catalog."""
    table.meta[_FIELDS] = list(fields)


def field_of(path: list[str], select: exp.Select) -> Field | None:
    """The field that a dotted name means in a query, or in the queries around it."""
    scope: exp.Expression | None = select
    while scope is not None:
        if isinstance(scope, exp.Select):
            found = _field_in(sources_of(scope), path)
            if found is not None:
                return found
        scope = scope.parent
    return None


def sources_of(select: exp.Select) -> list[Source]:
    """Aliases (in lower case) of a query's own sources, with their fields where these are known."""
    clause = select.args.get("from_") or select.args.get("from")
    nodes = [clause.this] if clause else []
    nodes += [join.this for join in select.args.get("joins") or []]
    found: list[Source] = []
    for node in nodes:
        alias, fields = _source(node, found)
        if fields:
            found.append((alias.lower(), fields))
    return found


def _source(node: exp.Expression, before: list[Source]) -> Source:
    if isinstance(node, exp.Unnest):
        array = node.expressions[0] if node.expressions else None
        outer = _field_in(before, [p.name for p in array.parts]) if isinstance(array, exp.Column) else None
        members = outer["fields"] if outer and type_of(outer) == "RECORD" else []
        return element_alias(node), members
    if isinstance(node, exp.Table) and _FIELDS in node.meta:
        return node.alias_or_name, node.meta[_FIELDS]
    if isinstance(node, exp.Table):
        return node.alias_or_name, _output_fields(_common_table(node))
    if isinstance(node, exp.Subquery):
        return node.alias_or_name, _output_fields(node.this)
    return "", []


def _common_table(node: exp.Table) -> exp.Expression | None:
    scope: exp.Expression | None = node.parent
    while scope is not None and not node.db:
        clause = scope.args.get("with_") or scope.args.get("with")
        for cte in clause.expressions if clause else []:
            if cte.alias.lower() == node.name.lower() and node.find_ancestor(exp.CTE) is not cte:
                return cte.this
        scope = scope.parent
    return None


def _output_fields(query: exp.Expression | None) -> list[Field]:
    """Columns of a query that are plain names of known columns; the others are left out."""
    if not isinstance(query, exp.Select):
        return []
    fields: list[Field] = []
    for projection in query.expressions:
        if isinstance(projection, exp.Star):
            fields += [f for _, known in sources_of(query) for f in known]
            continue
        column = projection.this if isinstance(projection, exp.Alias) else projection
        if isinstance(column, exp.Column):
            found = _field_in(sources_of(query), [part.name for part in column.parts])
            if found is not None:
                fields.append({**found, "name": projection.output_name})
    return fields


def _field_in(sources: list[Source], path: list[str]) -> Field | None:
    for alias, fields in sources:
        found = _descend(fields, path[1:] if path[0].lower() == alias else path)
        if found is not None:
            return found
    return None


def _descend(fields: list[Field], path: list[str]) -> Field | None:
    for field in fields if path else []:
        if field["name"].lower() == path[0].lower():
            return field if len(path) == 1 else _descend(field.get("fields", []), path[1:])
    return None


def element_alias(unnest: exp.Unnest) -> str:
    """The name by which a query calls the elements of an UNNEST; empty if it gives none."""
    alias = unnest.args.get("alias")
    if alias is None:
        return ""
    columns = alias.args.get("columns")
    return columns[0].name if columns else alias.name
