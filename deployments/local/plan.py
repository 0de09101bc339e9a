"""Which processes make up a stack, and how each is started and asked for its health.

Decides: commands, order, environment, probe. Never does: start anything. Why this shape: the plan is a pure list,
so that `up` executes it, `doctor` explains it and a test reads it without a process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deployments.local.environment import (
    LOGIN,
    WORK_POOL,
    WORKER_HEARTBEAT_SECONDS,
    WORKER_NAME,
    model_base_url,
    stack_environment,
    uses_offline_model,
    without_secrets,
)
from deployments.local.home import BEGIN, LAUNCH, Home
from deployments.local.login import login_of
from deployments.local.prepared import is_seeded
from deployments.local.probes import Heartbeat, Http, Listening, Probe, Running


@dataclass(frozen=True)
class ProcessPlan:
    """How to run one process."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    probe: Probe = field(default_factory=Running)
    once: bool = False
    """A job that ends; it is repeated only when it fails."""
    after: tuple[str, ...] = ()
    """Names of processes that must be settled first: one-time jobs done, others healthy or known to fail."""
    needed: bool = True
    """A stack without it still works, if slower; it counts as up when it keeps failing."""
    stop_seconds: float = 5.0


LEDGER_VARIABLE = "BQ_COPILOT_LEDGER_URL"
"""Where the ledger is, instead of in the home; the client reads the same variable."""

DATABASE_VARIABLE = "BQ_COPILOT_PREFECT_DATABASE_URL"
"""The Prefect server's database, instead of the one in the home: `postgresql+asyncpg://…`."""

PARTS_VARIABLE = "BQ_COPILOT_STACK_PARTS"
"""Names of the only processes to start, with commas between them; all of them when it is not set."""


def stack_plan(home: Home, ports: Mapping[str, int], environ: Mapping[str, str]) -> list[ProcessPlan]:
    """The processes of the stack, the slowest to start first: they share the cores while they start."""
    named = {part.strip() for part in environ.get(PARTS_VARIABLE, "").split(",")} - {""}
    plan = _whole_plan(home, ports, environ)
    chosen = [process for process in plan if not named or process.name in named]
    names = {process.name for process in chosen}
    return [replace(process, after=tuple(names.intersection(process.after))) for process in chosen]


def _whole_plan(home: Home, ports: Mapping[str, int], environ: Mapping[str, str]) -> list[ProcessPlan]:
    env = stack_environment(home, ports, environ, login_of(home))
    plan = [_server(env, ports), warm_runner(env, home), _worker(env, ports), *_warehouse(env, home, ports)]
    if uses_offline_model(environ):
        plan.append(_model(env, ports))
    if _exists("deployments.recovery"):
        plan.append(ProcessPlan("recovery", forked("deployments.recovery"), env, after=("warm",)))
    return plan


def _server(env: dict[str, str], ports: Mapping[str, int]) -> ProcessPlan:
    port = str(ports["server"])
    argv = _module("deployments.local.api_server", port)
    probe = Http(f"http://127.0.0.1:{port}/api/health")
    named = env.get(DATABASE_VARIABLE)
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": named} if named else {}
    login = {"PREFECT_SERVER_API_AUTH_STRING": env[LOGIN]} if LOGIN in env else {}
    return ProcessPlan("server", argv, {**without_secrets(env), **database, **login}, probe, stop_seconds=8)


def warm_runner(env: dict[str, str], home: Home) -> ProcessPlan:
    """The preloaded interpreter that others are forked from."""
    argv = _module("deployments.warm.zygote")
    return ProcessPlan("warm", argv, env, Listening(home.warm_socket), needed=False)


def _worker(env: dict[str, str], ports: Mapping[str, int]) -> ProcessPlan:
    api = f"http://127.0.0.1:{ports['server']}/api"
    probe = Heartbeat(api, WORK_POOL, WORKER_NAME, fresh_seconds=6 * WORKER_HEARTBEAT_SECONDS, login=env.get(LOGIN, ""))
    argv = forked("deployments.local.worker")
    return ProcessPlan("worker", argv, env, probe, after=("warm",), stop_seconds=8)


def _warehouse(env: dict[str, str], home: Home, ports: Mapping[str, int]) -> list[ProcessPlan]:
    port = str(ports["sandbox"])
    argv = _module("deployments.local.run_sandbox", str(home.sandbox), port, str(home.seed))
    probe = Http(f"http://127.0.0.1:{port}/health")
    seed = ProcessPlan("sample-data", _module("deployments.local.prepared", "seed"), env, once=True)
    if is_seeded(home):
        return [ProcessPlan("sandbox", argv, without_secrets(env), probe)]
    return [seed, ProcessPlan("sandbox", argv, without_secrets(env), probe, after=("sample-data",))]


def _model(env: dict[str, str], ports: Mapping[str, int]) -> ProcessPlan:
    port = str(ports["model"])
    argv = _module("deployments.local.offline_model", "--port", port)
    return ProcessPlan("model", argv, without_secrets(env), Http(f"http://127.0.0.1:{port}/health"))


def urls(ports: Mapping[str, int], environ: Mapping[str, str]) -> dict[str, str]:
    """The addresses that `stack.json` tells."""
    return {
        "prefect_api_url": f"http://127.0.0.1:{ports['server']}/api",
        "prefect_ui_url": f"http://127.0.0.1:{ports['server']}",
        "warehouse_url": f"http://127.0.0.1:{ports['sandbox']}",
        "model_url": model_base_url(environ, ports),
    }


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (*BEGIN, name, *arguments)


def forked(name: str) -> tuple[str, ...]:
    """From the warm runner: its imports are done, so that a killed worker is back in half a second."""
    return (*LAUNCH, name)


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
