"""The shapes of the documented JSON: which keys `show` has, and what each of them means.

Only shapes; how they are filled stands in `views`. They are dictionaries, not models: `show` starts in a moment, and
building models would cost more than reading the ledger.
"""

from __future__ import annotations

from typing import Any, TypedDict


class ErrorView(TypedDict):
    """Why something did not work."""

    code: str
    message: str
    next: str


class QueryView(TypedDict):
    """One query of an approval request, in facts."""

    query: str
    purpose: str
    sql: str
    sql_digest: str
    tables: list[str]
    columns: list[str]
    bytes: int
    accuracy: str
    usd: float
    notes: list[str]


class ApprovalView(TypedDict):
    """The newest approval request and what became of it."""

    request_id: str
    digest: str
    revision: int
    open: bool
    sql: list[str]
    queries: list[QueryView]
    bytes: int
    usd: float
    created_at: str
    expires_at: str
    tier: int
    approvers_needed: int
    approvers_allowed: list[str]
    approved_by: list[str]
    requester_excluded: bool
    code_required: bool
    decided_by: str | None
    decided_at: str | None
    verdict: str | None
    reason: str
    voided: str
    changes: list[str]
    rationale: str
    note: str


class QuestionView(TypedDict):
    """A clarifying question that waits for a person."""

    question: str
    options: list[str]
    expires_at: str


class JobView(TypedDict):
    """One attempt at one query on the warehouse."""

    query: str
    job_id: str
    project: str
    location: str
    attempt: int
    state: str
    adopted: bool
    ok: bool | None
    bytes_processed: int
    bytes_billed: int
    maximum_bytes_billed: int
    cache_hit: bool
    milliseconds: int
    destination: str
    error: ErrorView | None


class ColumnView(TypedDict):
    """Name and BigQuery type of a column."""

    name: str
    type: str


class CitationView(TypedDict):
    """One figure of the answer and the cell it stands in."""

    figure: str
    query: str
    job_id: str | None
    row: int
    column: str
    value: str | None
    supported: bool


class ChartView(TypedDict):
    """What is drawn from which query."""

    kind: str
    query: str
    x: str
    y: list[str]
    title: str


class ResultView(TypedDict):
    """The stored page of one query's result."""

    query: str
    job_id: str
    columns: list[ColumnView]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    destination: str


class AnswerView(TypedDict):
    """The answer; `rows` and `columns` are those of the query that the chart (else the plan's end) names."""

    summary: str
    query: str | None
    columns: list[ColumnView]
    rows: list[list[Any]]
    row_count: int
    truncated: bool
    chart: ChartView | None
    citations: list[CitationView]
    unsupported: list[str]
    model: str


class WaitView(TypedDict):
    """Why a step waits, and when it is tried again."""

    what: str
    reason: str
    attempt: int
    until: str


class SpentView(TypedDict):
    """What the run has cost so far."""

    turns: int
    tokens: int
    usd: float
    bytes_billed: int


class PartView(TypedDict):
    """What became of one query of the plan, and whether it may be tried again."""

    query: str
    state: str
    attempts: int
    bytes_billed: int
    safe_to_retry: bool
    advice: str
    error: ErrorView | None


class FollowUpView(TypedDict):
    """A question that is proposed to be asked again later."""

    when: str
    question: str
    series: str | None
    """Id of its series once a person is asked about it."""
    decided: str | None
    """`accept`, `decline` or `expired`; None while nobody has decided."""


class NoticeView(TypedDict):
    """One notice to people outside."""

    notice: str
    """`approval`, `question`, `reminder`, `escalation`, `delegated`, `parked`, `cancel_unconfirmed`, `follow_up` or
    `follow_up_finished`."""
    state: str
    """`told`, `failed` (it is tried again), `given_up`, or `open` while a try has no outcome."""
    channel: str
    tries: int
    at: str
    error: str
    next_try: str | None


class ReceiptsView(TypedDict):
    """Whether the run's hash chain holds."""

    verified: bool
    rows: int
    head: str
    problem: str | None
    seq: int | None


class ShowView(TypedDict):
    """The whole of `show --json`."""

    run_id: str
    phase: str
    step: str
    question: str
    requester: str
    request_key: str
    via: str
    received_at: str | None
    ended_at: str | None
    seq: int
    attempt: int
    flow_run_id: str | None
    parent_run: str | None
    parent_seq: int | None
    forked: list[str] | None
    """What a fork changed and what it left behind; None for a run that is no fork."""
    follows_up: str | None
    """The series that this run belongs to."""
    sandbox: bool | None
    warehouse: str | None
    model: str | None
    waiting: WaitView | None
    question_open: QuestionView | None
    approval: ApprovalView | None
    jobs: list[JobView]
    parts: list[PartView]
    results: list[ResultView]
    answer: AnswerView | None
    follow_ups: list[FollowUpView]
    cancel_requested_by: str | None
    notices: list[NoticeView]
    error: ErrorView | None
    spent: SpentView
    receipts: ReceiptsView | None
