"""Measure a gate with the corpora: `python -m tests.gate_corpus.run_corpus [--misses FILE]`.

Decides: which verdicts count as misses, and the rates. Never: changes a label or a verdict. The gate
comes in as an argument, so that the same code measures one engine, two engines, or a double.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from bq_copilot.catalog import Catalog
from bq_copilot.gate import Gate, Parameter, Verdict
from bq_copilot.policy import Policy
from tests.gate_corpus.corpus import Safe, columns_differ, safe, schema, tables_differ, unsafe


class Ruler(Protocol):
    """What is measured."""

    def rule(self, sql: str, parameters: tuple[Parameter, ...] = ()) -> Verdict: ...


@dataclass(frozen=True)
class Miss:
    """One verdict that differs from its label."""

    id: str
    rule: str
    tier: str
    sql: str
    expected: str
    got: str


@dataclass(frozen=True)
class Report:
    """All misses of one run, and how long the statements took."""

    accepted: tuple[Miss, ...]
    refused: tuple[Miss, ...]
    misread: tuple[Miss, ...]
    other_rule: int
    seconds: float

    @property
    def core_accepts(self) -> tuple[Miss, ...]:
        """Unsafe statements of a core rule that were not denied."""
        return tuple(miss for miss in self.accepted if miss.tier == "core")

    @property
    def refusal_rate(self) -> float:
        """Share of the safe statements that were denied."""
        return len(self.refused) / len(safe())


def acme_policy() -> Policy:
    """The policy that acme.json describes in words."""
    return Policy(name="acme", allowed_datasets=tuple(schema()["allowed_datasets"]), denied_tags=("pii",))


@contextmanager
def acme_gate() -> Iterator[Ruler]:
    """The whole gate over acme; with its second engine where that is built in."""
    catalog, policy = Catalog.from_document(schema()), acme_policy()
    engines = import_module("bq_copilot.gate.engines")
    if not hasattr(engines, "open_gate"):
        yield Gate(catalog, policy)
        return
    with engines.open_gate(catalog, policy) as gate:
        yield gate


def parameters(line: Safe) -> tuple[Parameter, ...]:
    """The line's parameters as the gate takes them."""
    return tuple(Parameter(name=name, type=value.type, value=value.value) for name, value in line.parameters())


def measure(gate: Ruler) -> Report:
    """Rule on every statement and compare."""
    started = time.monotonic()
    accepted, other = _unsafe(gate)
    refused, misread = _safe(gate)
    return Report(accepted, refused, misread, other, time.monotonic() - started)


def _unsafe(gate: Ruler) -> tuple[tuple[Miss, ...], int]:
    accepted, other = [], 0
    for line in unsafe():
        verdict = gate.rule(line.sql)
        if verdict.ruling != "deny":
            expected = f"deny by {line.rule} ({line.why})"
            accepted.append(Miss(line.id, line.rule, line.tier, line.sql, expected, str(verdict.ruling)))
        elif line.rule not in {finding.rule for finding in verdict.findings}:
            other += 1
    return tuple(accepted), other


def _safe(gate: Ruler) -> tuple[tuple[Miss, ...], tuple[Miss, ...]]:
    refused, misread = [], []
    for line in safe():
        verdict = gate.rule(line.sql, parameters(line))
        if verdict.ruling == "deny":
            got = "; ".join(f"{found.rule} {found.message}" for found in verdict.findings)
            refused.append(Miss(line.id, line.topic, "safe", line.sql, "allow or ask", got))
            continue
        for what, differs in (
            ("tables", tables_differ(line, verdict.facts.tables)),
            ("columns", columns_differ(line, verdict.facts.columns)),
        ):
            if differs:
                misread.append(Miss(line.id, line.topic, "safe", line.sql, f"{what} as labelled", differs))
    return tuple(refused), tuple(misread)


def lines(report: Report) -> Iterator[str]:
    """The report for a person, one line at a time."""
    total = len(unsafe()) + len(safe())
    by_rule = Counter(line.rule for line in unsafe())
    missed = Counter(miss.rule for miss in report.accepted)
    for rule in sorted(by_rule):
        yield f"{rule}  {by_rule[rule]:4d} unsafe  {missed[rule]:3d} accepted"
    yield f"accepted: {len(report.accepted)} of {len(unsafe())}, {len(report.core_accepts)} of core rules"
    yield f"denied by another rule than the labelled one: {report.other_rule}"
    yield f"refused: {len(report.refused)} of {len(safe())} safe ({report.refusal_rate:.1%})"
    yield f"read sets that differ from the label: {len(report.misread)}"
    yield f"{total} statements in {report.seconds:.1f} s, {total / report.seconds:.0f} a second"


def misses(report: Report) -> str:
    """Every miss as Markdown, one line each, worst first."""
    out = []
    for title, found in (
        ("Unsafe, not denied", sorted(report.accepted, key=lambda miss: miss.tier)),
        ("Safe, denied", report.refused),
        ("Read set differs", report.misread),
    ):
        out.append(f"\n## {title}: {len(found)}")
        for miss in found:
            text = " ".join(miss.sql.split())
            out.append(f"- {miss.id} [{miss.tier}] `{text[:300]}`\n  expected {miss.expected}; got {miss.got[:300]}")
    return "\n".join(out)


def main() -> int:
    """Measure, print, and return 1 when a core statement was accepted or too many safe ones were refused."""
    flags = argparse.ArgumentParser(description="Measure the gate with the acme corpora.")
    flags.add_argument("--misses", type=Path, help="also write every miss to this file, as Markdown")
    chosen = flags.parse_args()
    with acme_gate() as gate:
        report = measure(gate)
    print(misses(report), *lines(report), sep="\n")
    if chosen.misses:
        chosen.misses.write_text("\n".join([*lines(report), misses(report), ""]))
    return 1 if report.core_accepts or report.refusal_rate > 0.02 else 0


if __name__ == "__main__":
    raise SystemExit(main())
