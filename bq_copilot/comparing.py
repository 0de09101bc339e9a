"""`diff`: what is the same in two runs and what is not, from the question to the figures of the answer.

Pure: two folded states and their stored rows in, the documented JSON out. A difference is named once, with both sides
and, for texts, the lines that differ.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from bq_copilot.amounts import size
from bq_copilot.state import Plan, RunState
from bq_copilot.views import answered_queries, newest_request

Pages = Mapping[str, Sequence[Sequence[Any]]]

MOST = 60
"""Lines of one difference that are shown."""


class DifferenceView(TypedDict):
    """One thing that is not the same; `lines` is a unified diff where both sides are texts."""

    what: str
    a: str
    b: str
    lines: list[str]


class DiffView(TypedDict):
    """The whole of `diff --json`."""

    a: str
    b: str
    related: str
    """How one run comes from the other, empty when it does not."""
    same: list[str]
    differences: list[DifferenceView]


def compare(a: RunState, b: RunState, pages_a: Pages, pages_b: Pages) -> DiffView:
    """Return what two runs have in common and what not."""
    sides_a, sides_b = _sides(a, pages_a), _sides(b, pages_b)
    names = list(dict.fromkeys([*sides_a, *sides_b]))
    pairs = [(n, sides_a.get(n, ""), sides_b.get(n, "")) for n in names]
    return DiffView(
        a=a.run_id,
        b=b.run_id,
        related=_related(a, b) or _related(b, a),
        same=[n for n, x, y in pairs if x == y],
        differences=[_difference(n, x, y) for n, x, y in pairs if x != y],
    )


def _related(child: RunState, parent: RunState) -> str:
    received = child.received
    if received is None or received.parent_run != parent.run_id:
        return ""
    return f"{child.run_id} comes from {parent.run_id} after event {received.parent_seq}"


def _sides(state: RunState, pages: Pages) -> dict[str, str]:
    pinned, plan = state.pinned, newest_request(state) or state.plan
    sides = {
        "question": state.question,
        "requester": state.requester,
        "phase": str(state.phase),
        "error": state.failure.code if state.failure else "",
        "model": pinned.model if pinned else "",
        "warehouse": pinned.warehouse if pinned else "",
        "policy": pinned.policy_fingerprint if pinned else "",
        "schemas": pinned.schema_fingerprint if pinned else "",
        "calls": "\n".join(_call(state)),
        "clarifying answer": state.answered.answer if state.answered else "",
    }
    sides |= _plan(plan) if plan else {}
    for query in answered_queries(state):
        result = state.results[query]
        sides[f"{query}: columns"] = ", ".join(f"{c.name} {c.type}" for c in result.columns)
        sides[f"{query}: rows"] = f"{result.row_count:,}"
        sides[f"{query}: result"] = "\n".join(" | ".join(map(str, row)) for row in pages.get(query, ()))
    if state.answer is not None:
        sides["answer"] = state.answer.summary
        sides["unsupported figures"] = ", ".join(state.answer.unsupported)
        sides["chart"] = f"{state.answer.chart.kind} {state.answer.chart.query} {state.answer.chart.title}".strip()
    sides["billed"] = size(state.bytes_billed)
    sides["tokens"] = f"{state.tokens:,}"
    return sides


def _call(state: RunState) -> list[str]:
    return [t.taken.call.name if t.taken and t.taken.call else "no call" for t in state.turns]


def _plan(plan: Plan) -> dict[str, str]:
    sides = {f"{q.id}: SQL": q.sql for q in plan.queries}
    sides |= {f"{q.id}: ruling": str(v.ruling) for q, v in zip(plan.queries, plan.verdicts, strict=False)}
    sides |= {f"{e.query}: estimate": size(e.bytes) for e in plan.estimates}
    if plan.request is not None:
        sides["approval tier"] = str(plan.request.approvers.tier)
        sides["decision"] = f"{plan.decided.verdict} by {plan.decided.by}" if plan.decided else "none"
    return sides


def _difference(what: str, a: str, b: str) -> DifferenceView:
    lines: list[str] = []
    if "\n" in a or "\n" in b or min(len(a), len(b)) > 80:
        diff = difflib.unified_diff(a.splitlines(), b.splitlines(), lineterm="", n=1)
        lines = [line for line in diff if not line.startswith(("---", "+++"))]
    cut = lines[:MOST] + ([f"… {len(lines) - MOST} more lines"] if len(lines) > MOST else [])
    return DifferenceView(what=what, a=a, b=b, lines=cut)
