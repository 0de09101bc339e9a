"""What a run has spent and reserved, and which budget that would break: of the run, of its requester's day, of the day.

Pure. An intent reserves (the tokens of a turn, the most that a job may bill), its outcome settles: both follow from
the folded state, so nothing can be reserved for ever by a process that died. A run counts on the day it was asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bq_copilot.amounts import money, size, span
from bq_copilot.policy import Policy
from bq_copilot.state import RunState
from bq_copilot.values import Failure, Limits

Scope = Literal["run", "requester_day", "day"]

METERED = frozenset({"turn_requested", "turn_taken", "job_intended", "job_finished", "run_ended"})
"""Kinds of events that change what is spent or reserved."""

REPLY_TOKENS = 2_000
"""Tokens that are reserved for a reply."""

BYTES_PER_TOKEN = 3
"""Bytes of a prompt for each token that is reserved; real prompts have more."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Amounts of the five budgets."""

    turns: int = 0
    tokens: int = 0
    usd: float = 0.0
    bytes: int = 0
    seconds: float = 0.0

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            self.turns + other.turns,
            self.tokens + other.tokens,
            self.usd + other.usd,
            self.bytes + other.bytes,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget: what is gone of it, and what it allows."""

    name: str
    scope: Scope
    spent: float
    reserved: float
    limit: float

    @property
    def broken(self) -> bool:
        """True when spent and reserved together are more than it allows."""
        return self.spent + self.reserved > self.limit


def day_of(state: RunState) -> str:
    """Return the day that the run counts on, e.g. `2026-11-23`."""
    return f"{state.received_at:%Y-%m-%d}" if state.received_at else ""


def spent(state: RunState) -> Spending:
    """Return what is settled."""
    over = [j.finished for j in (*state.past_jobs, *state.jobs.values()) if j.finished is not None]
    seconds = sum(f.milliseconds for f in over) / 1000
    turns = sum(t.taken is not None for t in state.turns)
    return Spending(turns, state.tokens, state.usd, state.bytes_billed, seconds)


def reserved(state: RunState) -> Spending:
    """Return what open intents may still cost; nothing once the run has ended."""
    turn = state.turn
    open_ = turn is not None and turn.taken is None and not state.phase.is_terminal
    held = sum(job.intent.maximum_bytes_billed for job in state.live_jobs)
    if turn is None or not open_:
        return Spending(bytes=held)
    return Spending(1, turn.reserved_tokens, turn.reserved_usd, held)


def of_run(state: RunState, limits: Limits, wall_seconds: float, now: datetime) -> tuple[Budget, ...]:
    """Return the budgets of one run."""
    gone, held = spent(state), reserved(state)
    until = state.ended_at or now
    age = (until - state.received_at).total_seconds() if state.received_at else 0.0
    return (
        Budget("turns", "run", gone.turns, held.turns, limits.turns),
        Budget("tokens", "run", gone.tokens, held.tokens, limits.tokens),
        Budget("money", "run", gone.usd, held.usd, limits.usd),
        Budget("bytes", "run", gone.bytes, held.bytes, limits.bytes),
        Budget("wall_seconds", "run", age, 0, wall_seconds),
    )


def of_day(gone: Spending, held: Spending, policy: Policy) -> tuple[Budget, ...]:
    """Return the budgets of a requester's day."""
    daily = policy.daily
    return (
        Budget("turns", "requester_day", gone.turns, held.turns, daily.turns),
        Budget("tokens", "requester_day", gone.tokens, held.tokens, daily.tokens),
        Budget("money", "requester_day", gone.usd, held.usd, daily.money),
        Budget("bytes", "requester_day", gone.bytes, held.bytes, policy.limits.bytes_per_requester_day),
        Budget("job_seconds", "requester_day", gone.seconds, held.seconds, daily.job_seconds),
    )


def of_everybody(gone: Spending, held: Spending, policy: Policy) -> Budget:
    """Return the one budget that all requesters share."""
    return Budget("bytes", "day", gone.bytes, held.bytes, policy.limits.bytes_per_day)


def broken(budgets: Iterable[Budget], who: str) -> Failure | None:
    """Return why nothing more may be spent, None while every budget holds."""
    found = next((b for b in budgets if b.broken), None)
    if found is None:
        return None
    limit = _amount(found.name, found.limit)
    whose = {"run": f"the run's budget of {limit}", "requester_day": f"{who}'s budget of {limit} a day"}
    text = whose.get(found.scope, f"the budget of {limit} a day")
    held = f", {_amount(found.name, found.reserved)} needed next" if found.reserved else ""
    suffix = "" if found.scope == "run" else "_day"
    hint = "Ask a narrower question" if found.scope == "run" else "Ask again tomorrow"
    return Failure(
        code=f"budget_{found.name}{suffix}",
        message=f"{text} is spent ({_amount(found.name, found.spent)} used{held})",
        next=f"{hint}, or raise the budget in the policy. `bq-copilot budget` shows them all.",
    )


def _amount(name: str, amount: float) -> str:
    match name:
        case "bytes":
            return size(int(amount)) if amount else "0 B"
        case "money":
            return money(amount)
        case "wall_seconds" | "job_seconds":
            return span(amount)
        case "turns":
            return f"{int(amount):,} model turns"
        case _:
            return f"{int(amount):,} tokens"
