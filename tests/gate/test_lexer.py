"""L1: the strict lexer and its refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bq_copilot.gate.lexer import LexicalFault, TokenKind, meaningful, tokenize

ROUGH = st.text(alphabet="abE1 '\"`\\\n{}$@#-/*().,;=<>|:?_\u00e9\u200b\u202e\x00", max_size=40)


@given(ROUGH)
def test_tokens_cover_the_text(sql: str) -> None:
    """Whatever is accepted is tokens with nothing but white space between them."""
    try:
        tokens = tokenize(sql)
    except LexicalFault:
        return
    end = 0
    for token in tokens:
        assert sql[end : token.start].strip(" \t\r\n") == ""
        assert sql[token.start :].startswith(token.text)
        end = token.start + len(token.text)
    assert sql[end:].strip(" \t\r\n") == ""


@given(ROUGH, st.sampled_from("\u200b\u202e\u2066\ufeff\u00a0\u2028\x00\x0b\u00ad\u3164\ufe0f"), st.integers(0, 40))
def test_invisible_characters_are_refused_anywhere(text: str, mark: str, at: int) -> None:
    """Bidi, zero-width, control and odd space characters are refused, in literals and comments too."""
    for sql in (text[:at] + mark + text[at:], f"SELECT '{mark}'", f"-- {mark}\nSELECT 1"):
        with pytest.raises(LexicalFault):
            tokenize(sql)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT @{hint=1} 1", "P19"),
        ("SELECT @@time_zone", "P08"),
        ("SELECT {{ x }}", "P16"),
        ("SELECT a$b", "P16"),
        ("SELECT a\\b", "P16"),
        ("SELECT '''\\''' , 1 , '''x'''", "P16"),
        ("SELECT `a\\`", "P16"),
        ("SELECT `p.d.t$20240101`", "P11"),
        ("SELECT `p.d.t@-1`", "P11"),
        ("SELECT 1 FROM [p:d.t]", "P18"),
        ("#legacySQL\nSELECT 1", "P18"),
        ("SELECT 'open", "P17"),
        ("SELECT `open", "P17"),
        ("SELECT 1 /* open", "P17"),
        ("SELECT caf\u00e9", "P16"),
        ("SELECT 12ab", "P17"),
    ],
)
def test_each_lexical_refusal_names_its_rule(sql: str, rule: str) -> None:
    """A refusal says which rule it belongs to."""
    with pytest.raises(LexicalFault) as caught:
        tokenize(sql)
    assert caught.value.rule == rule


@pytest.mark.parametrize(
    "sql",
    ["SELECT 'it''s'", 'SELECT "a" "b"'],
)
def test_adjacent_quotes_are_not_one_literal(sql: str) -> None:
    """GoogleSQL has no doubled quotes; a text that relies on them is never read as one literal."""
    try:
        literals = [t for t in tokenize(sql) if t.kind is TokenKind.STRING]
    except LexicalFault:
        return
    assert len(literals) == 2


def test_ordinary_letters_are_fine_in_literals_and_comments() -> None:
    """Non-ASCII letters may stand in text literals and comments."""
    tokens = tokenize("SELECT 'M\u00fcnchen' -- Stra\u00dfe\n, r'\\d+'")
    assert [t.text for t in meaningful(tokens)] == ["SELECT", "'M\u00fcnchen'", ",", "r'\\d+'"]


def test_a_carriage_return_ends_a_comment() -> None:
    """GoogleSQL ends a line comment at a carriage return too; what follows is not hidden."""
    assert [t.text for t in meaningful(tokenize("SELECT a --\r, b # \r, c"))] == ["SELECT", "a", ",", "b", ",", "c"]


def test_positions_count_from_one() -> None:
    """Line and column point at the token."""
    token = tokenize("SELECT\n  'a\\nb',\n   x")[-1]
    assert (token.text, token.line, token.column) == ("x", 3, 4)
