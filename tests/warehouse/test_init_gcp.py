"""`init-gcp`: the commands for a project, and what the check says of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bq_copilot.cli.app import run
from bq_copilot.errors import Refused, Transient
from deployments.gcp_check import MISSING, THERE, UNKNOWN, check, is_ready
from deployments.gcp_plan import Wanted, parts_of
from deployments.gcp_project import GoogleProject
from tests.warehouse.wire import wired

SHOP = {"projectId": "acme", "datasetId": "shop"}
PLAN = Wanted("acme", "EU", ("acme.shop",), requesters=("ana",))


class Made:
    """A project in which everything was made; a test takes something away."""

    def __init__(self) -> None:
        self.refused: dict[tuple[str, str], Exception] = {}
        self.rights: set[str] = set()
        writers = [{"role": "WRITER", "userByEmail": a} for a in PLAN.runners]
        self.scratch: dict[str, Any] = {"location": "EU", "defaultTableExpirationMs": "604800000", "access": writers}

    def _look(self, call: str, account: str) -> None:
        if (call, account) in self.refused:
            raise self.refused[(call, account)]

    def price(self, account: str) -> None:
        self._look("price", account)

    def count_tables(self, account: str, dataset: str) -> int:
        self._look("count_tables", account)
        return 3

    def dataset(self, account: str, dataset: str) -> dict[str, Any]:
        return self.scratch if dataset.endswith("scratch") else {"location": "EU"}

    def granted(self, account: str, permissions: Sequence[str]) -> set[str]:
        return self.rights & set(permissions)


def missing(project: Made) -> list[tuple[str, str]]:
    """What the check misses, with what to do."""
    return [(f.what, f.next) for f in check(PLAN, project) if f.state == MISSING]


def test_project_with_everything_is_ready() -> None:
    """Nothing is missing; only the quotas cannot be seen."""
    findings = check(PLAN, Made())
    assert is_ready(findings) and [f.what for f in findings if f.state == UNKNOWN] == ["custom quotas"]
    assert sum(f.state == THERE for f in findings) == len(findings) - 1


def test_missing_impersonation_is_answered_with_its_command() -> None:
    """The next step is the exact binding on the accounts, and nothing else is hidden by it."""
    made = Made()
    made.refused[("price", PLAN.reader)] = Refused("denied", code="not_impersonated")
    [(what, command)] = missing(made)
    assert PLAN.reader in what and "roles/iam.serviceAccountTokenCreator" in command


def test_dataset_that_cannot_be_read_is_answered_with_the_grant() -> None:
    """The grant names the dataset and the accounts."""
    made = Made()
    made.refused[("count_tables", PLAN.runners[1])] = Refused("Access Denied", code="accessDenied")
    [(_, command)] = missing(made)
    assert "roles/bigquery.dataViewer" in command and "acme.shop" in command and PLAN.runners[1] in command


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"defaultTableExpirationMs": None}, "--default_table_expiration=604800"),
        ({"location": "US"}, "--scratch"),
        ({"access": []}, "roles/bigquery.dataEditor"),
    ],
)
def test_scratch_dataset_must_expire_be_near_and_be_writable(change: dict[str, Any], said: str) -> None:
    """Each fault of the scratch dataset is missing with its remedy."""
    made = Made()
    made.scratch |= change
    found = missing(made)
    assert found and all(said in command for _, command in found)


def test_reading_account_that_may_write_is_found() -> None:
    """Planning must hold no right to write, in the scratch dataset or in the project."""
    made = Made()
    made.scratch["access"] = [*made.scratch["access"], {"role": "WRITER", "userByEmail": PLAN.reader}]
    assert [what for what, _ in missing(made)] == [f"{PLAN.reader} does not write copilot_scratch"]
    made = Made()
    made.rights = {"bigquery.tables.updateData"}
    assert f"{PLAN.reader} writes nowhere else" in [what for what, _ in missing(made)]


def test_what_could_not_be_asked_is_unknown() -> None:
    """A network that is down is not a missing role."""
    made = Made()
    made.refused[("price", PLAN.reader)] = Transient("no answer")
    assert missing(made) == []


def test_commands_make_accounts_roles_scratch_and_quotas(capsys: pytest.CaptureFixture[str]) -> None:
    """The printed path has each part once, for the names that were given, and no key."""
    assert run(["init-gcp", "--project", "acme", "--location", "EU", "--dataset", "shop", "--requester", "ana"]) == 0
    out = capsys.readouterr().out
    assert all(command in out for part in parts_of(PLAN) for command in part.commands)
    assert "keys create" not in out and f"#   reading_account: {PLAN.reader}" in out
    assert {line.split()[0] for line in out.splitlines() if line} == {"#", "gcloud", "bq"}, "a shell can be given it"


def test_check_only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request that the real check sends is a GET, a dry run, a token, or a question about permissions."""
    wire = wired(monkeypatch)
    priced = {"jobReference": {"projectId": "acme", "jobId": "x", "location": "EU"}, "status": {"state": "DONE"}}
    wire.answers = {
        ("POST", "/projects/acme/jobs"): (200, {**priced, "configuration": {"dryRun": True, "query": {}}}),
        ("GET", "/projects/acme/datasets/shop/tables"): (200, {"tables": []}),
        ("GET", "/projects/acme/datasets/shop"): (200, {"location": "EU", "datasetReference": SHOP}),
        ("GET", "/projects/acme/datasets/copilot_scratch"): (200, {**Made().scratch, "datasetReference": SHOP}),
        ("POST", ""): (200, {}),
    }
    assert is_ready(check(PLAN, GoogleProject(PLAN)))
    for one in wire.sent:
        asks = one.url.endswith((":generateAccessToken", ":testIamPermissions"))
        assert one.method == "GET" or asks or one.body["configuration"]["dryRun"] is True
