"""Canonical JSON (RFC 8785): one byte form for one value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot.canonical import canonical_json, digest

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "[333333333.3333333,1e+30,4.5,0.002,1e-27]"),
        (1e20, "100000000000000000000"),
        (1.2345678901234567e20, "123456789012345670000"),
        (1e21, "1e+21"),
        (-0.0, "0"),
        ({"b": 1, "a": 2, "\u20ac": None}, '{"a":2,"b":1,"\u20ac":null}'),
        ('\u0007\n\u2028"\\', '"\\u0007\\n\u2028\\"\\\\"'),
    ],
)
def test_known_values_have_their_published_form(value: object, text: str) -> None:
    """Numbers, keys and control characters are written as RFC 8785 writes them."""
    assert canonical_json(value).decode() == text


@given(VALUES)
def test_reading_the_form_back_gives_the_same_form(value: object) -> None:
    """The canonical form of what the canonical form says is itself."""
    form = canonical_json(value)
    assert canonical_json(json.loads(form, parse_int=float)) == form


@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    """Two dictionaries with the same items have one digest."""
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53 + 1])
def test_numbers_that_json_cannot_carry_are_refused(value: float) -> None:
    """What another reader would round or reject does not get a hash."""
    with pytest.raises(ValueError, match=r"no JSON form|beyond"):
        canonical_json([value])


@pytest.mark.parametrize("value", [b"x", {1: 2}, object(), {1, 2}])
def test_values_that_are_not_json_are_refused(value: object) -> None:
    """Nothing is converted by guess."""
    with pytest.raises(TypeError, match="not a JSON value"):
        canonical_json({"x": value} if not isinstance(value, dict) else value)
