"""What a Prefect server must hold for this project: read from prefect.yaml and from a few constants.

Decides: the deployments (prefect.yaml is their only source, also for `prefect deploy --all`), the work pool with its
queues and the command that starts a run. Never does: talk to a server. Why this shape: what should be there is a
value that a test can look at; `provision` makes a server agree with it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from pydantic import BaseModel, ConfigDict, Field

from deployments.local.environment import WORK_POOL
from deployments.local.home import LAUNCH, PROJECT_ROOT
from tasks.places import JOBS, MODEL

PREFECT_FILE_VARIABLE = "BQ_COPILOT_PREFECT_FILE"


class PoolOfDeployment(BaseModel):
    """`work_pool:` of a deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    work_queue_name: str | None = None
    job_variables: dict[str, Any] = Field(default_factory=dict)


class DeploymentEntry(BaseModel):
    """One item of `deployments:`; a key that is not known here is refused, never dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    entrypoint: str
    work_pool: PoolOfDeployment
    version: str | None = None
    version_type: Literal["prefect:simple"] = "prefect:simple"
    """The version is the entry's, else a hash of the flow's file: never git's, which not every copy has."""
    description: str | None = None
    tags: list[str] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    concurrency_limit: int | None = None
    enforce_parameter_schema: bool = True


@dataclass(frozen=True)
class DeploymentSpec:
    """A deployment with everything that only its code can tell."""

    entry: DeploymentEntry
    flow_name: str
    description: str | None
    version: str | None
    parameter_schema: dict[str, Any]
    pull_steps: list[dict[str, Any]]

    @property
    def full_name(self) -> str:
        return f"{self.flow_name}/{self.entry.name}"


@dataclass(frozen=True)
class QueueSpec:
    """A queue of the work pool; a lower number goes first."""

    name: str
    priority: int
    description: str
    concurrency_limit: int | None = None


@dataclass(frozen=True)
class LimitSpec:
    """A global concurrency limit; with a decay it is a rate limit."""

    name: str
    limit: int
    slot_decay_per_second: float = 0.0


LIMITS = (LimitSpec(JOBS, 20), LimitSpec(MODEL, 120, 2.0))
"""Jobs on the warehouse at once, over all runs; calls of the model: 120 at once, refilled with two a second."""


@dataclass(frozen=True)
class PoolSpec:
    """The work pool and its queues."""

    name: str = WORK_POOL
    queues: tuple[QueueSpec, ...] = (
        QueueSpec("interactive", 500_000, "A person is waiting for the answer."),
        QueueSpec("follow-ups", 1_000_000, "Nobody is waiting; started after everything interactive.", 2),
    )
    """Each requester's own queue is made with the first question and goes before these; see `bq_copilot.queues`."""
    concurrency_limit: int | None = None
    """Runs that have a process at once; counted by their states, so that a dead one's place is free again at once."""
    job_template: dict[str, Any] = field(default_factory=dict)


def prefect_file(environ: Mapping[str, str]) -> Path:
    """The deployments' file: the project's own unless `BQ_COPILOT_PREFECT_FILE` names another."""
    named = environ.get(PREFECT_FILE_VARIABLE)
    return Path(named).absolute() if named else PROJECT_ROOT / "prefect.yaml"


def read_entries(path: Path) -> list[DeploymentEntry]:
    """The deployments of one prefect.yaml."""
    content = yaml.safe_load(path.read_text()) or {}
    return [DeploymentEntry.model_validate(entry) for entry in content.get("deployments") or []]


def load_deployment(entry: DeploymentEntry, folder: Path) -> DeploymentSpec:
    """Import the flow (an import error is raised, not deployed) and take over what `prefect deploy` would."""
    flow = load_flow_from_entrypoint(str(folder / entry.entrypoint), use_placeholder_flow=False)
    return DeploymentSpec(
        entry=entry,
        flow_name=flow.name,
        description=entry.description or flow.description,
        version=entry.version or flow.version,
        parameter_schema=parameter_schema(flow).model_dump(exclude_unset=True),
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}],
    )


def run_command() -> str:
    """How the worker starts a flow run: through the launcher."""
    return shlex.join(LAUNCH)


def pool_spec(folder: Path) -> PoolSpec:
    """The process work pool; its defaults are what every deployment inherits and may override."""
    template = ProcessWorker.get_default_base_job_template()
    variables = template["variables"]["properties"]
    variables["command"]["default"] = run_command()
    variables["working_dir"]["default"] = str(folder)
    variables["stream_output"]["default"] = False  # a pipe to the worker would kill the run when the worker dies
    return PoolSpec(job_template=template, concurrency_limit=max(6, 4 * (os.cpu_count() or 1)))


def working_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where flow runs start: the folder of prefect.yaml."""
    return prefect_file(os.environ if environ is None else environ).parent
