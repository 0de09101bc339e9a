"""One HTTP call: what every route handler gets and gives, and how refusals and faults become responses.

Decides the frame around all routes: read the call, let an armed fault strike, run the handler in a thread, answer
JSON. A handler raises `Refusal` and never builds an error response; whatever else escapes is a bug of the sandbox
and answers 500 in BigQuery's shape.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import duckdb
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bq_sandbox.engine_errors import refusal_for
from bq_sandbox.faults import AFTER, Faults
from bq_sandbox.identity import caller
from bq_sandbox.names import PROJECT, check_project
from bq_sandbox.refusals import Refusal

Body = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A request, read: path and query parameters, JSON body, caller."""

    path: dict[str, str]
    query: dict[str, str]
    body: Body
    user: str

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean query parameter."""
        return self.query.get(name, str(default)).lower() == "true"

    def number(self, name: str, default: int) -> int:
        """A whole-number query or body parameter."""
        value = self.query.get(name, self.body.get(name, default))
        try:
            return max(0, int(value))
        except (TypeError, ValueError) as error:
            raise Refusal("invalid", f"Invalid value for {name}: {value}") from error


Handler = Callable[[Call], Body]
Wait = Callable[[Call], Awaitable[None]]


def route(
    path: str,
    http_method: str,
    name: str,
    handler: Handler,
    faults: Faults,
    wait: Wait | None = None,
) -> Route:
    """A route whose handler runs in a thread; `wait` may first wait for a job without holding one."""

    async def endpoint(request: Request) -> Response:
        try:
            call = await read_call(request)
            job_id = job_id_of(call)
            faults.strike_before(name, job_id)
            check_project(call.path.get("project", PROJECT))
            body = await run_in_threadpool(handler, call) if wait is None else {}
            if wait is not None:
                await wait(call)
                body = await run_in_threadpool(handler, call)
            after = faults.take(AFTER, name, job_id) if name in {"jobs.insert", "jobs.query"} else None
            if after is not None:
                return _after_accept(request, after.kind)
            return JSONResponse(body) if body else Response(status_code=204)
        except Refusal as refusal:
            return refused(refusal)
        except duckdb.Error as error:
            return refused(refusal_for(error, ""))

    return Route(path, endpoint, methods=[http_method])


def refused(refusal: Refusal) -> JSONResponse:
    """The error response of a refusal."""
    return JSONResponse(refusal.envelope(), status_code=refusal.code)


async def read_call(request: Request) -> Call:
    """Read a request; refuses a body that is not a JSON object."""
    raw = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise Refusal("invalid", f"Invalid JSON payload received: {error}", code=400) from error
    if not isinstance(body, dict):
        raise Refusal("invalid", "Invalid JSON payload received: not an object")
    return Call(dict(request.path_params), dict(request.query_params), body, caller(request))


def job_id_of(call: Call) -> str:
    """The job that a call is about, for the faults' `match`."""
    named = (call.body.get("jobReference") or {}).get("jobId")
    return call.path.get("job") or named or call.body.get("requestId") or ""


def _after_accept(request: Request, kind: str) -> Response:
    if kind == "error_after_accept":
        return refused(Refusal("backendError", "Error encountered during execution.", code=503))
    transport = request.scope["state"]["transport"]
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return Response()
