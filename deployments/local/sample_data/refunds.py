"""Money that went back to customers.

Decides: when, how much and why. Never does: refund a cancelled order (nothing was charged for it) or more
than an order's total. Why this shape: every returned order has exactly one full refund, and a few delivered
ones have a partial refund, so `orders.status` and this table never contradict each other.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data import stories
from deployments.local.sample_data.demand import Bools, Ints, draw
from deployments.local.sample_data.orders import DELIVERED, RETURNED

FIRST_REFUND_ID = 500_001
REASON_WEIGHTS = {
    "changed mind": 34, "wrong size or item": 19, "not as described": 16,
    "damaged in transit": 13, "defective": 10, "arrived late": 8,
}  # fmt: skip
REASONS = tuple(REASON_WEIGHTS)
PARTIAL_SHARE = 0.015
FEWEST_DAYS, MOST_DAYS = 3, 24


@dataclass(frozen=True)
class Refunds:
    """Column-wise refunds sorted by date; `order` is the order's position, `amount` is in cents."""

    order: Ints
    day: Ints
    amount: Ints
    reason: Ints


def draw_refunds(rng: np.random.Generator, day: Ints, status: Ints, faulty: Bools, total: Ints) -> Refunds:
    """One full refund per returned order, partial ones for a few delivered orders."""
    age = stories.DAYS - 1 - day
    partial = (status == DELIVERED) & (age >= MOST_DAYS) & (rng.random(len(day)) < PARTIAL_SHARE)
    order = np.flatnonzero((status == RETURNED) | partial)
    latest = np.minimum(age[order], MOST_DAYS)
    refund_day = day[order] + FEWEST_DAYS + (rng.random(len(order)) * (latest - FEWEST_DAYS + 1)).astype(np.int64)
    share = np.where(partial[order], rng.choice([0.2, 0.3, 0.5], len(order)), 1.0)
    amount = np.maximum(np.rint(total[order] * share), 1).astype(np.int64)
    reason = draw(rng, list(REASON_WEIGHTS.values()), len(order))

    batch = stories.FAULTY_BATCH
    bad = faulty[order] & (status[order] == RETURNED)
    first, last = stories.day_number(batch.refunds_from), stories.day_number(batch.refunds_to)
    soon = day[order] + rng.integers(3, 9, len(order))
    refund_day = np.where(bad, soon.clip(first, last), refund_day)
    reason = np.where(bad, REASONS.index(batch.reason), reason)
    by_day = np.argsort(refund_day, kind="stable")
    return Refunds(order[by_day], refund_day[by_day], amount[by_day], reason[by_day])
