"""The JSON in docs/cli.md is the JSON that is printed."""

from __future__ import annotations

import json
import re
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import (
    budget_views,
    comparing,
    exporting,
    list_views,
    pruning,
    replays,
    table_export,
    trace_types,
    view_types,
)
from tests import recorded_runs as rr
from tests.cli.conftest import Bq
from tests.cli.prefect_double import PrefectDouble

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"```json (\w+)\n(.*?)```", re.DOTALL)
Keys = dict[str, Any]


def documented(name: str) -> Any:
    """Return the example of this name."""
    return next(json.loads(text) for found, text in BLOCK.findall(DOCS.read_text(encoding="utf-8")) if found == name)


def keys_of_value(value: Any) -> Keys:
    """Return the nested keys of a JSON value; a list counts as its first element."""
    match value:
        case dict():
            return {k: {} if k == "body" else keys_of_value(v) for k, v in value.items()}
        case [first, *_]:
            return keys_of_value(first)
        case _:
            return {}


def keys_of_type(kind: Any) -> Keys:
    """Return the nested keys that a TypedDict promises."""
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind)
        return {k: {} if k == "body" else keys_of_type(v) for k, v in hints.items()}
    inner = [a for a in typing.get_args(kind) if a is not types.NoneType]
    return keys_of_type(inner[0]) if inner else {}


CASES = {
    "budget": (budget_views.BudgetView, lambda example: example),
    "show": (view_types.ShowView, lambda example: example),
    "runs": (list_views.RunView, lambda example: example["runs"]),
    "pending": (list_views.PendingView, lambda example: example["pending"]),
    "trace": (trace_types.TraceView, lambda example: example),
    "verify": (list_views.CheckView, lambda example: example["runs"]),
    "replay": (replays.ReplayView, lambda example: example["runs"]),
    "diff": (comparing.DiffView, lambda example: example),
    "export": (exporting.ExportView, lambda example: example),
    "table": (table_export.TableExportView, lambda example: example),
    "prune": (pruning.PruneView, lambda example: example),
    "policy": (replays.PolicyView, lambda example: example["plans"]),
}

PRINTED = sorted(CASES.keys() - {"policy", "export", "table", "diff", "prune"})


@pytest.mark.parametrize("name", CASES)
def test_the_documented_keys_are_those_of_the_view(name: str) -> None:
    """Every key of the view is documented, and no other key is."""
    kind, part = CASES[name]
    assert keys_of_value(part(documented(name))) == keys_of_type(kind)


@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed_has_the_documented_keys(name: str, home: Path, bq: Bq) -> None:
    """The command prints exactly the documented keys, at the top and in every list."""
    run = rr.finished(home)
    rr.waiting_for_approval(home, key="key-2")
    printed = bq(
        name, *([run.run_id] if name in {"show", "trace", "verify", "replay", "budget"} else []), "--json"
    ).json
    _same(keys_of_value(printed), keys_of_value(documented(name)))


def _same(printed: Keys, wanted: Keys) -> None:
    """Compare key by key; what is null or empty in this run has nothing below it."""
    assert set(printed) == set(wanted)
    for key, below in printed.items():
        if below:
            _same(below, wanted[key])


def test_an_export_prints_the_documented_keys(home: Path, bq: Bq) -> None:
    """`export --json` as documented."""
    run = rr.finished(home)
    printed = bq("export", run.run_id, "--out", str(home / "answer.csv"), "--json").json
    assert set(printed) == set(documented("export"))


def test_a_detached_ask_prints_the_documented_keys(bq: Bq, prefect: PrefectDouble) -> None:
    """`ask --detach --json` as documented."""
    printed = bq("ask", "How many?", "--detach", "--json").json
    assert set(printed) == set(documented("ask"))


def test_a_decision_prints_the_documented_keys(home: Path, bq: Bq) -> None:
    """`approve --json` as documented."""
    run = rr.waiting_for_approval(home)
    assert set(bq("approve", run.run_id, "--json").json) == set(documented("decision"))


def test_an_error_prints_the_documented_keys(home: Path, bq: Bq) -> None:
    """Errors as documented."""
    rr.finished(home)
    assert keys_of_value(bq("show", "r-x", "--json").json) == keys_of_value(documented("error"))


def test_the_documentation_names_every_verb(home: Path, bq: Bq) -> None:
    """Each command that the program has is in docs/cli.md."""
    text, shown = DOCS.read_text(encoding="utf-8"), bq("--help").out
    commands = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.MULTILINE)
    assert {"ask", "show", "up"} <= set(commands)
    assert [c for c in commands if not re.search(rf"\b{c}\b", text)] == []
