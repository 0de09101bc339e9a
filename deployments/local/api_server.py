"""`python -m deployments.local.api_server PORT`: Prefect's own API server, which also says how soon to try again.

Decides: one header. SQLite lets one request write at a time, and a transaction that read before somebody else wrote
is turned away (503). Prefect's clients then wait two seconds and more, unless the answer names a time; the moment
that they wait for is over in milliseconds. Never does: change a request, or what the server does with it. Why this
shape: an ASGI wrapper around the unmodified application, served by the server's own library with its own defaults.
"""

from __future__ import annotations

import sys

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AGAIN = b"0.2"
"""Seconds until the next try; Prefect's clients add their jitter."""

BUSY = 503


class Hurried:
    """The application, with `Retry-After` on every answer that says that it is busy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one socket, or the application's life."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == BUSY:
                message = {**message, "headers": [*message.get("headers", ()), (b"retry-after", AGAIN)]}
            await send(message)

        await self._app(scope, receive, sending)


def main() -> None:
    """Serve until told to stop."""
    settings = get_current_settings().server
    uvicorn.run(
        app=Hurried(create_app(final=True)),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        timeout_keep_alive=settings.api.keepalive_timeout,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
