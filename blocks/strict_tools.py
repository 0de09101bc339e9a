"""Tool schemas in the form that strict function calling asks for, and calls back out of it.

Decides only form: every property is required, optional ones may be null, unknown ones are refused, and keywords that
strict mode does not know are left out (the parse of a call checks them anyway). A null that comes back stands for the
default. So a strict model and any other one lead to the same call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

_KEPT = frozenset({"type", "description", "enum", "const", "anyOf", "items", "properties"})


def strict(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tool with a strict schema."""
    function = tool["function"]
    made = {**function, "parameters": _strict(function["parameters"]), "strict": True}
    return {**tool, "function": made}


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in schema.items() if k in _KEPT}
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    if "items" in kept:
        kept["items"] = _strict(kept["items"])
    if "anyOf" in kept:
        kept["anyOf"] = [_strict(s) for s in kept["anyOf"]]
    if kept.get("type") == "object":
        required = set(schema.get("required", ()))
        named = cast("Mapping[str, Any]", kept.get("properties", {}))
        kept["properties"] = {n: _strict(s) if n in required else _or_null(_strict(s)) for n, s in named.items()}
        kept |= {"required": list(named), "additionalProperties": False}
    return kept


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {**schema, "type": [schema.get("type", "string"), "null"], "enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def without_nulls(arguments: str) -> str:
    """Return the call's arguments without the nulls that stand for defaults; text that is no JSON stays as it is."""
    try:
        value = json.loads(arguments)
    except (json.JSONDecodeError, RecursionError):
        return arguments
    return json.dumps(_dropped(value), ensure_ascii=False) if isinstance(value, dict) else arguments


def _dropped(value: Any) -> Any:
    match value:
        case dict():
            return {k: _dropped(v) for k, v in cast("dict[str, Any]", value).items() if v is not None}
        case list():
            return [_dropped(v) for v in cast("list[Any]", value)]
        case _:
            return value
