"""L5's port: what a second, independent engine says about the canonical text, and how the two are compared.

Decides what agreement means. It never trusts one side: a table or a leaf that only one engine sees refuses. The
second engine gives bounds, because it does not say for every column that passes through a derived table whether
the text named it: what L3 read must lie between what is surely read and what may be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bq_copilot.catalog import Catalog


@dataclass(frozen=True, slots=True)
class SecondReading:
    """Tables and leaf bounds by the second engine; None bounds mean that it knows tables only."""

    tables: frozenset[str]
    surely: frozenset[str] | None = None
    possibly: frozenset[str] | None = None


class EngineRefusal(Exception):
    """The second engine does not accept the text; the message is the engine's reason."""


class EngineMissing(Exception):
    """The engine cannot be loaded here; another one must stand in."""


class SecondEngine(Protocol):
    """A second engine."""

    @property
    def name(self) -> str:
        """Name and version, as verdicts show it."""
        ...

    def accept(self, sql: str) -> None:
        """Parse the text as it came in; raises `EngineRefusal` or `EngineMissing`."""
        ...

    def read(self, sql: str, catalog: Catalog, parameters: Mapping[str, str]) -> SecondReading:
        """Return what the text reads, given parameter types; raises `EngineRefusal` or `EngineMissing`."""
        ...


def disagreement(reading: SecondReading, tables: frozenset[str], leaves: frozenset[str]) -> str | None:
    """Return why the two engines disagree, or None when they agree."""
    if reading.tables != tables:
        return f"tables differ: {_some(reading.tables ^ tables)}"
    if reading.surely is not None and not reading.surely <= leaves:
        return f"only the second engine sees {_some(reading.surely - leaves)}"
    if reading.possibly is not None and not leaves <= reading.possibly:
        return f"only the first engine sees {_some(leaves - reading.possibly)}"
    return None


def _some(names: frozenset[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:3]) + (" and more" if len(shown) > 3 else "")
