"""The safe statements on the sandbox warehouse: they run, and what the gate writes means the same."""

from __future__ import annotations

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
LOOSE = ("LIMIT", "TABLESAMPLE", "ANY_VALUE", "CURRENT_")


def ids(line: Safe) -> str:
    return line.id


def run(warehouse: bigquery.Client, sql: str, line: Safe) -> list[str]:
    """The rows as sorted text: the order of rows is not part of most statements."""
    given = [_parameter(name, value.type, value.value) for name, value in line.parameters()]
    config = bigquery.QueryJobConfig(query_parameters=given)
    job = warehouse.query(here(sql), job_config=config, job_retry=None)
    return sorted(repr(row.values()) for row in job.result(job_retry=None))


def _parameter(name: str, kind: str, value: Any) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    if kind.startswith("ARRAY<"):
        return bigquery.ArrayQueryParameter(name or None, kind[6:-1], value)
    return bigquery.ScalarQueryParameter(name or None, kind, value)


@pytest.mark.parametrize("line", RUNNING, ids=ids)
def test_safe_statement_runs(line: Safe, warehouse: bigquery.Client) -> None:
    """Every safe statement that the sandbox's engine knows runs without an error."""
    assert isinstance(run(warehouse, line.sql, line), list)


@pytest.mark.parametrize("line", [line for line in safe() if line.id in UNSUPPORTED], ids=ids)
def test_statement_listed_as_unsupported_still_fails(line: Safe, warehouse: bigquery.Client) -> None:
    """The list of what the sandbox cannot run is not longer than it has to be."""
    with pytest.raises((GoogleAPIError, ValueError, NotImplementedError)):
        run(warehouse, line.sql, line)


@pytest.mark.parametrize("line", RUNNING, ids=ids)
def test_canonical_text_gives_the_same_rows(line: Safe, warehouse: bigquery.Client, rule: Rule) -> None:
    """What the gate hashes and runs returns what the person's own text returns."""
    verdict = rule(line.sql, parameters(line))
    if verdict.denied:
        pytest.skip("the gate refuses it; the corpus test judges that")
    own, canonical = run(warehouse, line.sql, line), run(warehouse, verdict.sql, line)
    assert len(canonical) == len(own)
    if not any(word in line.sql.upper() for word in LOOSE):
        assert canonical == own


def test_most_of_the_corpus_runs() -> None:
    """The sandbox runs at least 85 % of the safe statements."""
    assert len(RUNNING) >= 0.85 * len(safe())
