"""The process: builds the parts once, serves them, sweeps what expired, and closes in order.

Decides the composition and nothing else. The one oddity is the HTTP protocol class: it puts the connection's
transport into the request's state, because the `reset_after_accept` fault has to cut the connection for real.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from bq_sandbox.api import read_call, refused
from bq_sandbox.catalog import Catalog
from bq_sandbox.effects import Effects
from bq_sandbox.execution import Executor, Running
from bq_sandbox.faults import Faults
from bq_sandbox.jobs import Registry
from bq_sandbox.loading import LoadWork
from bq_sandbox.planning import Planner
from bq_sandbox.refusals import Refusal
from bq_sandbox.results import Results
from bq_sandbox.routes_jobs import JobRoutes
from bq_sandbox.routes_tables import TableRoutes
from bq_sandbox.routes_uploads import UploadRoutes
from bq_sandbox.seed import load_seed
from bq_sandbox.warehouse import Warehouse
from bq_sandbox.work import QueryWork

_LOG = logging.getLogger(__name__)
_SWEEP_EVERY_S = 30


class Protocol(H11Protocol):
    """uvicorn's HTTP protocol, which also tells the application its transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport where the reset fault finds it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Server(uvicorn.Server):
    """uvicorn's server, which says on stdout when it can be reached."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Bind, then print the ready line."""
        await super().startup(sockets)
        if self.started:
            ready = {"ready": True, "url": f"http://{self.config.host}:{self.config.port}"}
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()


@dataclass(frozen=True)
class Sandbox:
    """All parts of one running sandbox."""

    warehouse: Warehouse
    catalog: Catalog
    registry: Registry
    results: Results
    faults: Faults
    executor: Executor
    uploads: Path

    def sweep(self) -> None:
        """Drop expired tables and results."""
        self.catalog.sweep()
        self.results.sweep()

    def close(self) -> None:
        """Stop jobs without ending them and write everything to disk.

        A job that the engine does not let go of is left to the next start, as after a crash.
        """
        if not self.executor.close():
            os._exit(0)
        self.warehouse.close()


def open_sandbox(data_dir: Path, seed: Path | None) -> Sandbox:
    """Open a data folder, seed it if it is new, seal it, and take up unfinished jobs."""
    warehouse = Warehouse(data_dir)
    catalog = Catalog(warehouse)
    if seed is not None:
        load_seed(warehouse, catalog, seed)
    warehouse.seal()
    registry, results, faults = Registry(warehouse), Results(data_dir / "results"), Faults()
    effects = Effects(warehouse, catalog, registry, results)
    querying = QueryWork(warehouse, catalog, registry, effects, faults)
    loading = LoadWork(warehouse, catalog, registry, data_dir / "uploads")

    def work(running: Running) -> None:
        (loading if "load" in running.job.configuration else querying)(running)

    executor = Executor(warehouse, registry, faults, work)
    sandbox = Sandbox(warehouse, catalog, registry, results, faults, executor, loading.folder)
    sandbox.sweep()
    executor.recover()
    return sandbox


def application(sandbox: Sandbox) -> Starlette:
    """The ASGI application of an open sandbox."""
    planner = Planner(sandbox.warehouse, sandbox.catalog)
    jobs = JobRoutes(sandbox.registry, sandbox.executor, planner, sandbox.catalog, sandbox.results, sandbox.faults)
    tables = TableRoutes(sandbox.warehouse, sandbox.catalog, planner, sandbox.registry, sandbox.results, sandbox.faults)

    uploads = UploadRoutes(sandbox.registry, sandbox.executor, sandbox.uploads)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "tables": sandbox.catalog.count()})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep_forever(sandbox))
        yield
        sweeping.cancel()
        await asyncio.to_thread(sandbox.close)

    routes = [
        Mount("/bigquery/v2", routes=[*jobs.routes(), *tables.routes()]),
        Mount("/upload/bigquery/v2", routes=uploads.routes()),
        Route("/health", health),
        Route("/faults", _faults_endpoint(sandbox.faults), methods=["GET", "POST", "DELETE"]),
    ]
    handlers: Any = {404: _not_found, 405: _not_found, Exception: _broken}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


async def _sweep_forever(sandbox: Sandbox) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        await asyncio.to_thread(sandbox.sweep)


def _faults_endpoint(faults: Faults) -> Any:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            if request.method == "POST":
                return JSONResponse(faults.arm((await read_call(request)).body).as_json())
            if request.method == "DELETE":
                return JSONResponse({"cleared": faults.clear()})
            return JSONResponse({"faults": faults.listed()})
        except Refusal as refusal:
            return refused(refusal)

    return endpoint


async def _not_found(request: Request, _: Exception) -> JSONResponse:
    message = f"Not found: the sandbox has no {request.method} {request.url.path}"
    return refused(Refusal("notFound", message))


async def _broken(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("request failed", exc_info=error, extra={"action": "request_failed", "path": request.url.path})
    return refused(Refusal("internalError", f"The sandbox failed: {type(error).__name__}: {error}"))


def serve(data_dir: Path, seed: Path | None, port: int) -> None:
    """Serve until SIGTERM or SIGINT. uvicorn raises the signal again when it is done; a stop is exit code 0."""
    sandbox = open_sandbox(data_dir, seed)
    app = application(sandbox)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Server(config).run()
