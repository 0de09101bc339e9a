"""The few calls to the Prefect API that starting and waking a run takes.

Edge module, over httpx alone: importing Prefect costs seconds. It decides what counts as reached, accepted and
rejected; an HTTP 200 that says REJECT or ABORT is a rejection. It never decides anything about a run.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from bq_copilot.errors import Refused, Transient, Unreachable
from bq_copilot.queues import Queue

TIMEOUT = 15.0
"""Seconds for one call; a laptop's server under load answers within two."""

CONNECT = 3.0
"""Seconds until a server that does not even accept a connection counts as down."""


BUSY_SECONDS = 8.0
"""How long a server may say that it is busy: on SQLite some runs that start at once keep each other from writing."""


class _Busy(Transient):
    """The server answered 429, 502, 503 or 504; SQLite says 503 while another request writes."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """What waking a run needs to know of its flow run."""

    id: str
    name: str
    state_type: str
    """SCHEDULED, PENDING, RUNNING, PAUSED, … in Prefect's own words; empty before the first state."""
    state_name: str
    since: datetime | None = None
    """When it came into this state, by the server's clock."""
    key: str = ""
    """The idempotency key that it was created with; empty for one that was started in Prefect's UI."""
    pid: str = ""
    """What the worker says its process is: a pid on the worker's host, or another name; may be of an earlier one."""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def waits(self) -> bool:
        """True while it is paused or suspended."""
        return self.state_type == "PAUSED"


