"""A run that begins where another one was: what it took over from it, by value, and what it changed.

Part of `events`, under the same rule: additive only. It carries what was read and said, and nothing that had an
effect: no approval, no job, no schedule, no grant. What is not a field here cannot be inherited.
"""

from __future__ import annotations

from typing import Literal

from bq_copilot.context_events import ContextPinned
from bq_copilot.turn_events import CallAnswered, QuestionAnswered, QuestionAsked, ResultRead, RunPinned, TurnTaken
from bq_copilot.values import Query, Value


class CopiedTurn(Value):
    """One exchange with the model, as it was; only the last one may be unanswered."""

    tools: tuple[str, ...]
    prompt_digest: str
    taken: TurnTaken
    answered: CallAnswered | None = None


class CopiedPlan(Value):
    """The plan whose results were taken over; it was approved there and is not approved here."""

    revision: int
    turn: int
    queries: tuple[Query, ...]
    rationale: str
    by: str


class RunForked(Value):
    """The run begins as `parent_run` was after event `parent_seq`, with these edits."""

    kind: Literal["run_forked"] = "run_forked"
    parent_run: str
    parent_seq: int
    parent_hash: str
    by: str
    via: str
    phase: str
    edits: tuple[str, ...] = ()
    """What was changed, one sentence each."""
    dropped: tuple[str, ...] = ()
    """What the parent had and this run has not, one sentence each."""
    pinned: RunPinned | None = None
    context: ContextPinned | None = None
    turns: tuple[CopiedTurn, ...] = ()
    asked: QuestionAsked | None = None
    answered: QuestionAnswered | None = None
    questions: int = 0
    plan: CopiedPlan | None = None
    results: tuple[ResultRead, ...] = ()
    sql: tuple[tuple[str, str], ...] = ()
    """New SQL for queries of the plan that the last turn proposes: (query id, SQL)."""
