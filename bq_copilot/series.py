"""A series: one accepted follow-up with everything that happened to it, as its parent's chain tells.

Only data and questions about it, like `state`. How events change it stands in `follow_up_transitions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bq_copilot.follow_up_events import (
    FollowUpDecided,
    FollowUpRan,
    FollowUpRequested,
    FollowUpScheduled,
    FollowUpStopped,
    GrantSettled,
    GrantUsed,
)
from bq_copilot.grant_terms import Grant

SKIPPED = "skipped"
"""Outcome of a time that was made up for by a later one."""


@dataclass(frozen=True, slots=True)
class Series:
    """One follow-up from its request on."""

    requested: FollowUpRequested
    requested_at: datetime | None = None
    decided: FollowUpDecided | None = None
    decided_at: datetime | None = None
    scheduled: FollowUpScheduled | None = None
    stopped: FollowUpStopped | None = None
    stopped_at: datetime | None = None
    revoked_at: datetime | None = None
    """When its standing grant was taken back, because what the run made was undone."""
    uses: tuple[GrantUsed, ...] = ()
    settled: tuple[GrantSettled, ...] = ()
    ran: tuple[FollowUpRan, ...] = ()

    @property
    def id(self) -> str:
        """The series' id, e.g. `f-k3jq…`."""
        return self.requested.series

    @property
    def question(self) -> str:
        """What is asked each time."""
        return self.requested.question

    @property
    def accepted(self) -> FollowUpDecided | None:
        """The decision, if it was to accept."""
        return self.decided if self.decided and self.decided.verdict == "accept" else None

    @property
    def grant(self) -> Grant | None:
        """The standing grant, used up or not."""
        return self.accepted.grant if self.accepted else None

    def use_of(self, run: str) -> GrantUsed | None:
        """Return the use that this run has taken."""
        return next((u for u in self.uses if u.run == run), None)

    @property
    def spent(self) -> int:
        """Bytes of the grant that are billed, or reserved by runs that have not ended."""
        billed = {s.run: s.bytes_billed for s in self.settled}
        return sum(billed.get(u.run, u.bytes_reserved) for u in self.uses)

    def stands(self, now: datetime) -> str:
        """Say where it stands: `proposed`, `declined`, `accepted`, `scheduled`, `stopped` or `ended`."""
        if self.decided is None:
            return "proposed"
        if self.accepted is None:
            return "declined"
        if self.stopped is not None:
            return "stopped"
        if now > self.decided.until:
            return "ended"
        return "scheduled" if self.scheduled else "accepted"

    @property
    def newest_figure(self) -> float | None:
        """The figure of the newest run that had one."""
        return next((r.figure for r in reversed(self.ran) if r.figure is not None), None)
