"""What the production doctor says of policy, accounts, blocks, storage, model and channels: values in, verdicts out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.documents import Documents
from blocks.language_model import LanguageModel
from blocks.ledger_store import LedgerStore
from blocks.policy import Policy as PolicyBlock
from blocks.semantic_notes import SemanticNotes
from blocks.warehouse import Warehouse
from bq_copilot.policy import Approvals, Notifications, Person, Policy, Tier
from deployments.gcp_check import MISSING, THERE, UNKNOWN, Finding
from deployments.production import documents, model, people, policy, storage, warehouse
from deployments.verdicts import Severity

KEY = "ed25519:" + "a" * 43
READER, RUNNER, ANA = (f"{name}@acme.iam.gserviceaccount.com" for name in ("reader", "runner", "ana"))
STORE = LedgerStore.get_block_type_slug()


def block(**fields: Any) -> Warehouse:
    return Warehouse(project="acme", location="EU", **fields)


@pytest.mark.parametrize(
    ("fields", "severity", "word"),
    [
        ({"reading_account": READER, "executing_account": RUNNER}, "good", "all jobs run as"),
        ({"reading_account": READER, "executing_accounts": {"ana": ANA}}, "good", "nobody else"),
        ({"reading_account": RUNNER, "executing_account": RUNNER}, "bad", "planning could write"),
        ({"executing_account": RUNNER}, "warning", "own credentials"),
        ({}, "warning", "everybody's jobs"),
        ({"endpoint": "http://127.0.0.1:1"}, "skipped", "sandbox"),
    ],
)
def test_planning_and_running_should_be_accounts_apart(fields: dict[str, Any], severity: str, word: str) -> None:
    """One account for both is wrong; the block's own credentials for either are told."""
    verdict = policy.accounts(block(**fields))
    assert verdict.severity == severity and word in verdict.found


def test_a_policy_that_allows_nothing_is_wrong() -> None:
    """Every question would be refused."""
    assert policy.reach(Policy()).severity is Severity.BAD
    assert "acme.shop" in policy.reach(Policy(allowed_datasets=("acme.shop",))).found


def test_somebody_must_be_able_to_approve_and_be_somebody() -> None:
    """Without keys, proxy or trust nobody can; trusted forms and users name nobody for sure."""
    people_ = {"ana": Person(key=KEY)}
    assert policy.trust(Approvals(), sandbox=False).severity is Severity.BAD
    assert policy.trust(Approvals(people=people_), sandbox=False).severity is Severity.GOOD
    assert policy.trust(Approvals(trust_form=True), sandbox=False).severity is Severity.WARNING
    assert policy.trust(Approvals(trust_local_user=True), sandbox=True).severity is Severity.GOOD


def test_a_tier_with_codes_needs_enough_people_with_keys() -> None:
    """Roles count by any spelling of a name; a tier that nobody can sign for can never be approved."""
    tier = Tier(tier=2, always=True, require_code=True, approvers=1, role="owners")
    known = {"Ana": Person(key=KEY, aliases=("ana@acme.example",)), "bo": Person()}
    with_ana = Approvals(tiers=(tier,), roles={"owners": ("ana@acme.example",)}, people=known)
    without = with_ana.model_copy(update={"roles": {"owners": ("bo",)}})
    assert policy.codes(with_ana).severity is Severity.GOOD
    assert policy.codes(without).severity is Severity.BAD
    assert policy.codes(Approvals(tiers=(Tier(tier=1, always=True),))).severity is Severity.WARNING


def test_a_block_is_missing_unfit_or_fine_and_its_secrets_are_not_told() -> None:
    """Field and rule are named, never the value; a block that nobody needs is only told."""
    there = Documents("prod", {STORE: {"url": "sqlite:///x", "results": "/r"}})
    unfit = Documents("prod", {STORE: {"url": "postgresql://u:hunter22@h/l", "results": ["hunter22"]}})
    found, verdict = documents.judge(there, LedgerStore)
    assert isinstance(found, LedgerStore) and verdict.severity is Severity.GOOD
    found, verdict = documents.judge(unfit, LedgerStore)
    assert found is None and verdict.severity is Severity.BAD
    assert "results" in verdict.found and "hunter22" not in verdict.found + verdict.mend
    absent = Documents("prod", {})
    assert "prefect block create bq-copilot-warehouse" in documents.judge(absent, Warehouse)[1].mend
    assert documents.judge(absent, SemanticNotes)[1].severity is Severity.SKIPPED
    wrong = Documents("prod", {PolicyBlock.get_block_type_slug(): {"text": "allowed_dataset: []"}})
    assert "allowed_dataset" in documents.judge(wrong, PolicyBlock)[1].found


def test_secrets_of_blocks_are_known_by_their_fields() -> None:
    """Keys, tokens and passwords, also of blocks inside blocks; addresses without one keep none."""
    values = {"a": {"url": "postgresql://u:hunter22@h/l", "api_key": "sk-1234"}, "b": {"inner": {"private_key": "PEM"}}}
    assert set(documents.secrets_in(values)) == {"hunter22", "sk-1234", "PEM"}


