"""What the warm runner imports before the first run, and how it notices that this is no longer what is on disk.

Decides: which modules are worth having, and whether the code on disk is still the imported code. Never does: import
a client that connects, or start a thread; a fork would lose it. Why this shape: the flows of prefect.yaml are loaded
the way Prefect loads them, so that all they import is there, whatever they import tomorrow; the flow files
themselves are executed again in each run.
"""

from __future__ import annotations

import importlib
import os
import site
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from prefect.flows import load_flow_from_entrypoint

from deployments.local.home import PROJECT_ROOT
from deployments.specification import prefect_file, read_entries

LIBRARIES = (
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.client.orchestration",
    "prefect.deployments.steps.core",
    "prefect.deployments.steps.pull",
    "prefect.events.worker",
    "prefect.events.clients",
    "prefect.filesystems",
    "prefect.flow_runs",
    "prefect.input",
    "prefect.artifacts",
    "prefect.logging.configuration",
    "prefect.logging.handlers",
    "prefect._internal.metrics",
    "google.cloud.bigquery",
    "openai.resources.chat.completions.completions",
    "openai.types.chat.parsed_chat_completion",
    "pandas",
    "pyarrow.pandas_compat",
    "anyio._backends._asyncio",
    "httpcore2",
    "rich._emoji_codes",
    "sqlalchemy.dialects.sqlite",
    "prefect.utilities.visualization",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "deployments.local.worker",
    "prefect.cli.worker",
    "bq_copilot.gate.engines.child",
    "wasmtime",
    "zetasql.wasi._pb2.zetasql.local_service.local_service_pb2",
)

MODELS = (
    "prefect.client.schemas.objects:FlowRun FlowRunPolicy BlockDocument WorkQueue WorkPool Artifact",
    "prefect.client.schemas.objects:ServerDefaultResultStorage ConcurrencyLeaseHolder",
    "prefect.client.schemas.responses:DeploymentResponse OrchestrationResult",
    "prefect.client.schemas.actions:LogCreate FlowRunUpdate ArtifactCreate",
    "prefect.events.schemas.events:Event",
    "prefect.events.filters:EventNameFilter EventFilter EventOccurredFilter EventIDFilter",
    "prefect.artifacts:MarkdownArtifact TableArtifact LinkArtifact",
    "prefect.context:EngineContext TaskRunContext",
    "openai.types.chat.parsed_chat_completion:ParsedChatCompletion ParsedChoice ParsedChatCompletionMessage",
    "openai.types.chat.chat_completion:Choice ChatCompletion",
    "openai.types.chat.chat_completion_message:ChatCompletionMessage",
)
"""Pydantic models that are completed on first use: done once here instead of once in every run."""


@dataclass(frozen=True)
class Snapshot:
    """The files behind the imported code, as they were when they were imported."""

    stamps: tuple[tuple[str, int, int], ...]

    @classmethod
    def take(cls) -> Snapshot:
        """All modules of the project, and the folders where packages are installed."""
        files = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
        roots = {str(PROJECT_ROOT), str(prefect_file(os.environ).parent)}
        packages = site.getsitepackages()
        ours = {f for f in files if f.startswith(tuple(roots)) and not f.startswith(tuple(packages))}
        return cls(tuple(sorted(_stamp(path) for path in ours | set(packages) | {str(prefect_file(os.environ))})))

    def again(self) -> Snapshot:
        """The same files as they are now."""
        return Snapshot(tuple(_stamp(path) for path, _changed, _size in self.stamps))

    def is_current(self) -> bool:
        """Whether nothing has changed on disk since."""
        return self.again() == self


def _stamp(path: str) -> tuple[str, int, int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - some hundred times a second
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


def preload() -> list[str]:
    """Import the libraries and load every flow once; what could not be imported is told, and costs only time."""
    failed: list[str] = []
    for name in (*LIBRARIES, *filter(find_spec, ("deployments.recovery",))):
        try:
            importlib.import_module(name)
        except ImportError as error:
            failed.append(f"{name}: {error}")
    _complete_models()
    path = prefect_file(os.environ)
    for entry in read_entries(path):
        try:
            load_flow_from_entrypoint(str(path.parent / entry.entrypoint), use_placeholder_flow=False)
        except Exception as error:  # noqa: BLE001 - user code may raise anything at import; its run will tell
            failed.append(f"{entry.entrypoint}: {type(error).__name__}: {error}")
    return failed


def _complete_models() -> None:
    """Complete the models that are there; one that another version has renamed is completed by the run itself."""
    for line in MODELS:
        module, _, names = line.partition(":")
        for name in names.split():
            model = getattr(sys.modules.get(module), name, None)
            if model is not None:
                model.model_rebuild(raise_errors=False)


def threads() -> int:
    """Number of threads of this process, those of C libraries included."""
    return len(list(Path("/proc/self/task").iterdir()))
