"""Views, expanded from the pinned catalog: are their base tables allowed, and which tags do their columns inherit.

Decides P03 and the tags of view columns. It reads the view's own text, not the warehouse, and remembers nothing
beyond one catalog and policy. A view that cannot be expanded is refused, a view over itself too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bq_copilot.catalog import Catalog, Table
from bq_copilot.gate.lexer import LexicalFault
from bq_copilot.gate.notation import plain_text
from bq_copilot.gate.rendering import Unparsed, parse
from bq_copilot.gate.resolve import Resolver
from bq_copilot.gate.values import Value
from bq_copilot.gate.verdict import Ruling
from bq_copilot.policy import Policy


@dataclass(frozen=True, slots=True)
class Expansion:
    """One expanded view: why it is refused (if it is), all tables below it, and the leaves behind each column."""

    fault: str | None
    tables: frozenset[str] = frozenset()
    columns: tuple[tuple[str, frozenset[str]], ...] = ()


class Views:
    """Every view of one catalog under one policy, expanded at most once."""

    def __init__(self, catalog: Catalog, policy: Policy) -> None:
        self._catalog, self._policy = catalog, policy
        self._known: dict[str, Expansion] = {}
        self._open: list[str] = []

    def fault(self, table: Table) -> str | None:
        """Return why the view may not be read, or None."""
        return self.expand(table).fault

    def expand(self, table: Table) -> Expansion:
        """Return the expansion of a view."""
        if table.id not in self._known:
            self._known[table.id] = self._expand(table)
        return self._known[table.id]

    def below(self, leaf: str, table: Table) -> frozenset[str]:
        """Return the stored leaves behind one leaf of a view, through views over views."""
        top = leaf.removeprefix(f"{table.id}.").split(".")[0].casefold()
        direct = next((found for name, found in self.expand(table).columns if name.casefold() == top), frozenset[str]())
        return direct | frozenset(deep for one in direct for deep in self._deeper(one))

    def _deeper(self, leaf: str) -> frozenset[str]:
        table = self._catalog.table(".".join(leaf.split(".")[:3]))
        is_view = table is not None and table.view_sql is not None
        return self.below(leaf, table) if is_view and table is not None else frozenset()

    def _expand(self, table: Table) -> Expansion:
        if not table.view_sql:
            return Expansion("its definition is not in the catalog")
        if table.id in self._open:
            return Expansion("it refers to itself")
        self._open.append(table.id)
        try:
            return self._resolved(table, plain_text(table.view_sql))
        except (Unparsed, LexicalFault, RecursionError):
            return Expansion("its definition is not understood")
        finally:
            self._open.pop()

    def _resolved(self, table: Table, text: str) -> Expansion:
        resolver = Resolver(self._catalog, self._policy, partial(Views.fault, self))
        result = resolver.statement(parse(text))
        refusals = [f for f in resolver.trace.findings if f.severity is Ruling.DENY]
        if refusals:
            return Expansion(f"rule {refusals[0].rule} applies to its definition")
        tables = set(resolver.trace.tables)
        for name in resolver.trace.tables:
            inner = self._catalog.table(name)
            if inner is not None and inner.view_sql is not None:
                tables |= self.expand(inner).tables
        return Expansion(None, frozenset(tables), _columns(table, result.columns))


def _columns(table: Table, made: list[tuple[str, Value]]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Match the view's listed columns with what its text puts out: by name, else by position, else everything."""
    every = frozenset[str]().union(*(value.leaves for _, value in made))
    found: list[tuple[str, frozenset[str]]] = []
    for at, column in enumerate(table.columns):
        named = next((v.leaves for n, v in made if n.casefold() == column.name.casefold()), None)
        placed = made[at][1].leaves if len(made) == len(table.columns) else every
        found.append((column.name, placed if named is None else named))
    return tuple(found)
