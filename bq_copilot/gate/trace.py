"""What one resolution has seen so far: relations, leaves, findings.

Decides nothing; the resolver writes into it while it walks one statement, and the gate reads it at the end.
One trace belongs to one walk and is thrown away with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from bq_copilot.gate.advice import finding
from bq_copilot.gate.values import Value, derived
from bq_copilot.gate.verdict import Finding, Ruling


@dataclass(slots=True)
class Trace:
    """The collecting side of one walk."""

    tables: set[str] = field(default_factory=set[str])
    leaves: dict[str, exp.Expr | None] = field(default_factory=dict[str, "exp.Expr | None"])
    findings: list[Finding] = field(default_factory=list[Finding])
    named: list[tuple[exp.Table, str]] = field(default_factory=list[tuple[exp.Table, str]])

    def consume(self, value: Value, node: exp.Expr | None = None) -> Value:
        """Record that every leaf below the value is read (first at `node`); return what is left of it."""
        for leaf in stored_leaves(value):
            self.leaves.setdefault(leaf, node)
        return derived(value)

    def refuse(self, rule: str, key: str, node: exp.Expr | None, subject: str = "", **words: str) -> None:
        """Record a denial at a node of the tree."""
        self._add(rule, key, Ruling.DENY, node, subject, words)

    def ask(self, rule: str, key: str, node: exp.Expr | None, subject: str = "", **words: str) -> None:
        """Record something that a person must look at."""
        self._add(rule, key, Ruling.ASK, node, subject, words)

    def _add(
        self, rule: str, key: str, severity: Ruling, node: exp.Expr | None, subject: str, words: dict[str, str]
    ) -> None:
        line, column = where(node)
        found = finding(rule, key, severity, line, column, subject, words)
        if found not in self.findings:
            self.findings.append(found)


def stored_leaves(value: Value) -> Iterable[str]:
    """Return the leaves that are still stored somewhere below a value (derived parts were counted before)."""
    if value.place is not None:
        return value.leaves
    inner = [field for _, field in value.fields] + ([value.element] if value.element else [])
    return [leaf for part in inner for leaf in stored_leaves(part)]


def where(node: exp.Expr | None) -> tuple[int, int]:
    """Return line and column of the first identifier at or below a node, or zeros when it has none."""
    if node is None:
        return 0, 0
    for inner in node.walk(bfs=True):
        line = inner.meta.get("line")
        if line:
            length = (inner.meta.get("end") or 0) - (inner.meta.get("start") or 0)
            return int(line), max(1, int(inner.meta.get("col") or 0) - max(0, int(length)))
    return 0, 0
