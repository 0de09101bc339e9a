"""Errors, grouped by what the caller must do about them.

The class decides the consequence (retry, look first, tell, stop), `code` is the stable word for programs, the
message says what happened to which object, and `next` says what to do about it.
"""

from __future__ import annotations

from datetime import datetime


class CopilotError(Exception):
    """Something went wrong; run `bq-copilot doctor` to see the state of the stack."""

    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None, next: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.code = code or type(self).code
        self.next = next

    @property
    def message(self) -> str:
        return str(self)


class Refused(CopilotError):
    """The request is not allowed or makes no sense; repeating it will not help."""

    code = "refused"


class Transient(CopilotError):
    """A passing fault of another system; the same call may be repeated after a while."""

    code = "transient"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        next: str = "",
        retry_after: float | None = None,
        tried: bool = True,
    ) -> None:
        super().__init__(message, code=code, next=next)
        self.tried = tried
        """False when the other side was not even asked."""
        self.retry_after = retry_after
        """Seconds that the other side asked us to wait, or None when it did not say."""


class Unfinished(CopilotError):
    """The effect may have happened although no answer came; look before repeating the call."""

    code = "unfinished"


class Conflict(CopilotError):
    """Somebody else was first; the message names who, with what, and when."""

    code = "conflict"

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        next: str = "",
        winner: str = "",
        verdict: str = "",
        at: datetime | None = None,
    ) -> None:
        super().__init__(message, code=code, next=next)
        self.winner = winner
        self.verdict = verdict
        self.at = at


class Damaged(CopilotError):
    """Receipts do not verify; nothing more is executed on top of them."""

    code = "damaged"

    def __init__(self, message: str = "", *, seq: int | None = None, code: str | None = None, next: str = "") -> None:
        super().__init__(message, code=code, next=next)
        self.seq = seq


class Unreachable(Transient):
    """The stack does not answer; start it with `bq-copilot up` or set PREFECT_API_URL."""

    code = "unreachable"


class LedgerUnavailable(Transient):
    """try again: ledger unavailable"""

    code = "ledger_unavailable"


class Superseded(CopilotError):
    """Another process holds this run now; this one must stop without touching anything."""

    code = "superseded"
