"""The server's word to the worker of its machine: there is something in the queues.

Decides: after which requests. Never does: say what it is, or wait for anybody. Why this shape: whoever puts a run in
its queue (a form in the Prefect UI, a command, the recovery service) does it by a request to this server, so that
nobody else need know that there is a worker to be told, and the worker's own looks can be rare.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUEUES = re.compile(r"/api/(flow_runs/[^/]+/(resume|set_state)|deployments/[^/]+/create_flow_run)")
"""Requests after which a run may be in a queue."""

SET_STATE, SCHEDULED = "/set_state", b'"SCHEDULED"'


class Nudging:
    """The application, which tells the worker when a request has put a run in its queue."""

    def __init__(self, app: ASGIApp, worker_socket: Path) -> None:
        self._app, self._to = app, str(worker_socket)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.setblocking(False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one socket, or the application's life."""
        if scope["type"] != "http" or scope["method"] != "POST" or not QUEUES.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        queued = not scope["path"].endswith(SET_STATE)

        async def reading() -> Message:
            nonlocal queued
            message = await receive()
            queued = queued or SCHEDULED in message.get("body", b"")
            return message

        await self._app(scope, reading, send)
        if queued:
            with suppress(OSError):  # no worker listens: it looks when it is there
                self._line.sendto(b"look", self._to)
