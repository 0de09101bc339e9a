"""Who signs each request to the warehouse, and from when on anybody may act as the account that writes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.warehouse import Warehouse
from bq_copilot.errors import Refused, Transient
from bq_copilot.ports import JobSpec
from tests.warehouse.wire import WORKER, Wire, wired

READER, RUNNER, ANA = (f"{name}@p.iam.gserviceaccount.com" for name in ("reader", "runner", "ana-runs"))
JOB = {
    "jobReference": {"projectId": "p", "jobId": "bqc-1", "location": "EU"},
    "configuration": {"query": {"query": "SELECT 1"}},
    "status": {"state": "DONE"},
    "statistics": {"query": {"statementType": "SELECT", "totalBytesProcessed": "10"}},
}
DATASET = {"datasetReference": {"projectId": "p", "datasetId": "copilot_scratch"}}
SPEC = JobSpec("bqc-1", "SELECT 1", (), "p.copilot_scratch.t", 10, 1000, (("app", "bq-copilot"),), "f")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A BigQuery that answers what one run asks."""
    wire = wired(monkeypatch)
    wire.answers = {
        ("POST", "/projects/p/jobs"): (200, JOB),
        ("GET", "/projects/p/jobs/bqc-1"): (200, JOB),
        ("GET", "/projects/p/datasets/copilot_scratch"): (200, DATASET),
        ("GET", "/projects/p/datasets/shop/tables"): (200, {"tables": []}),
        ("DELETE", "/projects/p/datasets/copilot_scratch/tables/t"): (204, {}),
        ("POST", "/projects/p/jobs/bqc-1/cancel"): (200, {"job": JOB}),
    }
    return wire


def block(**more: Any) -> Warehouse:
    """A block with a reader, a default runner and a runner of Ana's own."""
    said = {"reading_account": READER, "executing_account": RUNNER, "executing_accounts": {"ana": ANA}}
    return Warehouse.model_validate({"project": "p", "location": "EU", **said, **more})


def test_planning_asks_for_the_readers_token_alone(wire: Wire) -> None:
    """Lists and dry runs are signed by the reading account; no token of a writing account exists in the process."""
    planner = block().open()
    assert planner.acting_for("ana").principal == ANA, "known before anybody may act as it"
    planner.list_tables("p.shop")
    planner.dry_run("SELECT 1", ())
    assert wire.tokens == [READER]
    assert {who for *_, who in wire.calls} == {f"token-of-{READER}"}


def test_token_is_asked_for_in_the_workers_name_and_for_bigquery_only(wire: Wire) -> None:
    """The worker's own token opens the IAM Credentials API, and what comes back is good for BigQuery."""
    block().open().list_tables("p.shop")
    first = wire.sent[0]
    assert first.bearer == WORKER
    assert first.body["scope"] == ["https://www.googleapis.com/auth/bigquery"] and first.body["lifetime"] == "3600s"


def test_job_is_sent_polled_cancelled_and_dropped_by_the_requesters_account(wire: Wire) -> None:
    """Everything about an approved job carries the executing account's token, fetched with the first of it."""
    runner = block().open().acting_for("ana")
    assert wire.sent == []
    runner.prepare()
    runner.insert(SPEC)
    runner.job("bqc-1")
    runner.cancel("bqc-1")
    assert runner.drop("p.copilot_scratch.t")
    assert wire.tokens == [ANA]
    assert [who for *_, who in wire.calls] == [f"token-of-{ANA}"] * 5


@pytest.mark.parametrize(("requester", "account"), [("ana", ANA), (" ANA ", ANA), ("ben", RUNNER)])
def test_requester_has_an_account_of_their_own_or_the_default(requester: str, account: str) -> None:
    """Names are compared as approvals compare them; who is not listed gets the default."""
    assert block().open().acting_for(requester).principal == account


def test_scratch_dataset_that_is_there_is_not_created(wire: Wire) -> None:
    """An account that may write tables but create no dataset can run jobs."""
    block().open().acting_for("ana").prepare()
    assert [method for method, *_ in wire.calls] == ["GET"]


