"""Every request that the adapter sends is a published method with published names; so is what the sandbox answers."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from blocks.bigquery import BigQueryWarehouse
from bq_copilot.errors import CopilotError
from bq_copilot.gate.verdict import Parameter
from bq_copilot.ports import JobSpec
from tests.contract.discovery import Call, Discovery
from tests.sandbox.conftest import seed as seed  # noqa: PLC0414 - a fixture of theirs
from tests.sandbox.process import SandboxProcess, new_id
from tests.sandbox.seed import PROJECT
from tests.waiting import until

API = Discovery.of("bigquery.v2")
SCRATCH = f"{PROJECT}.copilot_scratch"
SQL = "SELECT order_id FROM shop.orders WHERE order_id > @least"
PARAMETERS = (
    Parameter(name="least", type="INT64", value=3),
    Parameter(name="since", type="DATE", value="2025-01-01"),
    Parameter(name="at", type="TIMESTAMP", value="2025-01-01T00:00:00+00:00"),
    Parameter(name="who", type="STRING", value="ana"),
    Parameter(name="part", type="FLOAT64", value=0.5),
    Parameter(name="on", type="BOOL", value=True),
)

OF_THE_CLIENT = {
    "bigquery.jobs.get: parameter projection is not published",
    "bigquery.jobs.cancel: parameter projection is not published",
    "bigquery.jobs.insert.configuration.query.queryParameters[].parameterValue.value is 0.5,"
    " published is a value of type string",
}
"""What the official client itself sends beyond what is published; nothing of ours makes it do so."""


@dataclass
class Recorder:
    """What the official client sent, and what it was answered."""

    calls: list[tuple[Call, int, Any]] = field(default_factory=list[tuple[Call, int, Any]])

    def listen(self, client: bigquery.Client) -> None:
        """Take down every request of this client from now on."""
        send = client._http.request

        def request(method: str, url: str, data: Any = None, **more: Any) -> Any:
            answer = send(method=method, url=url, data=data, **more)
            parts = urlsplit(url)
            body = json.loads(data) if data else None
            call = Call(method, parts.path, dict(parse_qsl(parts.query)), body)
            self.calls.append((call, answer.status_code, answer.json() if answer.content else None))
            return answer

        client._http.request = request  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def recorded(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recorder, set[str]]]:
    """All methods of the adapter once, with all that they can be given; (what was sent, methods that were called)."""
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"), seed).start()
    client = bigquery.Client(
        project=PROJECT,
        location="US",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": process.url},
    )
    recorder = Recorder()
    recorder.listen(client)
    warehouse = BigQueryWarehouse(client, scratch=SCRATCH, scratch_days=7, call_timeout=30)
    try:
        yield recorder, _use(warehouse)
    finally:
        process.stop()


def _use(warehouse: BigQueryWarehouse) -> set[str]:
    spec = JobSpec(
        job_id=new_id("bqc"),
        sql=SQL,
        parameters=PARAMETERS,
        destination=f"{SCRATCH}.{new_id()}",
        maximum_bytes_billed=10_485_760,
        timeout_ms=600_000,
        labels=(("run", "r-1"), ("step", "q1")),
        fingerprint="abc",
    )
    warehouse.prepare()
    warehouse.prepare()  # the dataset is there: looked up
    warehouse.describe_dataset(SCRATCH)
    assert warehouse.acting_for("ana") is warehouse, "it has no accounts, and sends nothing to say so"
    (table, *_) = warehouse.list_tables(f"{PROJECT}.shop")
    warehouse.describe_table(table)
    warehouse.modified_ms(table)
    warehouse.dry_run(SQL, PARAMETERS)
    warehouse.insert(spec)
    until(lambda: (job := warehouse.job(spec.job_id)) and job.state == "DONE", 30)
    warehouse.page(spec.job_id, 10)
    warehouse.cancel(spec.job_id)
    for call in (lambda: warehouse.insert(spec), lambda: warehouse.dry_run("SELECT nothing FROM shop.orders", ())):
        with pytest.raises(CopilotError):  # an id that is taken, a statement that is refused
            call()
    assert warehouse.job("bqc-nobody") is None
    warehouse.drop(spec.destination)
    called = {"prepare", "list_tables", "describe_table", "modified_ms", "dry_run", "insert", "job", "page", "cancel"}
    return called | {"drop", "describe_dataset", "acting_for"}


def test_every_request_is_a_published_one(recorded: tuple[Recorder, set[str]]) -> None:
    """Path, method, parameters, fields of the body, their types and their enum values."""
    calls = [call for call, _, _ in recorded[0].calls]
    assert {p for call in calls for p in API.problems(call)} - OF_THE_CLIENT == set()
    sent = {name for call in calls if (found := API.method_of(call)) for name in [found[0].removeprefix("bigquery.")]}
    assert sent == {
        *("datasets.insert", "tables.list", "tables.get", "tables.delete", "tabledata.list"),
        *("jobs.insert", "jobs.get", "jobs.cancel"),
    } | (sent & {"datasets.get"})


def test_no_method_of_the_adapter_is_left_out(recorded: tuple[Recorder, set[str]]) -> None:
    """A new method of the adapter must be used above, or its requests are held to nothing."""
    public = {n for n, f in inspect.getmembers(BigQueryWarehouse, inspect.isfunction) if not n.startswith("_")}
    assert public == recorded[1]


def test_nothing_else_speaks_to_bigquery() -> None:
    """Only the adapter sends requests, so only it has to be recorded."""
    root = Path(inspect.getfile(BigQueryWarehouse)).parents[1]
    product = [p for folder in ("bq_copilot", "blocks", "tasks", "flows") for p in (root / folder).rglob("*.py")]
    using = {p.name for p in product if "google.cloud import bigquery" in p.read_text()}
    assert using == {"bigquery.py", "warehouse.py"}
    assert "_client." not in (root / "blocks" / "warehouse.py").read_text()


def test_a_job_is_sent_with_everything_that_bounds_it(recorded: tuple[Recorder, set[str]]) -> None:
    """Id, place, bytes, time, labels and where the result goes are in the one request that can cost money."""
    (job,) = [c.body for c, status, _ in recorded[0].calls if _is_job(c) and status == 200]
    made = job["configuration"]
    assert job["jobReference"]["jobId"].startswith("bqc") and job["jobReference"]["location"] == "US"
    assert made["query"]["maximumBytesBilled"] == "10485760"
    assert made["jobTimeoutMs"] == "600000"
    assert made["query"]["writeDisposition"] == "WRITE_EMPTY"
    assert made["query"]["useLegacySql"] is False
    assert made["labels"] == {"run": "r-1", "step": "q1", "bqc_fingerprint": "abc"}


def _is_job(call: Call) -> bool:
    return call.method == "POST" and call.path.endswith("/jobs") and not call.body["configuration"].get("dryRun")


def test_what_the_sandbox_answers_is_published_too(recorded: tuple[Recorder, set[str]]) -> None:
    """A field that only our sandbox knows would be read in tests and be missing from the real warehouse."""
    problems = [
        problem
        for call, status, answer in recorded[0].calls
        if status == 200 and answer is not None and (found := API.method_of(call))
        for problem in API.value_problems(found[0], answer, API.response_of(found[0]))
        if "queryParameters[]" not in problem  # the client's own words, handed back
    ]
    assert sorted(set(problems)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "/bigquery/v2/projects/p/job"}, "no published method"),
        ({"parameters": {"colour": "red"}}, "parameter colour is not published"),
        ({"body": {"configuration": {"query": {"maxBytesBilled": "1"}}}}, "maxBytesBilled is not published"),
        ({"body": {"configuration": {"query": {"useLegacySql": "no"}}}}, "of type boolean"),
        ({"body": {"configuration": {"query": {"queryParameters": [{"name": 3}]}}}}, "of type string"),
        ({"body": {"configuration": {"labels": {"run": 3}}}}, "of type string"),
    ],
)
def test_the_check_finds_what_is_not_published(change: dict[str, Any], said: str) -> None:
    """One wrong name, type or path in an otherwise good request."""
    good = Call("POST", "/bigquery/v2/projects/p/jobs", {"prettyPrint": "false"}, {"configuration": {"dryRun": True}})
    assert API.problems(good) == []
    (problem,) = API.problems(replace(good, **change))
    assert said in problem


def test_the_check_knows_published_values() -> None:
    """An enum takes its own values only."""
    good = Call("GET", "/bigquery/v2/projects/p/jobs", {"projection": "full", "allUsers": "true"})
    assert API.problems(good) == []
    assert "published are" in API.problems(replace(good, parameters={"projection": "all"}))[0]
    assert "of type boolean" in API.problems(replace(good, parameters={"allUsers": "perhaps"}))[0]
