"""What a run is pinned to, what the model and the person beside it say, and what was read for them.

Part of `events`, under the same rule: additive only. These are the facts that another run may begin with.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bq_copilot.values import Limits, ResultColumn, Stored, ToolCall, Usage, Value


class RunPinned(Value):
    """What the whole run is judged by was fixed: policy, schemas, model, limits."""

    kind: Literal["run_pinned"] = "run_pinned"
    policy: Stored
    policy_fingerprint: str
    catalog: Stored
    schema_fingerprint: str
    prompt_fingerprint: str
    model: str
    warehouse: str
    sandbox: bool
    limits: Limits
    prompt_version: int = 1
    """Which form of the prompt the whole run uses; from 2 on a briefing comes first."""


class TurnRequested(Value):
    """Intent: the model is about to be asked."""

    kind: Literal["turn_requested"] = "turn_requested"
    turn: int
    prompt_digest: str
    prompt_bytes: int
    tools: tuple[str, ...]
    reserved_tokens: int = 0
    reserved_usd: float = 0.0


class TurnTaken(Value):
    """Outcome: the model replied; `call` is None when it called no tool."""

    kind: Literal["turn_taken"] = "turn_taken"
    turn: int
    model: str
    call: ToolCall | None
    text: Stored | None = None
    usage: Usage = Usage()


class CallAnswered(Value):
    """The model's call of this turn got its answer."""

    kind: Literal["call_answered"] = "call_answered"
    turn: int
    tool: str
    ok: bool
    code: str = ""
    content: Stored
    untrusted: bool = False


class QuestionAsked(Value):
    """A clarifying question waits for a person."""

    kind: Literal["question_asked"] = "question_asked"
    turn: int
    question: str
    options: tuple[str, ...]
    expires_at: datetime
    answer_kind: Literal["choice", "text", "number", "date"] = "choice"
    topic: str = ""


class QuestionAnswered(Value):
    """A person answered the clarifying question."""

    kind: Literal["question_answered"] = "question_answered"
    turn: int
    answer: str
    by: str
    via: str


class ResultRead(Value):
    """The first page of a result was stored."""

    kind: Literal["result_read"] = "result_read"
    query: str
    job_id: str
    columns: tuple[ResultColumn, ...]
    page: Stored
    """JSON: {"rows": [[…]], "summary": {column: {…}}}."""
    row_count: int
    rows_kept: int
    destination: str
