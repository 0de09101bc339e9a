"""`python -m tests.sample_data.make_eval SEED_FOLDER`: write the shipped evaluation set from the pandas truths.

Decides nothing about what is right: the accepted rows are computed by pandas from the sample tables (`truths.py`), the
wordings come from `questions.yaml` and from `held_out.yaml`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tests.sample_data.frames import Frames
from tests.sample_data.questions import FOLDER, GOLD, Question, load_questions
from tests.sample_data.registry import Expected, Truth
from tests.sample_data.truths import TRUTHS

HELD_OUT = Path(__file__).with_name("held_out.yaml")
OUT = FOLDER / "eval.yaml"
HEAD = """# The evaluation set over the sample data (seed 7, scale 1): `bq-copilot eval sample`.
# Made by `python -m tests.sample_data.make_eval`; the accepted rows are computed by pandas. Do not edit it by hand.
"""


def main() -> None:
    """Write the file."""
    frames = Frames(Path(sys.argv[1]))
    text = yaml.safe_dump(suite_of(frames), sort_keys=False, allow_unicode=True, width=200, default_flow_style=None)
    OUT.write_text(HEAD + text, encoding="utf-8")


def suite_of(frames: Frames) -> dict[str, Any]:
    """Return the whole set as plain data."""
    questions = [_asked(q) for q in load_questions().questions]
    held = yaml.safe_load(HELD_OUT.read_text(encoding="utf-8"))
    for truth, wording in held.items():
        shared = {"question": wording, "expected": [truth], "tables": _tables(truth)}
        questions.append({"id": f"new-{truth}", **shared, "held_out": True})
    results = {name: [_accepted(truth, e) for e in truth.expected(frames)] for name, truth in sorted(TRUTHS.items())}
    about = "A made-up shop and its web analytics; held-out wordings were written before the model saw them."
    return {"format": 1, "name": "sample data", "about": about, "results": results, "questions": questions}


def _asked(q: Question) -> dict[str, Any]:
    kinds = {"ambiguous": "ambiguous", "unanswerable": "unanswerable", "hostile": "hostile"}
    entry: dict[str, Any] = {"id": q.id, "question": q.question, "kind": kinds.get(q.kind, "answerable")}
    if entry["kind"] == "answerable":
        entry |= {"expected": [q.truth], "tables": _tables(q.truth or "")}
    return entry


def _tables(truth: str) -> list[str]:
    sql = (GOLD / f"{truth}.sql").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"`(bq-copilot-sandbox\.\w+\.\w+)`", sql)))


def _accepted(truth: Truth, expected: Expected) -> dict[str, Any]:
    match = {"rows": {}, "ranking": {"match": "ranking", "top": truth.top}}.get(
        str(truth.match), {"match": str(truth.match)}
    )
    if not isinstance(expected, pd.DataFrame):
        return {"columns": ["value"], "rows": [[_cell(float(expected))]]}
    rows = [[_cell(v) for v in row] for row in expected.to_numpy(dtype=object).tolist()]
    return {"columns": [str(c) for c in expected.columns], "rows": rows, "keys": truth.keys, **match}


def _cell(value: Any) -> Any:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    if isinstance(value, str | bool | int):
        return value
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%d")
    number = float(value)
    return int(number) if number.is_integer() else round(number, 6)


if __name__ == "__main__":
    main()
