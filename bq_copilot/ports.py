"""What the platform needs from the outside: a warehouse and a language model.

Adapters live in `blocks/`, in-memory fakes in `bq_copilot.testing`. A port speaks in values of the core and raises
errors of the core, never those of a client library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bq_copilot.catalog import Table
from bq_copilot.gate.verdict import Parameter
from bq_copilot.values import Failure, ResultColumn, Usage


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job exactly as it will be sent."""

    job_id: str
    sql: str
    parameters: tuple[Parameter, ...]
    destination: str
    """`project.dataset.table` of the scratch table that gets the result; empty for a statement that names its own, and
    for a look of the planner's, which the warehouse keeps in a table of its own."""
    maximum_bytes_billed: int
    timeout_ms: int
    labels: tuple[tuple[str, str], ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class JobView:
    """What the warehouse says of a job."""

    job_id: str
    state: str
    """PENDING, RUNNING or DONE."""
    fingerprint: str
    """The fingerprint label of the job that is there, empty when it has none."""
    ok: bool = False
    bytes_processed: int = 0
    bytes_billed: int = 0
    cache_hit: bool = False
    milliseconds: int = 0
    failure: Failure | None = None
    retryable: bool = False
    tables: tuple[str, ...] = ()
    """The tables that the finished job says it read."""
    statement_type: str = ""
    destination: str = ""
    """`project.dataset.table` that the job writes to, empty when it is a table without a name."""
    created_ms: int = 0
    """When the warehouse made the job, by its own clock; 0 when it does not say."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a dry run said; None stands for a field that was missing from the answer."""

    statement_type: str | None
    bytes: int | None
    accuracy: str | None
    tables: tuple[str, ...] | None
    columns: tuple[ResultColumn, ...] | None


@dataclass(frozen=True, slots=True)
class Page:
    """The first rows of a result as JSON values."""

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    row_count: int


class Warehouse(Protocol):
    """BigQuery, or the sandbox that speaks its protocol. All calls block and have a deadline of their own."""

    @property
    def principal(self) -> str:
        """Who sends the requests of this one."""
        ...

    @property
    def scratch(self) -> str:
        """`project.dataset` that result tables are written to."""
        ...

    @property
    def writes(self) -> bool:
        """Whether it may write result tables; the one that plans may not, where another account runs the jobs."""
        ...

    def acting_for(self, requester: str) -> Warehouse:
        """Return the one that runs this requester's approved jobs. Raises Refused when nobody may."""
        ...

    def list_tables(self, dataset: str) -> list[str]:
        """Return the ids `project.dataset.table` of everything in `project.dataset`."""
        ...

    def describe_table(self, table: str) -> Table:
        """Return schema, sizes, partitioning and tags of one table."""
        ...

    def modified_ms(self, table: str) -> int | None:
        """Return when the rows of a table last changed, by the warehouse's clock; None when that cannot be told."""
        ...

    def dry_run(self, sql: str, parameters: Sequence[Parameter]) -> DryRun:
        """Price a statement without running it. Raises Refused with the warehouse's reason."""
        ...

    def prepare(self) -> None:
        """Make sure that result tables have a place to be written to."""
        ...

    def insert(self, spec: JobSpec) -> JobView:
        """Submit once under the id that is given. Raises Conflict when the id exists, Unfinished when unsure."""
        ...

    def job(self, job_id: str) -> JobView | None:
        """Return the job of this id, None when the warehouse does not know it."""
        ...

    def cancel(self, job_id: str) -> None:
        """Ask the warehouse to stop the job."""
        ...

    def drop(self, table: str) -> bool:
        """Remove a table of the scratch dataset; False when it is not there. Raises Refused for any other table."""
        ...

    def page(self, job_id: str, rows: int) -> Page:
        """Return at most `rows` rows of a finished job's result."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said: at most one call is kept."""

    text: str
    call_id: str
    call_name: str
    call_arguments: str
    model: str
    usage: Usage


Progress = Callable[[str, int], None]
"""Hears the tool that is being called and how many characters have arrived; never what they are."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector for each text, in order."""

    vectors: list[list[float]]
    usage: Usage


class Embedder(Protocol):
    """Turns texts into vectors whose closeness is closeness of meaning."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the vectors of these texts. Raises Transient or Refused."""
        ...


class LanguageModel(Protocol):
    """A chat model with tools."""

    async def reply(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        progress: Progress | None = None,
    ) -> Reply:
        """Ask once. Raises Transient (with the time to wait, when it is known) or Refused."""
        ...
