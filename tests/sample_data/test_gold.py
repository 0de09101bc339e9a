"""The hand-written queries: one for each truth, and none that the local policy refuses."""

from collections.abc import Iterator

import pytest

from bq_copilot.catalog import Catalog
from bq_copilot.gate.engines import GuardedGate, open_gate
from bq_copilot.policy_file import policy_from_yaml
from deployments.local.sample_data.tables import TABLES, resource
from tests.sample_data.questions import FOLDER, GOLD, gold_sql
from tests.sample_data.truths import TRUTHS


@pytest.fixture(scope="module")
def gate() -> Iterator[GuardedGate]:
    """The gate of the local stack over the sample tables."""
    policy = policy_from_yaml((FOLDER.parent / "policy.yaml").read_text("utf-8"))
    catalog = Catalog.from_resources([resource(table) for table in TABLES])
    with open_gate(catalog, policy) as opened:
        yield opened


def test_every_truth_has_one_query() -> None:
    """The folder of queries and the registry name the same truths."""
    assert {path.stem for path in GOLD.iterdir()} == set(TRUTHS)


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_the_local_policy_allows_the_query(gate: GuardedGate, name: str) -> None:
    """A right answer never needs personal data or anything else that the policy keeps."""
    verdict = gate.rule(gold_sql(name))
    assert not verdict.denied, verdict.findings
