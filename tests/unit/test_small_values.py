"""Canonical bytes, ids, shelf, tools, estimates: small pure parts."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot import identity, toolbox
from bq_copilot.amounts import counted
from bq_copilot.canonical import canonical_json, digest
from bq_copilot.catalog import Catalog
from bq_copilot.errors import Damaged, Refused
from bq_copilot.estimates import judge
from bq_copilot.policy import Policy
from bq_copilot.ports import DryRun
from bq_copilot.shelf import Shelf
from bq_copilot.testing import MemoryBlobs
from bq_copilot.values import INLINE_LIMIT, ResultColumn, ToolCall
from tests.unit.samples import verdict

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_reads_back_to_the_same_value(value: object) -> None:
    """Nothing is lost in the canonical form."""
    assert json.loads(canonical_json(value), parse_int=float) == _as_doubles(value)


def _as_doubles(value: object) -> object:
    """JSON knows doubles only."""
    match value:
        case bool() | None | str():
            return value
        case int() | float():
            return float(value)
        case list():
            return [_as_doubles(v) for v in value]
        case dict():
            return {k: _as_doubles(v) for k, v in value.items()}
    raise AssertionError(value)


@given(st.dictionaries(st.text(max_size=8), st.integers(0, 9), max_size=6))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    """Two spellings of one object have one digest."""
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.0, "1"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.00001, "0.00001"), (1.5e300, "1.5e+300"), (-0.0, "0")],
)
def test_numbers_are_written_as_rfc_8785_says(number: float, text: str) -> None:
    """ECMAScript's shortest form."""
    assert canonical_json(number) == text.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1])
def test_numbers_without_a_json_form_are_refused(value: float) -> None:
    """What readers would round or drop does not get in."""
    with pytest.raises(ValueError, match=r"JSON|2\*\*53"):
        canonical_json(value)


def test_the_same_key_gives_the_same_run_id() -> None:
    """Ids are pure functions of what they identify."""
    assert identity.run_id("ana", "k") == identity.run_id("ana", "k")
    assert identity.run_id("ana", "k") != identity.run_id("bo", "k")
    assert identity.run_id("a", "bc") != identity.run_id("ab", "c")


@given(st.text(min_size=1, max_size=30))
def test_every_query_name_gives_a_legal_job_id(query: str) -> None:
    """BigQuery accepts the job id whatever the model called its query."""
    assert identity.JOB_ID.fullmatch(identity.job_id("r-abc", query, 1, 2))


@given(st.text(max_size=200))
def test_labels_are_legal(text: str) -> None:
    """BigQuery accepts the label."""
    made = identity.label(text)
    assert len(made) <= 63
    assert not identity.LABEL.search(made)


@given(st.text(max_size=3_000))
def test_the_shelf_gives_back_what_was_put(text: str) -> None:
    """Small or big, the text comes back whole."""
    shelf = Shelf(MemoryBlobs())
    assert shelf.get(shelf.put(text)) == text


def test_a_truncated_blob_is_damage() -> None:
    """A file that lost its end is found, not silently missed."""
    blobs = MemoryBlobs()
    shelf = Shelf(blobs)
    stored = shelf.put("x" * (INLINE_LIMIT + 1))
    blobs.kept = {name: data[:-1] for name, data in blobs.kept.items()}
    with pytest.raises(Damaged, match="not what was recorded"):
        shelf.get(stored)


def test_a_missing_blob_is_damage() -> None:
    """A file that is gone is named."""
    blobs = MemoryBlobs()
    stored = Shelf(blobs).put("x" * (INLINE_LIMIT + 1))
    with pytest.raises(Damaged, match="missing"):
        Shelf(MemoryBlobs()).get(stored)


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("drop_table", "{}", "unknown_tool"),
        ("write_answer", '{"summary": "x"}', "tool_not_allowed"),
        ("describe_table", '{"table": ', "bad_arguments"),
        ("describe_table", '{"table": "a.b.c", "extra": 1}', "bad_arguments"),
        ("describe_table", "[" * 5_000, "bad_arguments"),
        ("describe_table", '"x"', "bad_arguments"),
    ],
)
def test_a_call_that_is_not_understood_has_a_stable_code(name: str, arguments: str, code: str) -> None:
    """Nothing is guessed about what the model might have meant."""
    problem = toolbox.parse(ToolCall(id="c", name=name, arguments=arguments), ("describe_table", "list_tables"))
    assert isinstance(problem, toolbox.CallProblem)
    assert problem.code == code


def test_a_reply_without_a_call_has_a_stable_code() -> None:
    """The model is told to call a tool."""
    problem = toolbox.parse(None, ("list_tables",))
    assert isinstance(problem, toolbox.CallProblem)
    assert problem.code == "no_tool_call"


def test_tool_schemas_have_no_references() -> None:
    """Compatible servers need not resolve `$ref`."""
    assert "$ref" not in json.dumps(toolbox.schemas(tuple(toolbox.TOOLS)))


def dry_run(**other: object) -> DryRun:
    """A dry run that fits the verdict of the walks."""
    values = {
        "statement_type": "SELECT",
        "bytes": 100,
        "accuracy": "PRECISE",
        "tables": ("p.d.t",),
        "columns": (ResultColumn(name="a", type="INT64"),),
    }
    return DryRun(**{**values, **other})


def test_a_dry_run_that_fits_is_an_estimate() -> None:
    """Bytes become a price."""
    estimate = judge("q1", dry_run(bytes=2**40), verdict(), Policy.model_validate(_big()), Catalog())
    assert estimate.usd == 6.25


def _big() -> dict[str, object]:
    return {"limits": {"bytes_per_query": 2**41}}


@pytest.mark.parametrize(
    "other",
    [
        {"statement_type": None},
        {"statement_type": "DELETE"},
        {"statement_type": "SCRIPT"},
        {"bytes": None},
        {"bytes": -1},
        {"bytes": 2**60},
        {"accuracy": None},
        {"accuracy": "UNKNOWN"},
        {"accuracy": "precise"},
        {"tables": None},
        {"tables": ("p.d.other",)},
        {"columns": None},
    ],
)
def test_a_missing_or_contradicting_field_of_a_dry_run_refuses(other: dict[str, object]) -> None:
    """A dry run that does not say what it must say is not believed."""
    with pytest.raises(Refused):
        judge("q1", dry_run(**other), verdict(), Policy(), Catalog())


def test_one_thing_is_not_several() -> None:
    """A number of things is said in its own number, and a large one is easy to read."""
    assert [counted(n, "turn") for n in (0, 1, 2_000)] == ["0 turns", "1 turn", "2,000 turns"]