def test_scratch_dataset_that_is_missing_is_created_with_an_expiration(wire: Wire) -> None:
    """Its tables go by themselves."""
    missing = {"error": {"code": 404, "message": "Not found", "errors": [{"reason": "notFound"}]}}
    wire.answers[("GET", "/projects/p/datasets/copilot_scratch")] = (404, missing)
    wire.answers[("POST", "/projects/p/datasets")] = (200, DATASET)
    block(scratch_days=2).open().acting_for("ana").prepare()
    assert wire.sent[-1].body["defaultTableExpirationMs"] == str(2 * 86_400_000)


def test_planner_refuses_to_write(wire: Wire) -> None:
    """The planning adapter sends neither a job with a result table nor a drop."""
    planner = block().open()
    for write in (lambda: planner.insert(SPEC), lambda: planner.drop("p.copilot_scratch.t")):
        with pytest.raises(Refused) as refused:
            write()
        assert refused.value.code == "reading_account"
    assert wire.sent == []


def test_planner_looks_at_a_column_without_a_result_table(wire: Wire) -> None:
    """A job without a destination goes to a table of BigQuery's own, which the reading account may make."""
    block().open().insert(JobSpec(**{**_fields(), "destination": ""}))
    sent = wire.sent[-1].body["configuration"]["query"]
    assert "destinationTable" not in sent and "writeDisposition" not in sent


def _fields() -> dict[str, Any]:
    return {**asdict(SPEC), "parameters": SPEC.parameters, "labels": SPEC.labels}


def test_who_may_not_act_as_the_account_is_told_what_to_grant(wire: Wire) -> None:
    """A refused impersonation is final, names the account's permission, and is no warehouse trouble to wait for."""
    why = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    wire.refusals[ANA] = (403, why)
    with pytest.raises(Refused) as refused:
        block().open().acting_for("ana").insert(SPEC)
    assert refused.value.code == "not_impersonated" and why in str(refused.value)
    assert "serviceAccountTokenCreator" in refused.value.next
    assert wire.calls == [] and len(wire.tokens) == 1


@pytest.mark.parametrize("fault", [429, 503, "down"])
def test_token_that_cannot_be_had_now_is_waited_for(wire: Wire, fault: int | str) -> None:
    """Nothing was sent, so it is a passing fault and never a job that may be there."""
    wire.down = fault == "down"
    wire.refusals = {} if wire.down else {ANA: (int(fault), "try later")}
    with pytest.raises(Transient) as passing:
        block().open().acting_for("ana").insert(SPEC)
    assert passing.value.code == "token_unavailable"


def test_nobody_runs_the_jobs_of_an_unknown_requester() -> None:
    """With accounts for some and none for all, another requester is refused with what to do."""
    with pytest.raises(Refused) as refused:
        block(executing_account="").open().acting_for("eve")
    assert refused.value.code == "unknown_requester" and "executing_accounts" in refused.value.next


def test_saved_block_without_accounts_runs_everything_as_itself(wire: Wire) -> None:
    """Documents of before load, and one account plans, runs and writes."""
    planner = Warehouse.model_validate({"project": "p", "location": "EU"}).open()
    runner = planner.acting_for("ana")
    assert (planner.writes, runner.principal, planner.principal) == (True, "application-default", "application-default")
    runner.insert(SPEC)
    assert wire.tokens == [] and wire.calls[-1][2] == WORKER


def test_sandbox_asks_nobody_and_says_who_it_would_have_been() -> None:
    """The sandbox stays anonymous; its receipts name the account that was configured."""
    planner = block(endpoint="http://127.0.0.1:9").open()
    assert planner.acting_for("ana").principal == f"sandbox@localhost for {ANA}"
    assert planner.acting_for("ben").principal == f"sandbox@localhost for {RUNNER}"
    assert planner.writes


@pytest.mark.parametrize(
    "wrong",
    [
        {"reading_account": "reader"},
        {"executing_account": "a@b/../../c:x"},
        {"executing_accounts": {"ana": ANA, "ANA": RUNNER}},
        {"executing_accounts": {"ana": ""}},
    ],
)
def test_block_with_ambiguous_accounts_is_not_loaded(wrong: dict[str, Any]) -> None:
    """What is no address, or gives one person two accounts, is refused when it is written."""
    with pytest.raises(ValidationError):
        block(**wrong)
