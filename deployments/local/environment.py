"""The environment variables of the stack's processes.

Decides: every Prefect setting of the local stack, with its reason. Never does: read a profile or change the
environment of this process. Why this shape: one pure function from the home and the ports to the variables, so
that the server, the worker, the flow processes and a person's shell (`bq-copilot status`) agree.

The caller's own PREFECT_* variables are dropped: they point to another installation, and a stack that mixes two
is worse than one that does not start.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployments.local.home import HOME_VARIABLE, LAUNCHER, PROJECT_ROOT, Home
from deployments.local.liveness import STACK_MARK
from deployments.local.quiet_ui import ui_folder

WORK_POOL = "bq-copilot"
WORKER_NAME = "bq-copilot-local"
WORKER_HEARTBEAT_SECONDS = 10

LOGIN = "PREFECT_API_AUTH_STRING"
_SECRETS = ("OPENAI_API_KEY", "BQ_COPILOT_MODEL_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS", LOGIN)


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's variables without Prefect settings, Python path tricks and another stack's mark."""
    dropped = {"PYTHONPATH", "PYTHONHOME", STACK_MARK}
    return {k: v for k, v in environ.items() if not k.startswith("PREFECT_") and k not in dropped}


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """For processes that call neither the model nor the warehouse."""
    return {k: v for k, v in environ.items() if k not in _SECRETS}


def model_base_url(environ: Mapping[str, str], ports: Mapping[str, int]) -> str:
    """Where the language model answers; empty for the official endpoint, the offline model without a key."""
    if named := environ.get("BQ_COPILOT_MODEL_BASE_URL"):
        return named
    return "" if environ.get("OPENAI_API_KEY") else f"http://127.0.0.1:{ports['model']}/v1"


def uses_offline_model(environ: Mapping[str, str]) -> bool:
    return not (environ.get("BQ_COPILOT_MODEL_BASE_URL") or environ.get("OPENAI_API_KEY"))


def stack_environment(
    home: Home, ports: Mapping[str, int], environ: Mapping[str, str], login: str = ""
) -> dict[str, str]:
    """The variables of every process of the stack."""
    return {
        **inherited(environ),
        **_identity(home),
        **_quiet(),
        **_prefect(home, ports),
        **_worker(look_seconds=2.0),  # only for schedules: the server tells the worker of all else
        **({LOGIN: login} if login else {}),
    }


def host_environment(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a worker host's processes: what the operator set, and what is this host's own."""
    defaults = {
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "DO_NOT_TRACK": "1",
        **_worker(look_seconds=0.5),  # nobody tells it of anything
    }
    return {**defaults, **environ, **_identity(home)}


def _identity(home: Home) -> dict[str, str]:
    return {
        HOME_VARIABLE: str(home.root),
        STACK_MARK: home.stack_id,
        "BQ_COPILOT_PROJECT": str(PROJECT_ROOT),
        "BQ_COPILOT_WARM_SOCKET": str(home.warm_socket),
        "BQ_COPILOT_LAUNCHER": str(LAUNCHER),
        "BQ_COPILOT_RUN_LOG": str(home.run_log),
        "PYTHONUNBUFFERED": "1",
        # threads of C libraries would be lost in the warm runner's forks
        "OPENBLAS_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }


def _quiet() -> dict[str, str]:
    """Nothing leaves the machine."""
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(ui_folder()),  # the installed pages call an analytics provider
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_COLORS": "false",
    }


def _prefect(home: Home, ports: Mapping[str, int]) -> dict[str, str]:
    port = str(ports["server"])
    return {
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_UI_URL": f"http://127.0.0.1:{port}/v2",  # links lead to the pages that the server prefers
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": port,
        # HTTP clients keep an idle connection for 5 s; a server that does the same closes it under a request
        "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT": "60",
        # The address has no TLS. Each run builds about ten API clients, and each of them parses this file before
        # its first request: 24 ms with the usual bundle of roots, 1 ms with one certificate.
        "PREFECT_API_SSL_CERT_FILE": str(home.certificate),
        # server and clients come from one lock file; the check costs each process two requests on new connections
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",  # the server has its protection off: asking it costs a request
        # in memory, one restart of the server would leak a concurrency slot for ever
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # the standard block types are in the database template; importing every collection costs a second
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
        "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home.results),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # a pickle does not survive a change of code
    }


def _worker(look_seconds: float) -> dict[str, str]:
    return {
        "PREFECT_WORKER_QUERY_SECONDS": str(look_seconds),  # each look into the queues costs the server 22 ms
        "PREFECT_WORKER_PREFETCH_SECONDS": "0",  # a process started early would only sleep until its time
        "PREFECT_WORKER_HEARTBEAT_SECONDS": str(WORKER_HEARTBEAT_SECONDS),
        # a server that is busy for a moment names the pause itself (`api_server`); one that is not there does not, and
        # each pause doubles, from 2 s: who gives up earlier is put back in the queue by the recovery service
        "PREFECT_CLIENT_MAX_RETRIES": "3",
    }
