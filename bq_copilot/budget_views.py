"""What programs see of budgets: the documented JSON of `budget`. Pure; keys are additive only."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from bq_copilot import budgets
from bq_copilot.budgets import Budget, Spending
from bq_copilot.policy import Policy
from bq_copilot.state import RunState

Sums = tuple[Spending, Spending]
"""What is (spent, reserved)."""


class BudgetLineView(TypedDict):
    """One budget."""

    budget: str
    scope: str
    spent: float
    reserved: float
    limit: float
    left: float


class BudgetView(TypedDict):
    """The whole of `budget --json`."""

    run_id: str
    requester: str
    day: str
    budgets: list[BudgetLineView]


def budget(state: RunState, policy: Policy | None, sums: tuple[Sums, Sums], now: datetime) -> BudgetView:
    """Return the budgets of a run, of its requester's day and of everybody's; `sums` are those of the two days.

    Before a policy is pinned, its defaults are shown.
    """
    rules = policy or Policy()
    mine, everybody = sums
    lines = (
        *budgets.of_run(state, state.limits, rules.budgets.wall_seconds, now),
        *budgets.of_day(*mine, rules),
        budgets.of_everybody(*everybody, rules),
    )
    day = budgets.day_of(state)
    return BudgetView(run_id=state.run_id, requester=state.requester, day=day, budgets=[_line(b) for b in lines])


def _line(b: Budget) -> BudgetLineView:
    left = max(0.0, b.limit - b.spent - b.reserved)
    exact = {"spent": b.spent, "reserved": b.reserved, "limit": b.limit, "left": left}
    return BudgetLineView(budget=b.name, scope=b.scope, **{k: _number(v) for k, v in exact.items()})


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else round(value, 6)
