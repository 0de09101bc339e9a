"""Small frozen values that events, approvals and results are made of.

They only hold and describe; every rule about them lives beside the decision that needs it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that crosses a process boundary; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stored(Value):
    """Text that an event refers to: inline while it is small, else in the result storage by its digest."""

    sha256: str
    size: int
    """Bytes of the text in UTF-8."""
    text: str | None = None
    """The text itself when it is at most `INLINE_LIMIT` bytes, else None: read it from the shelf."""


CLOCK = "clock"
"""`via` of a cancel that no person asked for: a step took longer than it may."""

INLINE_LIMIT = 2_048


class ToolCall(Value):
    """One call that the model asked for, exactly as it was written."""

    id: str
    name: str
    arguments: str
    """The JSON text of the arguments, unparsed; a step must not depend on what the model meant."""


class Usage(Value):
    """Tokens of one model call, as the provider counted them, and their price."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    cached_tokens: int = 0
    """How many of the prompt tokens the provider had cached."""

    def plus(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            usd=round(self.usd + other.usd, 6),
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


class Limits(Value):
    """What one run may spend before it ends with its own reason."""

    turns: int = 40
    tokens: int = 400_000
    repairs: int = 4
    strikes: int = 3
    questions: int = 3
    attempts: int = 3
    context_tokens: int = 32_000
    """How long a prompt may get, at four bytes a token; older tool results give way. From prompt version 2 on."""
    usd: float = 5.0
    bytes: int = 200 * 2**30


class Query(Value):
    """One statement of a plan as it was written."""

    id: str
    purpose: str
    sql: str


class ResultColumn(Value):
    """Name and BigQuery type of one column of a result."""

    name: str
    type: str


class Estimate(Value):
    """What a dry run said about one query."""

    query: str
    statement_type: str
    bytes: int
    accuracy: str
    """PRECISE, UPPER_BOUND, LOWER_BOUND or UNKNOWN, in BigQuery's own words."""
    tables: tuple[str, ...]
    columns: tuple[ResultColumn, ...]
    usd: float


class TableVersion(Value):
    """A referenced table and the fingerprint of its schema at that moment."""

    table: str
    fingerprint: str


class Failure(Value):
    """Why something did not work: a stable code, a sentence, and what to do next."""

    code: str
    message: str
    next: str = ""


class Cell(Value):
    """One figure of the answer and the cell that it was read from."""

    figure: str
    query: str
    row: int
    column: str
    value: str | None = None
    """The cell's value as text, filled by the platform; None when there is no such cell."""
    supported: bool = False
    """True only when the platform found the figure in that cell."""


class Chart(Value):
    """What to draw from which query."""

    kind: Literal["line", "bar", "none"] = "none"
    query: str = ""
    x: str = ""
    y: tuple[str, ...] = ()
    title: str = ""
