"""The acme gate for tests: in process, with both engines, compiled once for the session."""

from __future__ import annotations

import pytest

from bq_copilot.catalog import Catalog
from bq_copilot.gate import Gate
from bq_copilot.gate.engines import ZetaSqlEngine, warm
from bq_copilot.policy import Policy
from tests.gate.fuzz import catalog as acme_catalog

ALLOWED = ("acme.shop", "acme.web")


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return acme_catalog()


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy(allowed_datasets=ALLOWED)


@pytest.fixture(scope="session")
def second() -> ZetaSqlEngine:
    warm()
    engine = ZetaSqlEngine()
    engine.start()
    return engine


@pytest.fixture(scope="session")
def gate(catalog: Catalog, policy: Policy, second: ZetaSqlEngine) -> Gate:
    return Gate(catalog, policy, [second])
