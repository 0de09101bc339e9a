"""The shape of `trace --json`: what a person wants to know of a run's history, as data.

Only shapes; `trace_view` fills them, the terminal and the page draw them. Keys are additive only, as in `views`.
"""

from __future__ import annotations

from typing import Any, TypedDict

from bq_copilot.view_types import JobView, SpentView


class PhaseView(TypedDict):
    """A stretch of time that the run spent in one phase."""

    phase: str
    since: str
    seconds: float


class EventView(TypedDict):
    """One event of the trace; `body` is the event exactly as it was recorded."""

    seq: int
    at: str
    seconds: float
    kind: str
    phase: str
    text: str
    body: dict[str, Any]
    hash: str


class TriedView(TypedDict):
    """A wait before the next try of a step."""

    seq: int
    what: str
    reason: str
    attempt: int
    until: str


class StepView(TypedDict):
    """One step that the core chose, from the moment it was due to the event that ended it."""

    seq: int
    last_seq: int
    step: str
    text: str
    phase: str
    since: str
    seconds: float
    attempts: int
    """Processes that worked on it."""
    inputs: list[str]
    results: list[str]
    tokens: int
    usd: float
    bytes_billed: int
    waits: list[TriedView]


class TurnView(TypedDict):
    """One exchange with the model. `content` is what it was told, at most 4,000 characters of it."""

    turn: int
    seq: int
    since: str
    seconds: float
    model: str
    tools: list[str]
    prompt_digest: str
    prompt_bytes: int
    call: str | None
    arguments: str
    said: str
    ok: bool | None
    code: str
    untrusted: bool
    content: str
    content_digest: str
    content_bytes: int
    tokens: int
    usd: float


class FindingView(TypedDict):
    """One reason of the gate."""

    rule: str
    severity: str
    line: int
    subject: str
    message: str


class VersionView(TypedDict):
    """One query of one plan revision: its SQL, how it differs from the revision before, and what the gate said."""

    query: str
    purpose: str
    sql: str
    diff: list[str]
    ruling: str | None
    findings: list[FindingView]
    engines: list[str]
    bytes: int | None


class PlanView(TypedDict):
    """One plan revision on its way through gate, dry run and approval."""

    revision: int
    seq: int
    at: str
    by: str
    note: str
    rationale: str
    queries: list[VersionView]
    refused: str
    """Why the dry run did not accept it."""
    voided: str
    changes: list[str]


class DecisionView(TypedDict):
    """What one person decided, when, and how long after they were asked."""

    seq: int
    at: str
    request_id: str
    verdict: str
    by: str
    via: str
    identity: str
    reason: str
    after_seconds: float
    refused: str
    """Why it had no effect; empty when it counted."""


class StartView(TypedDict):
    """A process that took the run."""

    seq: int
    at: str
    attempt: int
    reason: str
    why: str
    host: str
    flow_run_id: str
    idle_seconds: float
    """Since the event before it."""


class StopView(TypedDict):
    """Somebody, or the run's clock, asked it to stop."""

    seq: int
    at: str
    by: str
    via: str
    reason: str


class TimedJobView(JobView):
    """A warehouse job with its times in the ledger."""

    seq: int
    since: str
    seconds: float


class TraceView(TypedDict):
    """The whole of `trace --json`."""

    run_id: str
    phase: str
    question: str
    requester: str
    received_at: str
    ended_at: str | None
    seconds: float
    parent_run: str | None
    parent_seq: int | None
    sandbox: bool | None
    phases: list[PhaseView]
    steps: list[StepView]
    turns: list[TurnView]
    plans: list[PlanView]
    decisions: list[DecisionView]
    jobs: list[TimedJobView]
    starts: list[StartView]
    stops: list[StopView]
    events: list[EventView]
    spent: SpentView
