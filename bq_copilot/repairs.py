"""What a model is told about a plan that did not pass: codes, positions, and the nearest real names.

Decides how an error of parser, gate or warehouse becomes data that can be acted on. Names are only those of readable
tables; texts are bounded and marked untrusted where they quote somebody. It repairs nothing itself.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from bq_copilot.bounded import clip
from bq_copilot.catalog import Catalog, Table
from bq_copilot.gate.verdict import Finding, Verdict
from bq_copilot.policy import Policy
from bq_copilot.state import Plan
from bq_copilot.values import Failure

FINDINGS = 10
NEAR = 5
CANDIDATES = 400
"""Names that are compared letter by letter; they are chosen by the pairs of letters that they share."""

_AT = re.compile(r"\[(\d+):(\d+)\]|\bat line (\d+),? column (\d+)", re.IGNORECASE)
_NAMED = re.compile(r"`([^`]+)`|'([^']+)'|\"([^\"]+)\"|\b([A-Za-z_][\w.\-]{2,})")
_PROSE = """
unrecognized name not found inside table column field function type types argument arguments signature no matching for
the with and was were did you mean expected got end input syntax error query dataset location which is in
"""
_SAID = frozenset(_PROSE.split())
"""Words of error messages that are no names."""


def gate_findings(
    verdicts: Sequence[Verdict], names: Sequence[str], catalog: Catalog, policy: Policy
) -> list[dict[str, Any]]:
    """Return what denied the plan: rule, advice, position, subject, and real names near an unknown one."""
    found: list[dict[str, Any]] = []
    for query, verdict in zip(names, verdicts, strict=True):
        denied = [f for f in verdict.findings if f.severity == "deny"]
        tables = _tables(verdict, catalog, policy)
        found += [_finding(query, f, tables) for f in denied]
    return found[:FINDINGS]


def _finding(query: str, f: Finding, tables: Sequence[Table]) -> dict[str, Any]:
    near = _near([f.subject.strip("`")], tables) if f.subject else []
    said = {"query": query, "rule": f.rule, "message": f.advice or f.message, "line": f.line, "column": f.column}
    return {**said, "subject": clip(f.subject or "", 200), **({"did_you_mean": near} if near else {})}


def warehouse_error(why: Failure, verdict: Verdict | None, catalog: Catalog, policy: Policy) -> dict[str, Any]:
    """Return what the warehouse said, as data: its code, its words, where, and real names near what it names."""
    tables = _tables(verdict, catalog, policy)
    at = _AT.search(why.message)
    line, column = ((at[1] or at[3]), (at[2] or at[4])) if at else (None, None)
    words = [next(g for g in m.groups() if g) for m in _NAMED.finditer(why.message)]
    return {
        "reason": why.code,
        "warehouse_says": clip(why.message, 600),
        "line": int(line) if line else None,
        "column": int(column) if column else None,
        "did_you_mean": _near([w for w in words if w.lower() not in _SAID], tables),
    }


def _tables(verdict: Verdict | None, catalog: Catalog, policy: Policy) -> list[Table]:
    """The tables that the statement reads first, then all others that may be read."""
    allowed = set(policy.allowed_datasets)
    readable = [t for t in catalog.tables if t.dataset in allowed]
    named = set(verdict.facts.tables) if verdict else set[str]()
    return sorted(readable, key=lambda t: t.id not in named)


def _near(words: Iterable[str], tables: Sequence[Table]) -> list[str]:
    """Return real names near these words that are not themselves real."""
    names = dict.fromkeys(leaf.path for t in tables for leaf in t.leaves)
    names |= dict.fromkeys(t.id for t in tables)
    found: list[str] = []
    for word in dict.fromkeys(words):
        if word not in names and not any(n.endswith(f".{word}") for n in names):
            found += _nearest(word, list(names))
    return list(dict.fromkeys(found))[:NEAR]


def _nearest(word: str, names: Sequence[str]) -> list[str]:
    pairs = _pairs(word)
    shared = [(len(pairs & _pairs(n.rsplit(".", 1)[-1] if "." not in word else n)), n) for n in names]
    chosen = [n for score, n in sorted(shared, key=lambda p: -p[0])[:CANDIDATES] if score]
    by_leaf: dict[str, str] = {}
    for name in chosen:
        by_leaf.setdefault(name if "." in word else name.rsplit(".", 1)[-1], name)
    leaf = {k.lower(): v for k, v in by_leaf.items()}
    return [leaf[m] for m in difflib.get_close_matches(word.lower(), leaf, n=2, cutoff=0.7)]


def _pairs(text: str) -> set[str]:
    low = text.lower()
    return {low[i : i + 2] for i in range(len(low) - 1)}


def note_of(plan: Plan | None) -> str:
    """Say, for the trace and the card, which repair a new plan of the model is; codes only, no text of the model."""
    if plan is None or plan.by != "model" or not (plan.denied or plan.refusal or plan.consumed):
        return ""
    rules = sorted({f.rule for v in plan.verdicts for f in v.findings if f.severity == "deny"})
    why = f"denied by {', '.join(rules)}" if rules else f"refused: {plan.refusal[1].code}" if plan.refusal else "failed"
    return f"Repair of revision {plan.revision}, which was {why}."
