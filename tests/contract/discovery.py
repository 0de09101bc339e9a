"""Google's published description of an API, and what a request says that is not in it.

Reads the discovery documents that `google-api-python-client` carries. Decides: which published method a request is, and
every name, type and enum value in it that the method does not have. Never does: send anything.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, str),
    "number": (int, float, str),
    "boolean": (bool,),
    "any": (object,),
    "object": (dict,),
    "array": (list,),
}
"""JSON that Google's servers take for each type; 64-bit integers travel as strings too."""


@dataclass(frozen=True)
class Call:
    """One request as it left: its path is below the API's root, its parameters are those of the address."""

    method: str
    path: str
    parameters: Mapping[str, str]
    body: Any = None


class Discovery:
    """One published API."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Any] = document["schemas"]
        self._common: Mapping[str, Any] = document["parameters"]
        self._base = "/" + document["servicePath"].strip("/")
        self._methods = {m["id"]: m for m in _methods(document)}

    @classmethod
    def of(cls, name: str) -> Discovery:
        """Return the API of this name and version, e.g. `bigquery.v2`."""
        return cls(_document(name))

    def method_of(self, call: Call) -> tuple[str, dict[str, str]] | None:
        """Return (id of the published method, parameters in the path), None when there is no such method."""
        for name, method in self._methods.items():
            found = _pattern(self._base, method).fullmatch(call.path)
            if method["httpMethod"] == call.method and found:
                return name, {k: unquote(v) for k, v in found.groupdict().items()}
        return None

    def response_of(self, method: str) -> Mapping[str, Any]:
        """Return the schema of what a method answers."""
        return self._methods[method].get("response", {})

    def problems(self, call: Call) -> list[str]:
        """Return what the request has that the published method has not; empty for a request that fits."""
        found = self.method_of(call)
        if found is None:
            return [f"{call.method} {call.path} is no published method"]
        method, in_path = self._methods[found[0]], found[1]
        known = {**self._common, **method.get("parameters", {})}
        problems = [f"{found[0]}: parameter {name} is not published" for name in call.parameters if name not in known]
        both = {**in_path, **call.parameters}
        for name, value in both.items():
            problems += _value(f"{found[0]}?{name}", value, known.get(name, {}), from_address=True)
        missing = [n for n, p in known.items() if p.get("required") and n not in both]
        problems += [f"{found[0]}: parameter {name} is required" for name in missing]
        if call.body is not None:
            problems += self._body(found[0], call.body, method.get("request"))
        return problems

    def _body(self, where: str, body: Any, request: Mapping[str, Any] | None) -> list[str]:
        if request is None:
            return [f"{where} takes no body"]
        return list(self.value_problems(where, body, request))

    def value_problems(self, where: str, value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
        """Yield every name, type and enum value below `value` that the schema does not have."""
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        problems = _value(where, value, schema)
        yield from problems
        if problems or value is None:
            return
        if isinstance(value, list):
            for item in value:
                yield from self.value_problems(f"{where}[]", item, schema.get("items", {}))
        if isinstance(value, dict):
            yield from self._members(where, value, schema)

    def _members(self, where: str, value: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            below = properties.get(name, others)
            if below is None:
                yield f"{where}.{name} is not published"
            else:
                yield from self.value_problems(f"{where}.{name}", item, below)


@cache
def _document(name: str) -> dict[str, Any]:
    folder = importlib.resources.files("googleapiclient") / "discovery_cache" / "documents"
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def _methods(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from resource.get("methods", {}).values()
    for below in resource.get("resources", {}).values():
        yield from _methods(below)


def _pattern(base: str, method: Mapping[str, Any]) -> re.Pattern[str]:
    """Return what an address of the method looks like; a parameter in it has its published pattern."""
    path = method["path"] if method["path"].startswith(base.strip("/") + "/") else f"{base.strip('/')}/{method['path']}"
    parts = re.split(r"\{\+?(\w+)\}", path)
    known = method.get("parameters", {})
    made = [re.escape(p) if n % 2 == 0 else _group(p, known.get(p, {})) for n, p in enumerate(parts)]
    return re.compile("/" + "".join(made))


def _group(name: str, parameter: Mapping[str, Any]) -> str:
    return f"(?P<{name}>{parameter.get('pattern', '[^/]+').removeprefix('^').removesuffix('$')})"


def _value(where: str, value: Any, schema: Mapping[str, Any], *, from_address: bool = False) -> list[str]:
    """Check type and enum of one value; in an address everything is text."""
    if value is None:
        return []
    kind = schema.get("type", "any")
    if from_address:
        value = _read(value, kind)
    wrong = isinstance(value, bool) and kind not in {"boolean", "any"}
    if wrong or not isinstance(value, JSON_TYPES[kind]):
        return [f"{where} is {value!r}, published is a value of type {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is {value!r}, published are {', '.join(schema['enum'])}"]
    return []


def _read(text: str, kind: str) -> Any:
    """Return a parameter's text as the value that it stands for; text that stands for none stays text in a list."""
    if kind == "integer":
        return int(text) if re.fullmatch(r"-?\d+", text) else [text]
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), [text])
    return text
