"""Whether a step that met a passing fault waits or gives up, and for how long: the one owner of retries.

Pure. Decides from the waits that are recorded, never from a counter in a process, so that a process that takes over
goes on counting. A wait that was not tried (a place was not free, a circuit is open) counts against time alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bq_copilot.amounts import span
from bq_copilot.errors import Transient
from bq_copilot.events import Waited
from bq_copilot.policy import Retries

FIRST = 1.0
"""Seconds before the second try, before jitter; each later wait is twice as long."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The budget of tries or of time is spent."""

    why: str


def next_wait(
    what: str, error: Transient, before: Waited | None, now: datetime, patience: Retries, jitter: float
) -> Waited | GiveUp:
    """Return the wait to record, or that the step gives up. `jitter` is a random number from 0.5 to 1."""
    row = before if before is not None and before.what == what else None
    tried = error.tried
    attempt = (row.attempt if row else 0) + tried
    since = (row.since if row else None) or now
    if attempt > patience.attempts:
        return GiveUp(f"{error}; gave up after {patience.attempts} tries in {span((now - since).total_seconds())}")
    seconds = error.retry_after if error.retry_after is not None else _backoff(attempt, patience, jitter)
    until = now + timedelta(seconds=seconds)
    if (until - since).total_seconds() > patience.seconds:
        return GiveUp(f"{error}; gave up: the next try would be later than {span(patience.seconds)} after the first")
    return Waited(what=what, reason=str(error), attempt=max(1, attempt), until=until, since=since, tried=tried)


def _backoff(attempt: int, patience: Retries, jitter: float) -> float:
    return min(patience.longest_seconds, FIRST * 2.0 ** max(0, attempt - 1)) * jitter


def unconfirmed_pause(tries: int) -> float:
    """Return the seconds before a cancel that was not confirmed is tried again: 1, 2, 4, … 60."""
    return min(60.0, 2.0 ** min(tries - 1, 6))
