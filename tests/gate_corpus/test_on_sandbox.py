"""The safe statements on the sandbox warehouse: they run, and what the gate writes means the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPIError
from google.cloud import bigquery

from tests.gate_corpus.conftest import Rule
from tests.gate_corpus.corpus import Safe, named_reasons, safe
from tests.gate_corpus.run_corpus import parameters
from tests.gate_corpus.seed import here

UNSUPPORTED = named_reasons("sandbox_unsupported.txt")
RUNNING = [line for line in safe() if line.id not in UNSUPPORTED]
LOOSE = ("LIMIT", "ANY_VALUE", "CURRENT_")
"""With these the rows may differ, but not their number."""
DRAWN = "TABLESAMPLE"
"""With it the rows are drawn anew each time, however many."""
Run = Callable[[str, Safe], list[str]]


def ids(line: Safe) -> str:
    return line.id


@pytest.fixture(scope="module")
def run(warehouse: bigquery.Client) -> Run:
    """Run a text with a line's parameters, once; rows as sorted text, for few statements order them."""
    known: dict[tuple[str, str], list[str]] = {}

    def rows(sql: str, line: Safe) -> list[str]:
        if (sql, line.id) not in known:
            given = [_parameter(name, value.type, value.value) for name, value in line.parameters()]
            config = bigquery.QueryJobConfig(query_parameters=given)
            result = warehouse.query(here(sql), job_config=config, job_retry=None).result(job_retry=None)
            known[sql, line.id] = sorted(repr(row.values()) for row in result)
        return known[sql, line.id]

    return rows


def _parameter(name: str, kind: str, value: Any) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    if kind.startswith("ARRAY<"):
        return bigquery.ArrayQueryParameter(name or None, kind[6:-1], value)
    return bigquery.ScalarQueryParameter(name or None, kind, value)


@pytest.mark.parametrize("line", RUNNING, ids=ids)
def test_safe_statement_runs(line: Safe, run: Run) -> None:
    """Every safe statement that the sandbox's engine knows runs without an error."""
    assert isinstance(run(line.sql, line), list)


@pytest.mark.parametrize("line", RUNNING, ids=ids)
def test_canonical_text_gives_the_same_rows(line: Safe, run: Run, rule: Rule) -> None:
    """What the gate hashes and runs returns what the person's own text returns."""
    verdict = rule(line.sql, parameters(line))
    if verdict.denied:
        pytest.skip("the gate refuses it; the corpus test judges that")
    own, canonical = run(line.sql, line), run(verdict.sql, line)
    text = line.sql.upper()
    if DRAWN in text:
        assert DRAWN in verdict.sql.upper()
        return
    assert len(canonical) == len(own)
    assert canonical == own or any(word in text for word in LOOSE)


def test_no_statement_is_listed_as_unsupported_without_need(run: Run) -> None:
    """A statement that has come to run must leave sandbox_unsupported.txt, or it is never run again."""
    assert [line.id for line in safe() if line.id in UNSUPPORTED and _runs(run, line)] == []


def _runs(run: Run, line: Safe) -> bool:
    try:
        run(line.sql, line)
    except (GoogleAPIError, ValueError):  # the latter is the client, about a value it cannot read
        return False
    return True


def test_most_of_the_corpus_runs() -> None:
    """The sandbox runs at least 85 % of the safe statements."""
    assert len(RUNNING) >= 0.85 * len(safe())
