"""What the check before execution fetches, and which void it records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.events import ApprovalVoided
from bq_copilot.gate.engines import open_gate
from bq_copilot.policy import Policy
from bq_copilot.ports import Page
from bq_copilot.requests import Site
from bq_copilot.testing import MemoryWarehouse
from bq_copilot.values import ResultColumn
from tasks import drift
from tests.approvals.stage import CATALOG, CUSTOMERS, ORDERS, SHELF, SITE, TIER_2, Stage, policy, verdict

PAGE = Page(columns=(ResultColumn(name="region", type="STRING"),), rows=(), row_count=0)
ORDERS_TABLE = CATALOG.tables[0]


class Watched(MemoryWarehouse):
    """A warehouse whose tables can change."""

    def put(self, table: Table | None, name: str = ORDERS) -> None:
        """Replace a table, or drop it."""
        self._tables = {k: v for k, v in self._tables.items() if k != name} | ({name: table} if table else {})


@dataclass
class Env:
    """The environment as far as the check looks at it."""

    policy: Policy
    warehouse: Watched = field(default_factory=lambda: Watched(CATALOG.tables, PAGE, bytes_read=5_000_000))
    shelf: Any = SHELF

    async def policy_now(self) -> Policy:
        """Return today's policy."""
        return self.policy


class Checked:
    """An approved run as the check sees it."""

    def __init__(self, **now: Any) -> None:
        rules = policy()
        self.catalog, self.policy = CATALOG, rules
        judged = self.gate_over(CATALOG, rules).rule(verdict().sql)
        self.stage = Stage(rules, judged=judged)
        self.stage.decide("ben")
        self.stage.reload()
        self.env = Env(now.get("policy", rules))
        self.id, self.state = "r-stage", self.stage.state

    def gate_over(self, catalog: Catalog, rules: Policy) -> Any:
        """Return a gate over other schemas or another policy."""
        return open_gate(catalog, rules)

    async def check(self, site: Any = None) -> ApprovalVoided | None:
        """Run the check."""
        return await drift.find_drift(self, self.stage.plan, site or SITE)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call the functions behind the tasks: no server is needed to compare facts."""
    for name in ("describe_now", "list_now", "dry_run_again"):
        monkeypatch.setattr(drift, name, getattr(drift, name).fn)


async def test_nothing_changed_voids_nothing():
    """The same tables, bytes and policy leave the approval as it is."""
    assert await Checked().check() is None


async def test_a_view_in_the_place_of_a_table_voids_and_is_pinned():
    """The name is the same; the fresh schemas are what the next request is made of."""
    checked = Checked()
    view = Table(
        id=ORDERS, kind="view", columns=ORDERS_TABLE.columns, view_sql=f"SELECT region, total FROM `{ORDERS}_v2`"
    )
    checked.env.warehouse.put(view)
    void = await checked.check()
    assert void is not None and void.catalog is not None
    pinned = Catalog.model_validate_json(SHELF.get(void.catalog))
    assert pinned.table(ORDERS) == view and pinned.table(CUSTOMERS) is not None


async def test_a_new_tag_is_denied_before_anything_is_priced():
    """A column that became personal data stops the text at the gate; no dry run sees it."""
    checked = Checked()
    region = Column(name="region", type="STRING", tags=("pii",))
    checked.env.warehouse.put(Table(id=ORDERS, columns=(region, ORDERS_TABLE.columns[1])))
    void = await checked.check()
    assert void is not None and void.changes[0].startswith("q1: denied now: P04")
    assert checked.env.warehouse.dry_runs == 0


async def test_a_table_that_is_gone_voids():
    """And is not in the schemas that are pinned."""
    checked = Checked()
    checked.env.warehouse.put(None)
    void = await checked.check()
    assert void is not None and void.catalog is not None
    assert Catalog.model_validate_json(SHELF.get(void.catalog)).table(ORDERS) is None


async def test_more_bytes_void():
    """The approved number is the most that is read."""
    checked = Checked()
    checked.env.warehouse._bytes = 5_000_001
    void = await checked.check()
    assert void is not None and "reads 5,000,001 bytes instead of 5,000,000" in void.changes[0]


async def test_a_higher_tier_of_today_voids_and_is_pinned():
    """The policy that asks more is the one that the next request is made by."""
    today = policy(TIER_2)
    void = await Checked(policy=today).check()
    assert void is not None and "tier 2" in void.changes[0]
    assert void.policy is not None and void.policy_fingerprint == today.fingerprint


async def test_another_scratch_dataset_voids():
    """Results would land where nobody approved."""
    void = await Checked().check(Site("p.public", "runner@p.iam"))
    assert void is not None and "writes to p.public." in void.changes[0]


async def test_a_looser_policy_changes_nothing():
    """Another fingerprint alone is no reason to ask again."""
    assert await Checked(policy=policy(expire_after_seconds=5)).check() is None
