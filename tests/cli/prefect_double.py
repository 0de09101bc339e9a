"""A tiny HTTP double of the Prefect API: the dozen calls of the client, with states that a test sets by hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

DEPLOYMENT = "/deployments/name/analyze/analyze"
FLOW_RUN = "11111111-1111-4111-8111-111111111111"


@dataclass
class PrefectDouble:
    """What the server holds, and what it was asked."""

    url: str = ""
    state: str = "SCHEDULED"
    name: str = ""
    """Name of the state where it is not its type's own."""
    has_deployment: bool = True
    busy: int = 0
    """How many calls still get a 503."""
    refuses_resume: bool = False
    refuses_schedule: bool = False
    token: str = ""
    block: dict[str, str] | None = None
    on_create: Callable[[dict[str, Any]], None] | None = None
    created: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Deployments of follow-ups by flow/name; the first one is the template."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)

    def bodies(self, end: str) -> list[Any]:
        """Return the bodies of the calls whose path ends like this."""
        return [body for _, path, body in self.calls if path.endswith(end)]

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return status and body of one call."""
        self.calls.append((method, path, body))
        if self.busy > 0:
            self.busy -= 1
            return 503, {"detail": "database is locked"}
        if path == "/health":
            return 200, True
        if path == DEPLOYMENT:
            return (200, {"id": "d-1"}) if self.has_deployment else (404, {"detail": "not found"})
        if path == "/deployments/d-1/create_flow_run":
            return 201, self._create(body)
        if path.startswith("/deployments/"):
            return self._about_series(method, path, body)
        if path.startswith("/block_types/"):
            return (200, {"data": self.block}) if self.block else (404, {"detail": "not found"})
        return self._about_runs(path, body)

    def _about_series(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "DELETE":
            return self._delete_schedule(*path.split("/")[2::2])
        if path == "/deployments/":
            found = self.deployments.setdefault(f"follow-up/{body['name']}", {**body, "id": f"d-{body['name']}"})
            return 201, found
        if path.endswith("/pause_deployment"):
            return 200, None
        name = path.removeprefix("/deployments/name/")
        if name == "follow-up/follow-up" and self.has_deployment:
            return 200, {"id": "d-2", "flow_id": "f-1", "entrypoint": "flows/follow_up.py:follow_up"}
        return (200, self._shown(name)) if name in self.deployments else (404, {"detail": "not found"})

    def _shown(self, name: str) -> dict[str, Any]:
        found = self.deployments[name]
        return {**found, "schedules": [{**s, "id": f"s-{n}"} for n, s in enumerate(found.get("schedules", []))]}

    def _delete_schedule(self, deployment_id: str, schedule_id: str) -> tuple[int, Any]:
        for found in (d for d in self.deployments.values() if d["id"] == deployment_id):
            number = int(schedule_id.removeprefix("s-"))
            if number < len(found["schedules"]):
                del found["schedules"][number]
                return 204, None
        return 404, {"detail": "not found"}

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        key = body["idempotency_key"]
        if key not in self.created:
            self.created[key] = body
            if self.on_create:
                self.on_create(body)
        return self._flow_run()

    def _flow_run(self) -> dict[str, Any]:
        return {"id": FLOW_RUN, "name": "n", "state": {"type": self.state, "name": self.name or self.state.title()}}

    def _about_runs(self, path: str, body: Any) -> tuple[int, Any]:
        if path == "/flow_runs/filter":
            keys = body["flow_runs"].get("idempotency_key", {}).get("any_", [])
            return 200, [self._flow_run() for k in keys if k in self.created]
        if path == f"/flow_runs/{FLOW_RUN}":
            return 200, self._flow_run()
        resumes = path.endswith("/resume")
        if resumes and self.state != "PAUSED":
            return 200, {"status": "ABORT", "details": {"reason": "Cannot resume a flow run that is not paused."}}
        refuses = self.refuses_resume if resumes else self.refuses_schedule
        if refuses:
            return 200, {"status": "REJECT", "details": {"reason": "Reason: it does not fit"}}
        self.state = "RUNNING"
        return 201, {"status": "ACCEPT", "details": {}}


@contextmanager
def serving(double: PrefectDouble) -> Iterator[PrefectDouble]:
    """Serve the double on a free port of this machine."""

    class Answering(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            wrong = double.token and self.headers.get("authorization") != double.token
            path = urlparse(self.path).path.removeprefix("/api")
            status, answer = (401, {}) if wrong else double.answer(self.command, path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _reply

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    double.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
