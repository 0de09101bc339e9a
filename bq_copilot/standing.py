"""Where an open request stands: who may decide now, how old it is, whether it has escalated, when it ends.

Pure: a function of the plan and the database's clock. Nothing is recorded when a request escalates, because it
follows from its own facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bq_copilot import permission
from bq_copilot.approval import escalates_at
from bq_copilot.state import Plan


@dataclass(frozen=True, slots=True)
class Standing:
    """One open request at one moment."""

    request_id: str
    digest: str
    age_seconds: float
    expires_at: datetime
    seconds_left: float
    """Negative once it has expired."""
    escalated: bool
    escalates_at: datetime | None
    deciders: tuple[str, ...]
    """Who may decide now; empty for anybody whom the tier allows."""
    approved_by: tuple[str, ...]
    needed: int


def standing(plan: Plan, now: datetime) -> Standing | None:
    """Return where the plan's request stands at `now`, None when none is open."""
    request = plan.request
    if request is None or plan.decided is not None:
        return None
    at = escalates_at(request)
    return Standing(
        request_id=request.request_id,
        digest=plan.digest,
        age_seconds=(now - request.created_at).total_seconds(),
        expires_at=request.expires_at,
        seconds_left=(request.expires_at - now).total_seconds(),
        escalated=at is not None and now >= at,
        escalates_at=at,
        deciders=permission.deciders(plan, now),
        approved_by=tuple(a.by for a in plan.approvals),
        needed=request.approvers.needed,
    )
