"""What the supervisor writes down about its stack, and what everybody else reads.

Decides: the form of `stack.json`. Never does: judge whether a process is alive. Why this shape: the command line,
the Python API and the tests find a running stack by this one file, so it is replaced as a whole and typed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deployments.local.files import write_atomically
from deployments.local.home import Home


class ProcessState(StrEnum):
    """Where one process of the stack is in its life."""

    WAITING = "waiting"
    """Not started yet: something that it needs is not ready, or a restart is due in a moment."""
    STARTING = "starting"
    """Runs, and does not answer yet."""
    HEALTHY = "healthy"
    """Runs and answers."""
    FAILING = "failing"
    """Runs and has stopped answering."""
    DONE = "done"
    """A one-time job that ended well."""
    STOPPED = "stopped"
    """Not running, and nobody will start it."""


class ProcessRecord(BaseModel):
    """One process as the supervisor sees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: ProcessState
    pid: int | None = None
    restarts: int = 0
    last_exit: int | None = None
    """Exit code of the previous process; negative for a signal."""
    since: float = 0.0
    """Unix time at which the present process was started."""
    needed: bool = True
    """Whether the stack is useless without it."""

    @property
    def is_good(self) -> bool:
        """Does its work, or has done it."""
        return self.state in (ProcessState.HEALTHY, ProcessState.DONE)

    @property
    def is_settled(self) -> bool:
        """Good, or dispensable and in trouble: that does not keep a stack from being up."""
        in_trouble = self.restarts > 1 or self.state is ProcessState.FAILING
        return self.is_good or (not self.needed and in_trouble)


class StackRecord(BaseModel):
    """The content of `stack.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["stack"] = "stack"
    stack_id: str
    home: str
    project: str
    version: str
    prefect_api_url: str
    prefect_ui_url: str
    warehouse_url: str
    model_url: str
    """Base URL of the language model; empty when the official OpenAI endpoint is used."""
    ledger_url: str
    results_dir: str
    login_file: str = ""
    """Where user and password of the Prefect API are; empty when it asks for none."""
    ports: dict[str, int]
    pids: dict[str, int]
    processes: tuple[ProcessRecord, ...] = ()
    healthy: bool = False


def read_record(home: Home) -> StackRecord | None:
    """The stack's record, or None when there is none that this version can read."""
    try:
        return StackRecord.model_validate_json(home.stack_file.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def write_record(home: Home, record: StackRecord) -> None:
    write_atomically(home.stack_file, record.model_dump_json(indent=2))
