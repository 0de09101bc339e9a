"""`python -m deployments.local.api_server PORT`: Prefect's own API server, with writers that wait their turn on SQLite.

Decides: how a transaction on SQLite begins, and one header. By default the server begins a transaction as a reader
and turns the request away (503) if somebody else has written before its own first write; Prefect's clients then wait
two seconds and more. Here a transaction takes its turn when it begins, which costs milliseconds, and an answer that
still says "busy" names a short pause. Never does: change a request, or what the server does with it. Why this shape:
both are plugged in where Prefect has a place for them, its database configuration and its ASGI application. Writers
queue up in the event loop and not in SQLite: there a waiting connection is locked, and when Python's garbage
collector happens to free one of its cursors, the whole loop stands still, and with it whoever should write first.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar

import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, get_current_settings
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
from sqlalchemy.pool import ConnectionPoolEntry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.local.home import Home
from deployments.local.nudging import Nudging

AGAIN = b"0.2"
"""Seconds until the next try; Prefect's clients add their jitter."""

BUSY = 503


TURN_SECONDS = 10.0
"""After this time a transaction begins without its turn: one that waits for another in its own request, say."""

LOCKED_SECONDS = 2.0
"""How long a statement waits inside SQLite; at worst the event loop waits with it."""


class InTurn(AioSqliteConfiguration):
    """SQLite with transactions that may write from their beginning: they queue up instead of failing."""

    _turns: ClassVar[dict[asyncio.AbstractEventLoop, asyncio.Lock]] = {}

    def setup_sqlite(self, conn: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        """Prepare a new connection as Prefect does, but with a short wait inside SQLite."""
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {LOCKED_SECONDS * 1000:.0f}")
        cursor.close()

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """Begin a transaction, as a writer, once those that came before have ended.

        It begins at once and not with its first statement, so that a session which the same request, or a task that
        it starts, opens beside it is a reader and does not wait for the transaction that waits for it.
        """
        async with self._turn(), super().begin_transaction(session, with_for_update=True) as transaction:
            await session.connection()
            mode = SQLITE_BEGIN_MODE.set(None)
            try:
                yield transaction
            finally:
                SQLITE_BEGIN_MODE.reset(mode)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None, None]:
        lock = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await lock.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            lock.release()


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
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url.startswith("sqlite"):
        MODELS_DEPENDENCIES["database_config"] = InTurn(connection_url=url)
    uvicorn.run(
        app=Nudging(Hurried(create_app(final=True)), Home.of(os.environ).worker_socket),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        timeout_keep_alive=settings.api.keepalive_timeout,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