class PrefectApi:
    """A Prefect server (or Cloud workspace) at its API URL."""

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            headers=dict(headers or {}),
            timeout=httpx.Timeout(TIMEOUT, connect=CONNECT),
            transport=transport,
        )
        self.clock: datetime | None = None
        """The server's clock at its last answer, to the second; None before, or when it does not say."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def is_healthy(self) -> bool:
        """Say whether the server answers."""
        try:
            return self._client.get(f"{self.url}/health").is_success
        except httpx.TransportError:
            return False

    def create_run(
        self,
        deployment: str,
        parameters: Mapping[str, Any],
        name: str,
        idempotency_key: str,
        queue: Queue | None = None,
    ) -> FlowRun:
        """Create a flow run of `flow/deployment` in a work queue, which is made if need be, or the deployment's own.

        Returns the one that this key created before, if there is one.
        """
        found = self.deployment(deployment)
        if found is None:
            raise Refused(
                f"The Prefect server at {self.url} has no deployment {deployment}.",
                code="deployment_missing",
                next="Provision it: `bq-copilot up`, or `prefect deploy --all` in the project.",
            )
        pool = found.get("work_pool_name")
        if queue and pool:
            self._ensure_queue(pool, queue)
        body = {
            "parameters": dict(parameters),
            "name": name,
            "idempotency_key": idempotency_key,
            "state": {"type": "SCHEDULED"},
            **({"work_queue_name": queue.name} if queue and pool else {}),
        }
        return _flow_run(self._must("POST", f"/deployments/{found['id']}/create_flow_run", body))

    def deployment(self, name: str) -> dict[str, Any] | None:
        """Return the deployment `flow/name` as the server shows it, None when there is none."""
        return self._call("GET", f"/deployments/name/{quote(name, safe='/')}")

    def create_deployment(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a deployment; one of the same flow and name is replaced."""
        return self._must("POST", "/deployments/", body)

    def pause_deployment(self, deployment_id: str) -> None:
        """Stop its schedules, and remove the runs that they have planned."""
        self._call("POST", f"/deployments/{quote(deployment_id)}/pause_deployment", {})

    def delete_schedule(self, deployment_id: str, schedule_id: str) -> bool:
        """Delete one schedule of a deployment, and the runs that it has planned; False when it is not there."""
        found = self._call("DELETE", f"/deployments/{quote(deployment_id)}/schedules/{quote(schedule_id)}")
        return found is not None

    def newest_due(self, deployment_id: str, after: datetime, before: datetime) -> str:
        """Return the newest time between two moments for which a deployment's schedule made a run; else empty."""
        expected = {"after_": after.isoformat(), "before_": before.isoformat()}
        body = {
            "deployments": {"id": {"any_": [deployment_id]}},
            "flow_runs": {"expected_start_time": expected, "state": {"type": {"not_any_": ["CANCELLED"]}}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": 20,
        }
        found: list[dict[str, Any]] = self._must("POST", "/flow_runs/filter", body)
        planned = (str(f["expected_start_time"]) for f in found if f.get("auto_scheduled"))
        return next((at for at in planned if datetime.fromisoformat(at) > after), "")

    def _ensure_queue(self, pool: str, queue: Queue) -> None:
        path = f"/work_pools/{quote(pool, safe='')}/queues"
        if self._call("GET", f"{path}/{quote(queue.name, safe='')}") is not None:
            return
        wanted = {"name": queue.name, "description": queue.description, "priority": queue.priority}
        try:
            self._must("POST", path, {**wanted, "concurrency_limit": queue.limit})
        except Refused:
            if self._call("GET", f"{path}/{quote(queue.name, safe='')}") is None:
                raise  # it was not that somebody else made it at the same moment

    def flow_run(self, flow_run_id: str) -> FlowRun | None:
        """Return a flow run, None when the server does not know it."""
        found = self._call("GET", f"/flow_runs/{quote(flow_run_id)}")
        return _flow_run(found) if found else None

    def flow_run_of(self, idempotency_key: str) -> FlowRun | None:
        """Return the flow run that was created with this key, None when there is none."""
        body = {"flow_runs": {"idempotency_key": {"any_": [idempotency_key]}}, "limit": 1}
        found = self._must("POST", "/flow_runs/filter", body)
        return _flow_run(found[0]) if found else None

    def flow_runs(self, ids: Iterable[str]) -> dict[str, FlowRun]:
        """Return those of these flow runs that the server knows, by id."""
        wanted = list(ids)
        found: dict[str, FlowRun] = {}
        for start in range(0, len(wanted), 200):
            body = {"flow_runs": {"id": {"any_": wanted[start : start + 200]}}, "limit": 200}
            found |= {str(f["id"]): _flow_run(f) for f in self._must("POST", "/flow_runs/filter", body)}
        return found

    def flow_runs_of(self, keys: Iterable[str]) -> dict[str, FlowRun]:
        """Return the flow runs that were created with these idempotency keys, by key; at most 200 keys."""
        body = {"flow_runs": {"idempotency_key": {"any_": list(keys)}}, "limit": 200}
        return {f.key: f for f in self._found(body)}

    def active(self, flows: Sequence[str]) -> list[FlowRun]:
        """Return the flow runs of these flows that have, had or wait beside a process: all but queue, sleep and end."""
        types = ["RUNNING", "PENDING", "PAUSED", "CANCELLING", "CRASHED"]
        state = {"type": {"any_": types}, "name": {"not_any_": ["Suspended"]}}
        return self._pages(flows, state)

    def suspended(self, flows: Sequence[str], offset: int, limit: int) -> list[FlowRun]:
        """Return some of the flow runs of these flows that sleep until somebody answers."""
        state = {"type": {"any_": ["PAUSED"]}, "name": {"any_": ["Suspended"]}}
        body = {"flows": {"name": {"any_": list(flows)}}, "flow_runs": {"state": state}}
        return self._found({**body, "limit": limit, "offset": offset})

    def ended(self, flows: Sequence[str], offset: int, limit: int) -> list[FlowRun]:
        """Return some of the flow runs of these flows that have ended, those that ended last first."""
        types = ["COMPLETED", "FAILED", "CANCELLED", "CRASHED"]
        body = {"flows": {"name": {"any_": list(flows)}}, "flow_runs": {"state": {"type": {"any_": types}}}}
        return self._found({**body, "sort": "END_TIME_DESC", "limit": limit, "offset": offset})

    def _pages(self, flows: Sequence[str], state: Mapping[str, Any], size: int = 200) -> list[FlowRun]:
        body = {"flows": {"name": {"any_": list(flows)}}, "flow_runs": {"state": state}, "limit": size}
        found: list[FlowRun] = []
        while len(page := self._found({**body, "offset": len(found)})) == size:
            found += page
        return found + page

    def _found(self, body: Mapping[str, Any]) -> list[FlowRun]:
        return [_flow_run(f) for f in self._must("POST", "/flow_runs/filter", body)]

    def relabel(self, flow_run_id: str, why: str) -> None:
        """Call a flow run running again whose process lives."""
        state = {"type": "RUNNING", "name": "Running", "message": why}
        self._must("POST", f"/flow_runs/{quote(flow_run_id)}/set_state", {"state": state, "force": True})

    def restart(self, flow_run_id: str, why: str) -> str:
        """Put a run whose process is gone back in its queue; return an empty text, or why that was not taken.

        The way over Crashed is the only one on which Prefect forgets that it wanted to retry inside the process.
        """
        path = f"/flow_runs/{quote(flow_run_id)}/set_state"
        crashed = {"type": "CRASHED", "name": "Crashed", "message": why}
        self._must("POST", path, {"state": crashed, "force": True})
        queued = {"type": "SCHEDULED", "name": "Restarting", "message": why}
        return _rejection(self._must("POST", path, {"state": queued, "force": False}))

    def lost_a_cancel(self, flow_run_id: str) -> bool:
        """Say whether `restart` came right after somebody's cancel, which it did not see and wrote over."""
        found: list[dict[str, Any]] = self._must("GET", f"/flow_run_states/?flow_run_id={quote(flow_run_id)}")
        types = [str(s["type"]) for s in sorted(found, key=lambda s: datetime.fromisoformat(s["timestamp"]))]
        return types[-3:] == ["CANCELLING", "CRASHED", "SCHEDULED"]

    def cancelled(self, flow_run_id: str, why: str) -> None:
        """Call a flow run cancelled that no process runs any more."""
        self.settle(flow_run_id, "CANCELLED", "Cancelled", why)

    def settle(self, flow_run_id: str, state_type: str, name: str, why: str) -> None:
        """Say how a flow run has ended that no process runs any more, whatever stood there."""
        state = {"type": state_type, "name": name, "message": why}
        self._must("POST", f"/flow_runs/{quote(flow_run_id)}/set_state", {"state": state, "force": True})

    def resume(self, flow_run_id: str, answers: Mapping[str, Any]) -> str:
        """Answer the open form; return an empty text, or why the server did not take it."""
        found = self._must("POST", f"/flow_runs/{quote(flow_run_id)}/resume", {"run_input": dict(answers)})
        return _rejection(found)

    def schedule(self, flow_run_id: str) -> str:
        """Let a worker start the flow run again; return an empty text, or why the server did not take it."""
        body = {"state": {"type": "SCHEDULED", "name": "Resuming"}, "force": False}
        return _rejection(self._must("POST", f"/flow_runs/{quote(flow_run_id)}/set_state", body))

    def block(self, slug: str, name: str) -> dict[str, Any] | None:
        """Return the values of a block document with its secrets, None when there is none."""
        path = f"/block_types/slug/{quote(slug)}/block_documents/name/{quote(name)}?include_secrets=true"
        found = self._call("GET", path)
        return found["data"] if found else None

    def notifiers(self, name: str) -> list[dict[str, Any]]:
        """Return the documents of the notification blocks called `name`, of any type, with their secrets."""
        body = {
            "block_documents": {"name": {"any_": [name]}, "is_anonymous": {"eq_": False}},
            "block_schemas": {"block_capabilities": {"all_": ["notify"]}},
            "include_secrets": True,
        }
        found = self._must("POST", "/block_documents/filter", body)
        return sorted(found, key=lambda document: str(document["block_type"]["slug"]))

    def look(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return what is at a path, or what a filter finds there; None when there is no such thing. Changes nothing."""
        assert query is None or path.endswith(("/filter", "/count"))
        return self._call("GET" if query is None else "POST", path, query)

    def _must(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        found = self._call(method, path, body)
        if found is None:
            raise Refused(
                f"The server at {self.url} does not know {path}.",
                code="not_a_prefect_api",
                next="PREFECT_API_URL must be the API's address; it usually ends in /api.",
            )
        return found

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the parsed answer, None for 404. Raises Unreachable or Refused."""
        retrying = Retrying(
            stop=stop_after_delay(BUSY_SECONDS),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception_type(_Busy),
            reraise=True,
        )
        try:
            return retrying(self._once, method, path, body)
        except (_Busy, httpx.TransportError) as error:
            raise Unreachable(
                f"The Prefect server at {self.url} does not answer ({_first_line(error)}).",
                next="Start the stack with `bq-copilot up`, or correct PREFECT_API_URL.",
            ) from error

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        answer = self._client.request(method, self.url + path, json=body)
        self.clock = _clock(answer) or self.clock
        if answer.status_code == 404:
            return None
        if answer.status_code in {429, 502, 503, 504}:
            raise _Busy(f"it answered {answer.status_code}")
        if answer.status_code in {401, 403}:
            raise Refused(
                f"The Prefect server at {self.url} refuses this client ({answer.status_code}).",
                code="not_authorised",
                next="Set PREFECT_API_AUTH_STRING or PREFECT_API_KEY as the server expects it.",
            )
        if not answer.is_success:
            raise Refused(
                f"The Prefect server answered {answer.status_code} to {method} {path}: {answer.text[:300]}",
                code="prefect_refused",
                next="Look at the server's log; `bq-copilot doctor` says where it is.",
            )
        return _json(answer, self.url)


def headers_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the authorisation that Prefect's own environment variables ask for."""
    key, basic = environ.get("PREFECT_API_KEY"), environ.get("PREFECT_API_AUTH_STRING")
    if key:
        return {"Authorization": f"Bearer {key}"}
    if basic:
        return {"Authorization": "Basic " + base64.b64encode(basic.encode()).decode()}
    return {}


def _json(answer: httpx.Response, url: str) -> Any:
    if not answer.content:
        return {}
    try:
        return answer.json()
    except ValueError as error:
        raise Refused(
            f"What answers at {url} is not a Prefect API.",
            code="not_a_prefect_api",
            next="PREFECT_API_URL must be the API's address; it usually ends in /api.",
        ) from error


def _clock(answer: httpx.Response) -> datetime | None:
    said = answer.headers.get("date")
    return parsedate_to_datetime(said) if said else None


def _flow_run(found: Mapping[str, Any]) -> FlowRun:
    state: Mapping[str, Any] = found.get("state") or {}
    return FlowRun(
        id=str(found["id"]),
        name=str(found.get("name", "")),
        state_type=str(state.get("type", "")),
        state_name=str(state.get("name", "")),
        since=datetime.fromisoformat(state["timestamp"]) if state.get("timestamp") else None,
        key=str(found.get("idempotency_key") or ""),
        pid=str(found.get("infrastructure_pid") or ""),
        parameters=found.get("parameters") or {},
    )


def _rejection(found: Mapping[str, Any]) -> str:
    status = str(found.get("status", ""))
    if status == "ACCEPT":
        return ""
    details: Mapping[str, Any] = found.get("details") or {}
    return f"{status}: {details.get('reason', 'no reason given')}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
