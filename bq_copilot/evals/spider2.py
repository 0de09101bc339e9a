"""Evaluation sets from Spider2's format: its questions, gold results and gold tables.

Decides how its files become ours: `spider2-lite.jsonl` (or `.json`) with questions, `…/exec_result/<id>*.csv` with
accepted results, `…/gold_tables*.jsonl` or the questions' own `gold_tables`. Questions without a gold result are left
out and counted. The files are not shipped; they belong to their authors.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from bq_copilot.errors import Refused
from bq_copilot.evals.suite import Cell, EvalQuestion, EvalSet, Expected

NAMES = ("spider2-lite.jsonl", "spider2-snow.jsonl", "spider2_bq_questions.jsonl")
MOST_ROWS = 2_000


def imported(folder: Path, only: str = "") -> tuple[EvalSet, int]:
    """Return the set, and how many questions were left out for want of a gold result. Raises Refused."""
    source = next((p for n in NAMES for p in sorted(folder.rglob(n))), None)
    if source is None:
        raise Refused(f"{folder} has none of {', '.join(NAMES)}.", code="bad_eval", next="Name a checkout of Spider2.")
    results: dict[str, tuple[Expected, ...]] = {}
    questions: list[EvalQuestion] = []
    left_out = 0
    for row in _rows(source):
        name = str(row.get("instance_id") or row.get("id") or "")
        if not name.startswith(only):
            continue
        accepted = tuple(_expected(p) for p in _gold(folder, name))
        if not accepted:
            left_out += 1
            continue
        results[name] = accepted
        tables = tuple(str(t) for t in cast("list[object]", row.get("gold_tables") or []))
        asked = str(row.get("question") or row.get("instruction") or "")
        questions.append(EvalQuestion(id=name, question=asked, expected=(name,), tables=tables))
    if not questions:
        raise Refused(f"No question in {source} has a gold result in {folder}.", code="bad_eval")
    return EvalSet(name="spider2", about=f"from {source.name}", results=results, questions=tuple(questions)), left_out


def written(suite: EvalSet) -> str:
    """Return the set as YAML."""
    return yaml.safe_dump(suite.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def _gold(folder: Path, name: str) -> list[Path]:
    """Return the accepted results of a question: `<id>.csv`, or one of several `<id>_a.csv`, `<id>_b.csv`, …"""
    found = [p for d in folder.rglob("exec_result") for p in sorted(d.glob(f"{name}*.csv"))]
    return [p for p in found if p.stem == name or p.stem.removeprefix(f"{name}_").isalpha()]


def _expected(path: Path) -> Expected:
    """Read one result; its text columns name the rows, the others are figures."""
    with path.open(newline="", encoding="utf-8") as lines:
        head, *rows = list(csv.reader(lines)) or [["value"]]
    cells = [[_cell(c) for c in row] for row in rows[:MOST_ROWS]]
    texts = [i for i in range(len(head)) if any(isinstance(r[i], str) for r in cells)]
    order = [*texts, *(i for i in range(len(head)) if i not in texts)]
    return Expected(
        columns=tuple(head[i] or f"column_{i}" for i in order),
        rows=tuple(tuple(row[i] for i in order) for row in cells),
        keys=len(texts),
        match="rows" if texts else "figures",
    )


def _cell(text: str) -> Cell:
    if text == "":
        return None
    try:
        return float(text) if "." in text or "e" in text.lower() else int(text)
    except ValueError:
        return text
