"""What somebody who follows a run waits for, and how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from bq_copilot.phases import WAITING, Phase
from bq_copilot.state import RunState


def condition(until: Callable[[RunState], bool] | Iterable[str] | None) -> Callable[[RunState], bool]:
    if until is None:
        return lambda state: state.phase in WAITING
    if callable(until):
        return until
    phases = {Phase(p) for p in ([until] if isinstance(until, str) else until)}
    return lambda state: state.phase in phases


def deadline_in(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def check(deadline: float | None, run_id: str) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise TimeoutError(f"{run_id} has not got there in time; it goes on by itself")


def full_digest(digest: str, known: str) -> str:
    """Accept the beginning of the digest that the card shows: at least 12 of its hex characters."""
    bare = digest.removeprefix("sha256:").rstrip("…")
    fits = len(bare) >= 12 and known.removeprefix("sha256:").startswith(bare)
    return known if fits else digest
