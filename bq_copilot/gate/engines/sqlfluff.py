"""The stand-in for the second engine: sqlfluff's BigQuery grammar, which knows tables but no columns.

Decides only whether another parser reads the canonical text as one query over the same stored tables. It is slow
and is used only where the analyzer cannot be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from bq_copilot.catalog import Catalog
from bq_copilot.gate.port import EngineMissing, EngineRefusal, SecondReading


class SqlfluffEngine:
    """sqlfluff behind the second engine's port."""

    def __init__(self) -> None:
        self._linter: Any = None

    @property
    def name(self) -> str:
        """Name and version."""
        return f"sqlfluff {version('sqlfluff')} (tables only)"

    def accept(self, sql: str) -> None:
        """Do nothing: the canonical text is parsed in `read`, and one slow parse is enough here."""

    def read(self, sql: str, catalog: Catalog, parameters: Mapping[str, str]) -> SecondReading:
        """Return the stored tables that the text names; raises `EngineRefusal` or `EngineMissing`."""
        tree = self._parsed(sql).tree
        if tree is None or any(True for _ in tree.recursive_crawl("unparsable")):
            raise EngineRefusal("it does not parse")
        statements = list(tree.recursive_crawl("statement"))
        if len(statements) != 1 or not any(True for _ in statements[0].recursive_crawl("select_statement")):
            raise EngineRefusal("it is not one query")
        names = {segment.raw.strip("`") for segment in tree.recursive_crawl("table_reference")}
        stored = {n for n in names if n.count(".") == 2 and f"`{n}`" in sql}
        return SecondReading(frozenset(_family(n, catalog) for n in stored))

    def _parsed(self, sql: str) -> Any:
        if self._linter is None:
            try:
                from sqlfluff.core import FluffConfig, Linter  # noqa: PLC0415
            except ImportError as error:
                raise EngineMissing("sqlfluff is not installed") from error
            config: Any = FluffConfig(overrides={"dialect": "bigquery", "templater": "raw"})
            self._linter = Linter(config=config)
        return self._linter.parse_string(sql)


def _family(name: str, catalog: Catalog) -> str:
    family = catalog.family(name) if "*" in name else None
    return family.pattern if family is not None else name
