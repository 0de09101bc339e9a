"""What the model is told beside the question: fitting tables, notes, accepted queries, the run before.

Decides what fits into the budget and in which order it stands; the same facts give the same bytes. Everything in it is
data from elsewhere: it is bounded in length, and no text in it can end the part of the prompt that it stands in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bq_copilot.bounded import bounded_rows, clip
from bq_copilot.catalog import Leaf
from bq_copilot.memory import Remembered
from bq_copilot.notes import DatasetNotes
from bq_copilot.policy import Policy
from bq_copilot.retrieval.units import Unit
from bq_copilot.values import ResultColumn

TABLES = 10
"""Tables that are put before the model at once; others are found with `list_tables`."""
COLUMNS = 40
"""Columns that are named of one of them; `describe_table` shows all."""
SHARE = 4
"""The briefing gets one part in this many of a prompt's budget."""


@dataclass(frozen=True, slots=True)
class EarlierResult:
    """A result of the earlier run, as far as it may be shown."""

    query: str
    sql: str
    columns: tuple[ResultColumn, ...]
    rows: Sequence[Sequence[Any]]
    row_count: int
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The run that this one continues, and the questions of those before it, newest first."""

    run_id: str
    seq: int
    question: str
    answer: str
    results: tuple[EarlierResult, ...]
    settled: tuple[tuple[str, str, str], ...]
    before: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a briefing can be made of."""

    units: tuple[Unit, ...]
    tables_in_all: int
    notes: Mapping[str, DatasetNotes]
    examples: tuple[Remembered, ...]
    earlier: Earlier | None


def build(known: Known, policy: Policy, budget: int) -> str:
    """Return the briefing as JSON of at most `budget` bytes."""
    parts: dict[str, Any] = {}
    room = budget - 200
    if known.earlier is not None:
        parts["earlier"] = _earlier(known.earlier, room // 3)
    if known.notes:
        parts["notes"] = _notes(known.notes, room // 4)
    if known.examples:
        parts["accepted_examples"] = _fitting((_example(e) for e in known.examples), room // 4)
    left = room - len(written(parts).encode())
    tables = _fitting((_table(u, policy) for u in known.units), left)
    others = known.tables_in_all - sum(len(u.members) for u in known.units[: len(tables)])
    return written({"tables": tables, "other_tables": max(others, 0), **parts})


def written(value: Any) -> str:
    """Return JSON in which no angle bracket stands: it cannot look like a part of the prompt."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _fitting(items: Iterable[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """Return as many items as fit, in order; the first that does not fit ends the list."""
    found: list[dict[str, Any]] = []
    for item in items:
        room -= len(written(item).encode()) + 1
        if room < 0:
            break
        found.append(item)
    return found


def _table(unit: Unit, policy: Policy) -> dict[str, Any]:
    table = unit.table
    card: dict[str, Any] = {"table": unit.id, "description": clip(table.description, 240)}
    if unit.is_family:
        card["family_of"] = len(unit.members)
        card["suffixes"] = [unit.members[0][len(unit.id) - 1 :], unit.members[-1][len(unit.id) - 1 :]]
    card["columns"] = [_column(leaf, policy) for leaf in table.leaves[:COLUMNS]]
    if len(table.leaves) > COLUMNS:
        card["more_columns"] = len(table.leaves) - COLUMNS
    return card


def _column(leaf: Leaf, policy: Policy) -> str:
    marks = [clip(leaf.path, 120), leaf.type]
    if policy.meaning(leaf.tags) & set(policy.denied_tags):
        marks.append("restricted")
    return " ".join(marks)


def _notes(notes: Mapping[str, DatasetNotes], room: int) -> dict[str, Any]:
    """Return the notes by dataset; where they do not fit, whole entries are left out from the end."""
    found: dict[str, Any] = {}
    for dataset, one in notes.items():
        kept: dict[str, Any] = {"about": one.about} if one.about else {}
        for name in ("metrics", "warnings", "joins", "synonyms"):
            entries = [e.model_dump(mode="json", exclude_defaults=True) for e in getattr(one, name)]
            fitting = _fitting(entries, room)
            room -= len(written(fitting).encode())
            kept |= {name: fitting} if fitting else {}
        found[dataset] = kept
    return found


def _example(example: Remembered) -> dict[str, Any]:
    said = {"asked": clip(example.question, 300), "sql": example.sql[:2_000]}
    return {**said, "accepted_by": example.accepted_by, "run": example.run_id}


def _earlier(earlier: Earlier, room: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "run": earlier.run_id,
        "question": clip(earlier.question, 1_000),
        "answer": clip(earlier.answer, 2_000),
        "settled": [{"question": clip(q, 300), "answer": clip(a, 300)} for _, q, a in earlier.settled],
        "before_that": [{"question": clip(q, 300), "answer": clip(a, 500)} for q, a in earlier.before],
    }
    room -= len(written(said).encode())
    share = max(room // max(len(earlier.results), 1), 500)
    said["results"] = [_result(r, share) for r in earlier.results]
    return {k: v for k, v in said.items() if v}


def _result(result: EarlierResult, room: int) -> dict[str, Any]:
    head = {"query": result.query, "sql": result.sql[:2_000], "columns": [c.name for c in result.columns]}
    rows = bounded_rows(result.rows, 20, max(room - len(written(head).encode()), 0))
    return {**head, "rows": rows, "row_count": result.row_count, "summary": dict(result.summary)}
