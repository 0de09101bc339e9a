"""The gate against the corpora: what must be denied, what must pass, and what it reads."""

from __future__ import annotations

import pytest

from tests.gate_corpus.conftest import Rule
from tests.gate_corpus.corpus import (
    Safe,
    Unsafe,
    columns_differ,
    refused_on_purpose,
    safe,
    tables_differ,
    unsafe,
)
from tests.gate_corpus.run_corpus import parameters

PASSING = [line for line in safe() if line.id not in refused_on_purpose()]


def ids(line: Unsafe | Safe) -> str:
    return line.id


@pytest.mark.parametrize("line", unsafe(), ids=ids)
def test_unsafe_statement_is_denied(line: Unsafe, rule: Rule) -> None:
    """A statement that the policy forbids is denied, with at least one finding that says why."""
    verdict = rule(line.sql, ())
    assert verdict.ruling == "deny", f"{line.rule}: {line.why}"
    assert any(finding.rule for finding in verdict.findings)


@pytest.mark.parametrize("line", PASSING, ids=ids)
def test_safe_statement_passes(line: Safe, rule: Rule) -> None:
    """An honest statement is allowed or asked about."""
    verdict = rule(line.sql, parameters(line))
    assert verdict.ruling != "deny", [f"{found.rule} {found.message}" for found in verdict.findings]


@pytest.mark.parametrize("line", PASSING, ids=ids)
def test_tables_read_are_the_labelled_ones(line: Safe, rule: Rule) -> None:
    """The facts name exactly the tables of the statement."""
    assert tables_differ(line, rule(line.sql, parameters(line)).facts.tables) == ""


@pytest.mark.parametrize("line", [line for line in PASSING if line.columns is not None], ids=ids)
def test_leaves_read_are_the_labelled_ones(line: Safe, rule: Rule) -> None:
    """The facts name exactly the leaf columns that the statement reads."""
    assert columns_differ(line, rule(line.sql, parameters(line)).facts.columns) == ""


def test_no_core_statement_is_accepted(rule: Rule) -> None:
    """Over the whole corpus, no statement that a core rule forbids gets through."""
    assert [line.id for line in unsafe() if line.tier == "core" and not rule(line.sql, ()).denied] == []


def test_at_most_two_percent_of_the_safe_statements_are_refused(rule: Rule) -> None:
    """Over the whole corpus, the gate stays useful; statements refused on purpose count as refused."""
    refused = [line.id for line in safe() if rule(line.sql, parameters(line)).denied]
    assert len(refused) <= 0.02 * len(safe()), refused


def test_the_verdict_is_the_same_a_second_time(rule: Rule) -> None:
    """Canonical text that passed keeps its text and its digest when it is ruled on again."""
    first = [rule(line.sql, parameters(line)) for line in PASSING]
    passed = [(line, verdict) for line, verdict in zip(PASSING, first, strict=True) if not verdict.denied]
    again = [rule(verdict.sql, parameters(line)) for line, verdict in passed]
    changed = [line.id for (line, verdict), other in zip(passed, again, strict=True) if other.digest != verdict.digest]
    assert changed == []
