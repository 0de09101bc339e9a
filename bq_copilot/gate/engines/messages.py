"""The analyzer's protobuf messages, loaded when first needed.

Decides nothing. The package ships no types and costs a tenth of a second to import, so it is loaded by name, in one
place, and its absence is one kind of error.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bq_copilot.gate.port import EngineMissing


def load(name: str) -> Any:
    """Return a module of the `zetasql` package by its dotted name; raises `EngineMissing`."""
    try:
        return import_module(f"zetasql.{name}")
    except ImportError as error:
        raise EngineMissing("the zetasql package does not load") from error


def service() -> Any:
    """Return the messages of the analyzer's calls."""
    return load("wasi._pb2.zetasql.local_service.local_service_pb2")


def options() -> Any:
    """Return the messages of language and analyzer options."""
    return load("wasi._pb2.zetasql.proto.options_pb2")


def names() -> Any:
    """Return the enumerations of language features and product modes."""
    return load("wasi._pb2.zetasql.public.options_pb2")


def catalogs() -> Any:
    """Return the messages of catalogs."""
    return load("wasi._pb2.zetasql.proto.simple_catalog_pb2")


def types() -> Any:
    """Return the messages of types."""
    return load("wasi._pb2.zetasql.public.type_pb2")


def functions() -> Any:
    """Return the enumerations of functions and their arguments."""
    return load("wasi._pb2.zetasql.public.function_pb2")