def test_a_folder_of_results_as_this_process_may_use_it(tmp_path: Path) -> None:
    """One that is not mounted here cannot be judged, and does not count as good."""
    assert storage.folder(tmp_path).severity is Severity.GOOD
    assert storage.folder(tmp_path / "none").severity is Severity.SKIPPED
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("granted", "severity"),
    [({storage.READ, storage.WRITE}, "good"), ({storage.READ}, "warning"), (set(), "bad")],
)
def test_a_bucket_by_the_rights_that_are_granted(granted: set[str], severity: str) -> None:
    """To read is enough for looking; nothing is written to find out."""
    assert storage.bucket("b", granted).severity == severity


def test_the_model_s_endpoint_is_judged_by_its_list() -> None:
    """A refused key is wrong, a missing model is told, an endpoint without a list cannot be judged."""
    assert model.refused(401, "m", "https://x").severity is Severity.BAD
    assert model.refused(404, "m", "https://x").severity is Severity.SKIPPED
    assert model.listed("m", "https://x", ["m", "n"]).severity is Severity.GOOD
    assert model.listed("m", "https://x", ["n"]).severity is Severity.WARNING
    assert "first question" in model.listed("m", "https://x", []).found


async def test_asking_for_the_list_asks_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """One GET of /models with the key of that endpoint; a fallback's own endpoint gets its own key."""
    import httpx

    sent: list[tuple[str, str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.method, str(request.url), request.headers["Authorization"]))
        return httpx.Response(200, json={"object": "list", "data": [{"id": "m", "object": "model"}]})

    original = LanguageModel._client

    def wired(self: LanguageModel, *args: Any) -> Any:
        return original(self, *args).with_options(http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)))

    monkeypatch.setattr(LanguageModel, "_client", wired)
    more = {"fallback_model": "n", "fallback_base_url": "http://b/v1", "fallback_api_key": SecretStr("kb")}
    two = LanguageModel(base_url="http://a/v1", model="m", api_key=SecretStr("ka"), **more)
    assert await two.offered(5.0) == ["m"]
    await two.offered(5.0, fallback=True)
    assert sent == [("GET", "http://a/v1/models", "Bearer ka"), ("GET", "http://b/v1/models", "Bearer kb")]


def test_whether_anybody_is_told() -> None:
    """No kinds, no block, one that cannot be used, two of one name, one."""
    slack = {"block_type": {"slug": "slack-webhook"}, "data": {"url": "https://hooks.example/secret"}}
    rules, mine = Notifications(), Notifications(people={"ana": "ana-mail"})
    assert people.notifications(Notifications(kinds=()), {}).severity is Severity.SKIPPED
    assert "nobody is told" in people.notifications(rules, {"bq-copilot": []}).found
    assert people.notifications(rules, {"bq-copilot": [slack]}, {"bq-copilot": "ImportError"}).severity is Severity.BAD
    assert people.notifications(rules, {"bq-copilot": [slack, slack]}).severity is Severity.WARNING
    lacking = people.notifications(mine, {"bq-copilot": [slack], "ana-mail": []})
    assert lacking.severity is Severity.WARNING and "called ana-mail" in lacking.mend
    fine = people.notifications(rules, {"bq-copilot": [slack]})
    assert fine.severity is Severity.GOOD and "secret" not in fine.found


def test_the_accounts_rights_are_those_of_the_block() -> None:
    """What `init-gcp --check` asks is asked of the accounts that the block names, for the policy's plain datasets."""
    mixed = block(reading_account=READER, executing_account=RUNNER, executing_accounts={"ana": ANA, "bo": RUNNER})
    wanted = warehouse.wanted_of(mixed, ("acme.shop", "acme-*.web"))
    assert wanted is not None
    assert (wanted.reader, wanted.runners, wanted.datasets) == (READER, (RUNNER, ANA), ("acme.shop",))
    assert warehouse.wanted_of(block(executing_account=RUNNER), ()) is None
    (left,) = warehouse.unseen(mixed, ("acme.shop", "acme-*.web"))
    assert left.severity is Severity.SKIPPED and "acme-*.web" in left.found


def test_findings_of_a_project_become_verdicts() -> None:
    """What is missing is wrong with its command, what could not be seen does not count, the rest is one line."""
    findings = [Finding("a", THERE, "x"), Finding("b", MISSING, "y", "do"), Finding("c", UNKNOWN, "z")]
    verdicts = list(warehouse.said(findings))
    assert [(str(v.severity), v.mend) for v in verdicts] == [("bad", "do"), ("skipped", ""), ("good", "")]


def test_the_scratch_dataset_must_be_near_and_expire() -> None:
    """Location and life of what runs leave behind."""
    assert warehouse.scratch(block(), "US", 1).severity is Severity.BAD
    assert "--default_table_expiration=604800 acme:copilot_scratch" in warehouse.scratch(block(), "eu", 0).mend
    assert warehouse.scratch(block(), "eu", 604_800_000).severity is Severity.GOOD
