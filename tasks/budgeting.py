"""Reserve before each step that costs something; what it came to is settled by its outcome.

The reservation is the intent itself: it is recorded first, then compared with every budget; two runs of one requester
that reserve at the same moment see each other. A budget that would be broken ends the run with its own reason.
"""

from __future__ import annotations

from bq_copilot import budgets
from bq_copilot.budgets import Budget
from bq_copilot.errors import Refused
from bq_copilot.values import Failure
from tasks.run import Run


def held_for(prompt_bytes: int, prices: tuple[float, float]) -> tuple[int, float]:
    """Return the tokens and the money to reserve for a turn; prices are those of a million tokens, in and out."""
    asked = prompt_bytes // budgets.BYTES_PER_TOKEN
    usd = (asked * prices[0] + budgets.REPLY_TOKENS * prices[1]) / 1e6
    return asked + budgets.REPLY_TOKENS, round(usd, 6)


def broken(run: Run) -> Failure | None:
    """Return which budget the present reservations break, None while all hold."""
    return budgets.broken(_all(run), run.state.requester)


def check(run: Run) -> None:
    """Raises Refused when the present reservations break a budget."""
    found = broken(run)
    if found is not None:
        raise Refused(found.message, code=found.code, next=found.next)


def _all(run: Run) -> tuple[Budget, ...]:
    state, ledger, policy = run.state, run.journal.ledger, run.rules
    day = budgets.day_of(state)
    mine = ledger.spent(state.requester, day)
    everybody = ledger.spent("", day)
    wall = policy.budgets.wall_seconds
    return (
        *budgets.of_run(state, state.limits, wall, ledger.now()),
        *budgets.of_day(*mine, policy),
        budgets.of_everybody(*everybody, policy),
    )
