"""Text that reaches a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot.safe_text import clip, safe


@given(st.text())
def test_nothing_that_does_not_print_gets_through(text: str) -> None:
    """Whatever comes in, what goes out is printable; newlines only where lines are wanted."""
    assert safe(text).isprintable()
    assert safe(text, lines=True).replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["Umsatz für Köln: 1.234 €", "売上高", "إيرادات", "a ≤ b"])
def test_what_prints_is_left_as_it_is(text: str) -> None:
    """Ordinary text of any language is not changed."""
    assert safe(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [("\x1b[31m", "⟨U+001B⟩[31m"), ("a\u202eb", "a⟨U+202E⟩b"), ("\x9b2J", "⟨U+009B⟩2J"), ("1\u202f234", "1 234")],
)
def test_what_could_act_on_the_terminal_is_shown_as_an_escape(raw: str, shown: str) -> None:
    """A person sees that a control or direction character is there instead of being fooled by it."""
    assert safe(raw) == shown


def test_a_clipped_text_says_that_it_was_cut() -> None:
    """Cut text ends with an ellipsis and has the length that was asked for."""
    assert clip("abcdefgh", 5) == "abcd…"
    assert clip("abc", 5) == "abc"
