"""The forms that a person fills in the Prefect UI: the approval, the clarifying question, the follow-up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bq_copilot.following_up import Terms
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


class FollowUpForm(IdempotentInput):
    """Accept or decline the follow-up that is described above."""

    decision: Literal["accept", "decline"] = Field(description="There is no default: choose one.")
    approval: Literal["ask every time", "standing grant"] = Field(
        default="ask every time", description="Whether each run asks, or runs under the grant that is described above."
    )
    when: str = Field(default="", max_length=200, description="Another rhythm, e.g. `every Monday at 08:00`.")
    if_changed_by_percent: float = Field(
        default=-1.0, ge=-1, description="Tell only of a change by more than this. -1: as proposed."
    )
    mib_per_run: int = Field(default=0, ge=0, description="For a grant: at most so many MiB a run. 0: as offered.")
    mib_in_total: int = Field(default=0, ge=0, description="For a grant: at most so many MiB in all. 0: as offered.")
    reason: str = Field(default="", max_length=2_000, description="Why, for the receipt.")
    approval_code: str = Field(
        default="", max_length=2_000, description="For a grant outside the sandbox: your code for its digest."
    )

    def terms(self) -> Terms:
        """Return what was changed or added."""
        return Terms(
            when=self.when,
            percent=None if self.if_changed_by_percent < 0 else self.if_changed_by_percent,
            grant=self.approval == "standing grant",
            bytes_per_run=self.mib_per_run * 2**20,
            bytes_total=self.mib_in_total * 2**20,
        )
