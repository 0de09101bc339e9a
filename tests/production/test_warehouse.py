"""The production doctor in front of a real project, as its client and its credentials see one."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from blocks.policy import Policy as PolicyBlock
from blocks.warehouse import Warehouse
from bq_copilot.errors import Refused
from bq_copilot.prefect_api import PrefectApi
from deployments.production import warehouse
from deployments.production.scene import Scene
from deployments.verdicts import Severity
from tests.warehouse.wire import Wire, wired

READER, RUNNER = (f"{name}@acme.iam.gserviceaccount.com" for name in ("reader", "runner"))
SHOP = {"projectId": "acme", "datasetId": "shop"}
SCRATCH = {"location": "EU", "defaultTableExpirationMs": "604800000", "datasetReference": SHOP}
PRICED = {"jobReference": {"projectId": "acme", "jobId": "x", "location": "EU"}, "status": {"state": "DONE"}}


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Google, with a project in which everything is as it should be."""
    made = wired(monkeypatch)
    writers = {"access": [{"role": "WRITER", "userByEmail": RUNNER}]}
    made.answers = {
        ("POST", "/projects/acme/jobs"): (200, {**PRICED, "configuration": {"dryRun": True, "query": {}}}),
        ("GET", "/projects/acme/datasets/shop/tables"): (200, {"tables": []}),
        ("GET", "/projects/acme/datasets/shop"): (200, {"location": "EU", "datasetReference": SHOP}),
        ("GET", "/projects/acme/datasets/copilot_scratch"): (200, {**SCRATCH, **writers}),
        ("POST", ""): (200, {}),
    }
    return made


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Blocks that name two accounts and one dataset."""
    api = PrefectApi("http://x/api", transport=httpx.MockTransport(lambda _: httpx.Response(404)))
    block = Warehouse(project="acme", location="EU", reading_account=READER, executing_account=RUNNER)
    blocks = {Warehouse: block, PolicyBlock: PolicyBlock(text="allowed_datasets: [acme.shop]")}
    yield Scene(api, {}, answers=True, blocks=blocks)  # pyright: ignore[reportArgumentType]
    api.close()


def test_the_accounts_of_the_block_are_looked_at_and_nothing_is_billed(wire: Wire, scene: Scene) -> None:
    """Tokens, dry runs, looks and questions about permissions, as the two accounts; only the quotas stay unseen."""
    verdicts = list(warehouse.look(scene))
    assert [str(v.severity) for v in verdicts] == ["skipped", "good"] and "custom quotas" in verdicts[0].found
    assert set(wire.tokens) == {READER, RUNNER}
    for one in wire.sent:
        asks = one.url.endswith((":generateAccessToken", ":testIamPermissions"))
        assert one.method == "GET" or asks or one.body["configuration"]["dryRun"] is True


def test_an_account_that_cannot_be_acted_as_is_answered_with_its_own_command(wire: Wire, scene: Scene) -> None:
    """One line to type, about this account alone; the other account is looked at all the same."""
    wire.refusals[RUNNER] = (403, "Permission 'iam.serviceAccounts.getAccessToken' denied")
    wrong = [v for v in warehouse.look(scene) if v.severity is Severity.BAD]
    commands = [v.mend for v in wrong if "makes jobs" in v.found]
    assert len(commands) == 1 and "\n" not in commands[0]
    assert f"add-iam-policy-binding {RUNNER}" in commands[0] and "serviceAccountTokenCreator" in commands[0]
    assert any(READER in v.found for v in warehouse.look(scene) if v.severity is Severity.GOOD)


def test_without_credentials_the_warehouse_is_not_looked_at(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once, with where to run it instead."""

    def none(_: Warehouse) -> None:
        raise Refused("This process has no Google credentials.", code="no_credentials")

    monkeypatch.setattr(Warehouse, "own", none)
    (verdict,) = warehouse.look(scene)
    assert verdict.severity is Severity.SKIPPED and "worker host" in verdict.mend
