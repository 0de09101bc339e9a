"""Query parameters as typed literals in the statement's tree.

Decides that a parameter is bound before translation, so the same tree serves the static dry run (which prunes
partitions by parameter values) and the execution. A value can never become syntax: it enters as a literal node.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from bq_sandbox.refusals import invalid_query

Parameter = dict[str, Any]

_QUOTED = {"DATE", "DATETIME", "TIME", "TIMESTAMP", "NUMERIC", "BIGNUMERIC", "JSON", "INTERVAL"}


def bind_parameters(tree: exp.Expression, parameters: list[Parameter]) -> exp.Expression:
    """A copy of the tree with every `@name` and `?` replaced by its value."""
    named = {str(p["name"]).lower(): p for p in parameters if p.get("name")}
    ordered = iter([p for p in parameters if not p.get("name")])

    def replace(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Parameter):
            found = named.get(node.name.lower())
            if found is None:
                raise invalid_query(f"Query parameter '{node.name}' not found")
        elif isinstance(node, exp.Placeholder):
            found = next(ordered, None)
            if found is None:
                raise invalid_query("Not enough positional query parameters")
        else:
            return node
        return literal(found["parameterType"], found.get("parameterValue") or {})

    return tree.transform(replace)


def literal(kind: dict[str, Any], value: dict[str, Any]) -> exp.Expression:
    """A REST `QueryParameterValue` of a `QueryParameterType` as a typed expression."""
    name = str(kind["type"]).upper()
    if name == "ARRAY":
        items = [literal(kind["arrayType"], item) for item in value.get("arrayValues", [])]
        return exp.cast(exp.Array(expressions=items), _data_type(kind), dialect="bigquery")
    if name == "STRUCT":
        given = value.get("structValues", {})
        members = [
            exp.PropertyEQ(this=exp.to_identifier(t["name"]), expression=literal(t["type"], given.get(t["name"]) or {}))
            for t in kind.get("structTypes", [])
        ]
        return exp.Struct(expressions=members)
    return _scalar(name, value.get("value"))


def _scalar(name: str, text: str | None) -> exp.Expression:
    if text is None:
        return exp.cast(exp.null(), name, dialect="bigquery")
    if name == "STRING":
        return exp.Literal.string(text)
    if name in {"BOOL", "BOOLEAN"}:
        return exp.Boolean(this=text.lower() == "true")
    if name in {"INT64", "INTEGER", "FLOAT64", "FLOAT"}:
        return exp.cast(exp.Literal.string(text), name, dialect="bigquery")
    if name in _QUOTED:
        return exp.cast(exp.Literal.string(text), name, dialect="bigquery")
    raise invalid_query(f"The sandbox does not take query parameters of type {name}")


def _data_type(kind: dict[str, Any]) -> str:
    name = str(kind["type"]).upper()
    if name == "ARRAY":
        return f"ARRAY<{_data_type(kind['arrayType'])}>"
    if name == "STRUCT":
        inner = ", ".join(f"{t['name']} {_data_type(t['type'])}" for t in kind.get("structTypes", []))
        return f"STRUCT<{inner}>"
    return name
