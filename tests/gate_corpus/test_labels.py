"""The corpora against Google's analyzer: the labels hold without looking at the gate."""

from __future__ import annotations

import pytest

from tests.gate_corpus.corpus import (
    Safe,
    Unsafe,
    columns_differ,
    injections,
    safe,
    schema,
    tables_differ,
    tagged_leaves,
    unsafe,
)
from tests.gate_corpus.googlesql import GoogleSQL, NotGoogleSQL, googlesql
from tests.gate_corpus.leaves import read_set

THEN = {"then": "TIMESTAMP"}
PERSONAL = [line for line in unsafe() if line.rule in {"P03", "P04"} and line.syntax == "analyzed"]
CHECKED = [line for line in unsafe() if line.rule != "P20"]  # text of that size can trap the analyzer


def ids(line: Unsafe | Safe) -> str:
    return line.id


@pytest.fixture(scope="module")
def google() -> GoogleSQL:
    """The analyzer over acme, once."""
    return googlesql()


def types(line: Safe) -> dict[str, str]:
    return {name or str(index): value.type for index, (name, value) in enumerate(line.parameters())}


@pytest.mark.parametrize("line", [line for line in safe() if line.analyzer_lacks], ids=ids)
def test_statement_labelled_by_hand_parses_and_names_what_is_missing(line: Safe, google: GoogleSQL) -> None:
    """The analyzer reads the grammar and stops at exactly the function that it does not have."""
    assert google.parse(line.sql) == "ast_query_statement"
    with pytest.raises(NotGoogleSQL, match=f"Function not found: {line.analyzer_lacks}"):
        google.analyze(line.sql)


@pytest.mark.parametrize("line", [line for line in safe() if not line.analyzer_lacks], ids=ids)
def test_safe_statement_is_valid_and_reads_what_its_label_says(line: Safe, google: GoogleSQL) -> None:
    """Google's analyzer resolves the statement, to the labelled tables and leaves and to no tagged one."""
    found = read_set(google.analyze(line.sql, types(line)).tree, schema())
    assert tables_differ(line, found.tables) == ""
    assert columns_differ(line, found.leaves()) == ""
    assert not found.leaves() & tagged_leaves()


@pytest.mark.parametrize("line", PERSONAL, ids=ids)
def test_statement_against_personal_data_reads_personal_data(line: Unsafe, google: GoogleSQL) -> None:
    """What is labelled as a read of tagged data is one in Google's resolution: the attack is real."""
    found = read_set(google.analyze(line.sql, THEN).tree, schema())
    assert found.leaves() & tagged_leaves() or "acme.shop.v_staff_directory" in found.tables


@pytest.mark.parametrize("line", CHECKED, ids=ids)
def test_syntax_label_holds(line: Unsafe, google: GoogleSQL) -> None:
    """`analyzed` statements resolve as one statement, `parsed` ones parse, `rejected` ones do neither."""
    try:
        google.analyze(line.sql, THEN)
        found = "analyzed"
    except NotGoogleSQL:
        try:
            found = "parsed" if google.parse(line.sql) != "nothing" else "rejected"
        except NotGoogleSQL:
            found = "rejected"
    assert found == line.syntax


def test_corpora_are_large_and_cover_every_rule_and_bypass() -> None:
    """Sizes, P01-P20, the bypass classes A-G and every injection channel are there."""
    assert len(unsafe()) >= 240 and len(safe()) >= 240 and len(injections()) >= 60
    assert {line.rule for line in unsafe()} == {rule["id"] for rule in schema()["policy"]}
    assert {line.bypass for line in unsafe()} >= set("ABCDEFG")
    assert sum(line.columns is not None for line in safe()) >= 80
    assert len({line.channel for line in injections()}) == 7


def test_ids_and_texts_are_unique() -> None:
    """No statement is counted twice."""
    everything = [*unsafe(), *safe(), *injections()]
    assert len({line.id for line in everything}) == len(everything)
    assert len({line.sql for line in [*unsafe(), *safe()]}) == len(unsafe()) + len(safe())
