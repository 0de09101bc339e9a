"""What is known of one notice: when it was tried, and what came of it.

Only data and questions about it, like `state`. Decides how often a notice is tried and how long is waited between two
tries; both are counted from the ledger's times, so every process comes to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bq_copilot.notice_events import NoticeKind

TRIES = 6

PAUSES = (10, 40, 160, 640, 1_800)
"""Seconds after each failed try before the next one."""

CLAIM = 120
"""Seconds after which a try without an outcome counts as lost with its process. A process gives up long before."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The newest try at one notice."""

    key: str
    notice: NoticeKind
    about: int
    attempt: int
    channel: str
    tried_at: datetime
    told_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""

    @property
    def is_open(self) -> bool:
        """True while nobody knows what came of the newest try."""
        return self.told_at is None and self.failed_at is None

    @property
    def next_at(self) -> datetime | None:
        """When it may be tried again; None once it was told, or after the last try."""
        if self.told_at is not None or self.attempt >= TRIES:
            return None
        if self.failed_at is not None:
            return self.failed_at + timedelta(seconds=PAUSES[min(self.attempt, len(PAUSES)) - 1])
        return self.tried_at + timedelta(seconds=CLAIM)

    @property
    def stands(self) -> Literal["told", "failed", "given_up", "open"]:
        """How it stands, in one word."""
        if self.told_at is not None:
            return "told"
        if self.failed_at is None:
            return "open"
        return "failed" if self.next_at else "given_up"
