"""The forms that a person fills in the Prefect UI: the approval and the clarifying question."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.waiting import IdempotentInput


class ApprovalForm(IdempotentInput):
    """Decide about the plan that is described above."""

    decision: Literal["approve", "reject", "edit"] = Field(description="There is no default: choose one.")
    reason: str = Field(default="", max_length=2_000, description="Why, for the receipt; wanted for reject.")
    sql: str = Field(default="", max_length=20_000, description="For edit: the new SQL of the query.")
    query: str = Field(default="", max_length=40, description="For edit: which query; may stay empty if there is one.")
    approval_code: str = Field(
        default="",
        max_length=2_000,
        description="Where the card asks for one: your code from `bq-copilot sign`.",
    )


class AnswerForm(IdempotentInput):
    """Answer the question that is described above."""

    answer: str = Field(min_length=1, max_length=2_000, description="Your answer, in your words or as offered.")
