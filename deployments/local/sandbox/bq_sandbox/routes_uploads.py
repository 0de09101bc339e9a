"""The upload path: load jobs whose rows come with the request, in one piece or in chunks.

Decides that a load job exists once its last byte has arrived. Uploaded bytes lie under the job's id until it ran.
"""

from __future__ import annotations

import email
import json
import re
import threading
import uuid
from dataclasses import dataclass, field
from email.policy import HTTP
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bq_sandbox.api import Body, refused
from bq_sandbox.execution import Executor
from bq_sandbox.identity import caller
from bq_sandbox.jobs import Job, Registry
from bq_sandbox.names import LOCATION, check_job, check_project
from bq_sandbox.refusals import Refusal
from bq_sandbox.wire_jobs import job_resource

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass
class UploadRoutes:
    """Handlers of the upload path."""

    registry: Registry
    executor: Executor
    folder: Path
    _sessions: dict[str, tuple[Body, str]] = field(default_factory=dict[str, tuple[Body, str]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def routes(self) -> list[Route]:
        """All routes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [Route("/projects/{project}/jobs", self.endpoint, methods=["POST", "PUT"])]

    async def endpoint(self, request: Request) -> Response:
        """Begin, continue or do an upload."""
        try:
            check_project(request.path_params["project"])
            raw = await request.body()
            if request.method == "PUT":
                return await run_in_threadpool(self._chunk, request, raw)
            if request.query_params.get("uploadType") == "multipart":
                return await run_in_threadpool(self._multipart, request, raw)
            return self._begin(request, json.loads(raw))
        except Refusal as refusal:
            return refused(refusal)

    def _begin(self, request: Request, body: Body) -> Response:
        session = uuid.uuid4().hex
        with self._lock:
            self._sessions[session] = (body, caller(request))
        address = request.url.include_query_params(uploadType="resumable", upload_id=session)
        return Response(headers={"Location": str(address)})

    def _chunk(self, request: Request, raw: bytes) -> Response:
        session = request.query_params.get("upload_id", "")
        if session not in self._sessions:
            raise Refusal("notFound", "Not found: upload session")
        pending = self.folder / f"{session}.part"
        with pending.open("ab") as file:
            file.write(raw)
        size = pending.stat().st_size
        spelled = _RANGE.fullmatch(request.headers.get("content-range", ""))
        total = spelled.group(3) if spelled else str(size)
        if total == "*" or size < int(total):
            return Response(status_code=308, headers={"Range": f"bytes=0-{size - 1}"} if size else {})
        with self._lock:
            body, user = self._sessions.pop(session)
        return self._accept(body, user, pending)

    def _multipart(self, request: Request, raw: bytes) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + raw, policy=HTTP)
        parts: list[Any] = list(message.iter_parts())  # type: ignore[attr-defined]
        if len(parts) != 2:
            raise Refusal("invalid", "A multipart upload has two parts")
        pending = self.folder / f"{uuid.uuid4().hex}.part"
        pending.write_bytes(parts[1].get_payload(decode=True))
        return self._accept(json.loads(parts[0].get_payload(decode=True)), caller(request), pending)

    def _accept(self, body: Body, user: str, pending: Path) -> Response:
        named = body.get("jobReference") or {}
        configuration = body.get("configuration") or {}
        if "load" not in configuration:
            raise Refusal("invalid", "An upload must be a load job")
        job_id = check_job(named.get("jobId") or f"job_{uuid.uuid4().hex}")
        if self.registry.find(job_id) is None:
            pending.replace(self.folder / job_id)
        job = self.registry.accept(Job(job_id, named.get("location") or LOCATION, user, configuration))
        self.executor.submit(job)
        return JSONResponse(job_resource(job))
