"""The HTTP face: chat completions, models, health, faults, and a count of requests.

Decides how a fault looks on the wire; what a healthy reply says is decided by the planner. Holds no conversation: the
only state is the armed faults and the counters. Any API key is accepted, unless the server was started with one.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from deployments.local.offline_model.completions import chunks, completion, message_of
from deployments.local.offline_model.conversation import Json, read_conversation
from deployments.local.offline_model.faults import Armed, Fault, FaultKind
from deployments.local.offline_model.planner import next_call

MODEL = "offline-planner-1"


@dataclass
class Counters:
    """What `GET /requests` shows."""

    requests: int = 0
    completions: int = 0
    faults: int = 0
    slowest_ms: float = 0.0
    tools: dict[str, int] = field(default_factory=dict)


class ConnectionCut(RuntimeError):
    """The armed `cut_stream` fault closed this connection on purpose."""


class OfflineModel:
    """The routes and the little state behind them."""

    def __init__(self, name: str = MODEL, key: str = "") -> None:
        self.name, self._key = name, key
        self.armed = Armed()
        self.counters = Counters()

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": self.name})

    async def models(self, request: Request) -> Response:
        return JSONResponse(
            {"object": "list", "data": [{"id": self.name, "object": "model", "created": 0, "owned_by": "offline"}]}
        )

    async def requests(self, request: Request) -> Response:
        return JSONResponse(asdict(self.counters))

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.armed.clear()
        if request.method == "POST":
            try:
                return JSONResponse(self.armed.arm(await request.json()).shown(), 201)
            except (ValueError, TypeError) as error:
                return _error(400, f"fault not armed: {error}", "invalid_request_error")
        return JSONResponse({"faults": self.armed.shown()})

    async def chat(self, request: Request) -> Response:
        self.counters.requests += 1
        if self._key and request.headers.get("authorization") != f"Bearer {self._key}":
            return _error(401, "the API key is not the one of this server", "invalid_api_key")
        try:
            body = await request.json()
            messages = body["messages"]
            asked = body.get("model", self.name)
        except (ValueError, KeyError, TypeError):
            return _error(400, "the body must be JSON with `messages`", "invalid_request_error")
        if self._key and asked != self.name:
            return _error(404, f"this server has no model {asked}", "model_not_found")
        fault = self.armed.take()
        if fault:
            self.counters.faults += 1
            refused = await _refusal(fault)
            if refused:
                return refused
        tool, arguments = self._call(body, messages, fault)
        self.counters.completions += 1
        self.counters.tools[tool] = self.counters.tools.get(tool, 0) + 1
        message = message_of(body, tool, arguments)
        cut = fault is not None and fault.kind is FaultKind.CUT_STREAM
        if body.get("stream"):
            return StreamingResponse(_events(body, message, cut), media_type="text/event-stream")
        if cut:
            return StreamingResponse(_half(body, message), media_type="application/json")
        return JSONResponse(completion(body, message, int(time.time())))

    def _call(self, body: Json, messages: list[Json], fault: Fault | None) -> tuple[str, str]:
        """The tool and its arguments as text, bent by the fault if there is one."""
        if fault and fault.kind is FaultKind.UNKNOWN_TOOL:
            return "run_shell", '{"command": "id"}'
        if fault and fault.kind is FaultKind.ENDLESS_LOOP:
            return "list_tables", '{"search": ""}'
        began = time.perf_counter()
        call = next_call(read_conversation(messages, body.get("tools") or []))
        took = 1000 * (time.perf_counter() - began)
        self.counters.slowest_ms = max(self.counters.slowest_ms, round(took, 3))
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        if fault and fault.kind is FaultKind.MALFORMED_CALL:
            arguments = arguments[:-1] + ', "unfinished": '
        return call.tool, arguments


async def _refusal(fault: Fault) -> Response | None:
    """The reply of a fault that answers instead of the planner; a timeout waits and then lets the planner answer."""
    if fault.kind is FaultKind.RATE_LIMIT:
        headers = {"retry-after": f"{fault.retry_after:g}", "retry-after-ms": str(int(fault.retry_after * 1000))}
        return _error(429, "rate limit reached (armed fault)", "rate_limit_exceeded", headers)
    if fault.kind is FaultKind.ERROR:
        return _error(500, "the server had an error (armed fault)", "server_error")
    if fault.kind is FaultKind.TIMEOUT:
        await asyncio.sleep(fault.seconds)
    return None


def _error(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"message": message, "type": kind, "param": None, "code": kind}}
    return JSONResponse(body, status, headers)


async def _events(body: Json, message: Json, cut: bool) -> AsyncIterator[str]:
    parts = list(chunks(body, message, int(time.time())))
    for position, part in enumerate(parts):
        if cut and position >= max(1, len(parts) // 2):
            raise ConnectionCut
        yield f"data: {json.dumps(part, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


async def _half(body: Json, message: Json) -> AsyncIterator[str]:
    text = json.dumps(completion(body, message, int(time.time())))
    yield text[: len(text) // 2]
    raise ConnectionCut


def build_app(name: str = MODEL, key: str = "") -> Starlette:
    """A fresh server with nothing armed; with a key it serves one model of that name to who has the key."""
    model = OfflineModel(name, key)
    return Starlette(
        routes=[
            Route("/health", model.health),
            Route("/v1/models", model.models),
            Route("/v1/chat/completions", model.chat, methods=["POST"]),
            Route("/faults", model.faults, methods=["GET", "POST", "DELETE"]),
            Route("/requests", model.requests),
        ]
    )
