"""The few calls to the Prefect API that starting and waking a run takes.

Edge module, over httpx alone: importing Prefect costs seconds. It decides what counts as reached, accepted and
rejected; an HTTP 200 that says REJECT or ABORT is a rejection. It never decides anything about a run.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from bq_copilot.errors import Refused, Transient, Unreachable

TIMEOUT = 15.0
"""Seconds for one call; a laptop's server under load answers within two."""

CONNECT = 3.0
"""Seconds until a server that does not even accept a connection counts as down."""


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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def is_healthy(self) -> bool:
        """Say whether the server answers."""
        try:
            return self._client.get(f"{self.url}/health").is_success
        except httpx.TransportError:
            return False

    def create_run(self, deployment: str, parameters: Mapping[str, Any], name: str, idempotency_key: str) -> FlowRun:
        """Create a flow run of `flow/deployment`, or return the one that this key created before."""
        found = self._call("GET", f"/deployments/name/{quote(deployment, safe='/')}")
        if found is None:
            raise Refused(
                f"The Prefect server at {self.url} has no deployment {deployment}.",
                code="deployment_missing",
                next="Provision it: `bq-copilot up`, or `prefect deploy --all` in the project.",
            )
        body = {
            "parameters": dict(parameters),
            "name": name,
            "idempotency_key": idempotency_key,
            "state": {"type": "SCHEDULED"},
        }
        return _flow_run(self._must("POST", f"/deployments/{found['id']}/create_flow_run", body))

    def flow_run(self, flow_run_id: str) -> FlowRun | None:
        """Return a flow run, None when the server does not know it."""
        found = self._call("GET", f"/flow_runs/{quote(flow_run_id)}")
        return _flow_run(found) if found else None

    def flow_run_of(self, idempotency_key: str) -> FlowRun | None:
        """Return the flow run that was created with this key, None when there is none."""
        body = {"flow_runs": {"idempotency_key": {"any_": [idempotency_key]}}, "limit": 1}
        found = self._must("POST", "/flow_runs/filter", body)
        return _flow_run(found[0]) if found else None

    def resume(self, flow_run_id: str, answers: Mapping[str, Any]) -> str:
        """Answer the open form; return an empty text, or why the server did not take it."""
        found = self._must("POST", f"/flow_runs/{quote(flow_run_id)}/resume", {"run_input": dict(answers)})
        return _rejection(found)

    def schedule(self, flow_run_id: str) -> str:
        """Let a worker start the flow run again; return an empty text, or why the server did not take it."""
        now = datetime.now(UTC).isoformat()
        state = {"type": "SCHEDULED", "name": "Resuming", "state_details": {"scheduled_time": now}}
        body = {"state": state, "force": False}
        return _rejection(self._must("POST", f"/flow_runs/{quote(flow_run_id)}/set_state", body))

    def block(self, slug: str, name: str) -> dict[str, Any] | None:
        """Return the values of a block document with its secrets, None when there is none."""
        path = f"/block_types/slug/{quote(slug)}/block_documents/name/{quote(name)}?include_secrets=true"
        found = self._call("GET", path)
        return found["data"] if found else None

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
            stop=stop_after_attempt(4),
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
    try:
        return answer.json()
    except ValueError as error:
        raise Refused(
            f"What answers at {url} is not a Prefect API.",
            code="not_a_prefect_api",
            next="PREFECT_API_URL must be the API's address; it usually ends in /api.",
        ) from error


def _flow_run(found: Mapping[str, Any]) -> FlowRun:
    state: Mapping[str, Any] = found.get("state") or {}
    return FlowRun(
        id=str(found["id"]),
        name=str(found.get("name", "")),
        state_type=str(state.get("type", "")),
        state_name=str(state.get("name", "")),
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
