"""The running stack of the tests, and what a test does with it beyond the public API.

Decides: how a test asks, waits, looks behind the product's back (warehouse, Prefect, processes) and kills. Never
does: import Prefect, or change a record. Why this shape: one value that the fixtures hand out, so that a test reads
as the story of one run.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import httpx
import yaml

from bq_copilot import identity
from bq_copilot.client import Copilot, RunHandle
from bq_copilot.errors import Unreachable
from bq_copilot.installation import find
from bq_copilot.phases import Phase
from bq_copilot.state import RunState
from bq_copilot.values import Value
from deployments.local import stack
from deployments.local.home import Home
from deployments.local.liveness import is_alive
from deployments.local.records import StackRecord, read_record
from tests.waiting import until

E = TypeVar("E", bound=Value)

PROJECT = "bq-copilot-sandbox"
PATIENCE = 60.0
"""Seconds that a run may take to its next stop on a busy machine of two cores."""

RECOVERY = 120.0
"""Seconds that a run may take to its next stop after a fault."""


@dataclass(frozen=True)
class Live:
    """One stack, up and healthy when a test gets it."""

    home: Home
    environ: Mapping[str, str] = field(repr=False)

    @property
    def record(self) -> StackRecord:
        """The stack's record as it is now."""
        found = until(lambda: read_record(self.home), 10)
        assert found is not None
        return found

    def healthy(self) -> StackRecord:
        """Wait until every process answers again, whatever the last test did."""
        return stack.up(self.home, self.environ)

    @cached_property
    def copilot(self) -> Copilot:
        """The public API on this stack."""
        return self.copilot_of("default")

    def copilot_of(self, environment: str) -> Copilot:
        """The public API on another named environment of this stack."""
        return Copilot(installation=find({"BQ_COPILOT_HOME": str(self.home.root)}, environment))

    # -- asking ------------------------------------------------------------------------------------------

    def ask(self, question: str, *, key: str | None = None) -> RunHandle:
        """Ask, and wait until a person is needed or the run has ended."""
        run = self.copilot.record(question, request_key=key)
        with suppress(Unreachable):  # a server that is only just back: the recovery service starts the run then
            run.start(somebody_waits=True)
        return run.wait(timeout=PATIENCE)

    def ask_with(
        self,
        question: str,
        *,
        deployment: str = "analyze/analyze",
        variables: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> RunHandle:
        """Ask as the public API does, but with more flow parameters or environment variables; does not wait."""
        run = self.copilot.record(question)
        received = run.state.received
        assert received is not None
        found = self.prefect("GET", f"/deployments/name/{deployment}")
        body = {
            "parameters": {
                "question": received.question,
                "requester": received.requester,
                "request_key": received.request_key,
                **parameters,
            },
            "name": question[:80],
            "idempotency_key": run.run_id,
            "job_variables": {"env": dict(variables or {})},
            "state": {"type": "SCHEDULED"},
        }
        self.prefect("POST", f"/deployments/{found['id']}/create_flow_run", body)
        return run

    def environment(
        self, name: str, *, policy: Mapping[str, Any] | None = None, model_key: str = "", **warehouse: Any
    ) -> Copilot:
        """Write blocks of this name: the default ones with changed policy keys, warehouse fields or model key."""
        kinds = ("warehouse", "language-model", "ledger-store", "policy")
        for slug in (f"bq-copilot-{kind}" for kind in kinds):
            path = f"/block_types/slug/{slug}/block_documents/name"
            block = self.prefect("GET", f"{path}/default?include_secrets=true")
            data = dict(block["data"])
            if slug.endswith("policy") and policy:
                data["text"] = yaml.safe_dump(_merged(yaml.safe_load(data["text"]), policy))
            if slug.endswith("warehouse"):
                data |= warehouse
            if slug.endswith("model") and model_key:
                data["api_key"] = model_key
            self._write_block(path, name, block, data)
        return self.copilot_of(name)

    def _write_block(self, path: str, name: str, like: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        present = self._block(path, name)
        if present is None:
            same = {key: like[key] for key in ("block_schema_id", "block_type_id")}
            self.prefect("POST", "/block_documents/", {"name": name, "data": data, **same})
        elif present["data"] != data:
            self.prefect("PATCH", f"/block_documents/{present['id']}", {"data": data, "merge_existing_data": False})

    def _block(self, path: str, name: str) -> dict[str, Any] | None:
        url = f"{self.record.prefect_api_url}{path}/{name}?include_secrets=true"
        answer = httpx.get(url, timeout=20)
        return answer.json() if answer.is_success else None

    # -- behind the product's back -----------------------------------------------------------------------

    def prefect(self, method: str, path: str, body: Any = None) -> Any:
        """Call the Prefect API; repeated while the server is not there or SQLite says 503."""
        url = f"{self.record.prefect_api_url}{path}"
        answer = _answer(lambda: httpx.request(method, url, json=body, timeout=20), 30)
        return answer.json() if answer.content else None

    def flow_run(self, run: RunHandle) -> dict[str, Any]:
        """The run's flow run, as the Prefect API shows it."""
        body = {"flow_runs": {"idempotency_key": {"any_": [run.run_id]}}}
        found = until(lambda: self.prefect("POST", "/flow_runs/filter", body), 20)
        assert len(found) == 1, f"{len(found)} flow runs for {run.run_id}"
        return found[0]

    def flow_state(self, run: RunHandle) -> str:
        """Name of the flow run's state, in Prefect's words."""
        return str(self.flow_run(run)["state"]["name"])

    def in_state(self, run: RunHandle, *names: str, seconds: float = PATIENCE) -> str:
        """Wait until the flow run is in a state of one of these names."""
        return until(lambda: state if (state := self.flow_state(run)) in names else "", seconds)

    def suspended(self, run: RunHandle) -> None:
        """Wait until the run waits without any process."""
        self.in_state(run, "Suspended")
        until(lambda: self.holder_of(run) == 0, 20)

    def table(self, name: str) -> dict[str, Any]:
        """A table as the warehouse's REST API shows it."""
        project, dataset, table = name.split(".")
        url = f"{self.record.warehouse_url}/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"
        return httpx.get(url, timeout=20).raise_for_status().json()

    def jobs(self, run: RunHandle) -> list[dict[str, Any]]:
        """The run's jobs as the warehouse knows them, oldest first; read with the REST API, not with our adapter."""
        url = f"{self.record.warehouse_url}/bigquery/v2/projects/{PROJECT}/jobs"
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"nextPageToken": None}
        while "nextPageToken" in page:
            token = {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
            params = {"allUsers": "true", "maxResults": "1000", **token}
            page = _answer(lambda params=params: httpx.get(url, params=params, timeout=20), 60).json()
            found += page["jobs"]
        mine = identity.label(run.run_id)
        return [j for j in reversed(found) if j["configuration"].get("labels", {}).get("run") == mine]

    def jobs_of_plan(self, run: RunHandle) -> list[dict[str, Any]]:
        """The run's jobs without its bounded looks at single columns."""
        return [j for j in self.jobs(run) if not j["configuration"]["labels"]["step"].startswith("profile")]

    def kinds(self, run: RunHandle) -> list[str]:
        """What has been recorded so far, in order."""
        return [u.kind for u in run.updates()]

    # -- faults ------------------------------------------------------------------------------------------

    def arm_warehouse(self, kind: str, **more: Any) -> None:
        """Arm a fault of the sandbox."""
        httpx.post(f"{self.record.warehouse_url}/faults", json={"kind": kind, **more}, timeout=30).raise_for_status()

    def arm_model(self, kind: str, **more: Any) -> None:
        """Arm a fault of the offline model."""
        httpx.post(f"{self._model}/faults", json={"kind": kind, **more}, timeout=30).raise_for_status()

    def disarm(self) -> None:
        """Forget all armed faults."""
        for url in (self.record.warehouse_url, self._model):
            httpx.delete(f"{url}/faults", timeout=30).raise_for_status()

    @property
    def _model(self) -> str:
        return self.record.model_url.removesuffix("/v1")

    def process_of(self, run: RunHandle) -> int:
        """The pid that holds the run's lease now."""
        return until(lambda: self.holder_of(run), 20, every=0.01)

    def holder_of(self, run: RunHandle) -> int:
        """The live process that holds the run's lease, 0 when there is none."""
        lease = self.copilot.installation.ledger.lease_of(run.run_id)
        pid = int(lease.holder.split(":")[1]) if lease and ":" in lease.holder else 0
        return pid if pid and is_alive(pid) else 0

    def kill(self, pid: int) -> None:
        """SIGKILL a process of this stack and see it gone."""
        environ = open(f"/proc/{pid}/environ", "rb").read()  # noqa: SIM115, PTH123 - a pseudo-file
        assert f"BQ_COPILOT_HOME={self.home.root}".encode() in environ, f"{pid} is not of this stack"
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid), 10, every=0.01)

    def kill_part(self, name: str) -> None:
        """SIGKILL one process of the stack by its name; its supervisor starts it again."""
        before = self.record.pids[name]
        self.kill(before)
        until(lambda: self.record.pids.get(name, before) != before, 30)


def events_of(run: RunHandle, kind: type[E]) -> list[E]:
    """The run's events of one kind, in order."""
    return [u.event for u in run.updates() if isinstance(u.event, kind)]


def asks_about(revision: int) -> Callable[[RunState], bool]:
    """A condition to wait for: this revision of the plan waits for an approval."""
    return lambda s: s.phase is Phase.AWAITING_APPROVAL and s.plan is not None and s.plan.revision == revision


def rows_of(run: RunHandle) -> list[list[Any]]:
    """The rows of the answer's table."""
    answer = run.show()["answer"]
    assert answer is not None, json.dumps(run.show()["error"])
    return answer["rows"]


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with the keys of `new`, folded into nested mappings."""
    both = {k: _merged(old[k], v) for k, v in new.items() if isinstance(v, Mapping) and k in old}
    return {**old, **new, **both}


def _answer(call: Callable[[], httpx.Response], seconds: float) -> httpx.Response:
    """The answer; a process that was killed a moment ago, or is busy, is asked again."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        with suppress(httpx.TransportError):
            answers.append(call())
        return bool(answers) and answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    until(answered, seconds, every=0.2)
    return answers[-1].raise_for_status()
