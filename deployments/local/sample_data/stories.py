"""The findings that are planted in the sample data, each as dates and factors.

Decides: what happened to the shop, when, and how strongly. Never does: draw a row. Why this shape: the
generator, the documentation and the tests read the same constants, so a story cannot be told two ways.
Day numbers count from the first day of trade (day 0 is 2024-07-01).
"""

from dataclasses import dataclass
from datetime import date

FIRST_DAY = date(2024, 7, 1)
LAST_DAY = date(2026, 6, 30)
DAYS = (LAST_DAY - FIRST_DAY).days + 1
MONTHS = 24


def day_number(day: date) -> int:
    """Days since the first day of trade."""
    return (day - FIRST_DAY).days


@dataclass(frozen=True)
class Outage:
    """Online ordering in one country fails for a week; the stores stay open."""

    country: str = "DE"
    first: date = date(2025, 9, 8)
    last: date = date(2025, 9, 14)
    lost_orders: float = 0.94
    lost_visits: float = 0.35


@dataclass(frozen=True)
class PriceRise:
    """One category becomes dearer on a date, and fewer units of it are sold from then on."""

    category: str = "Kitchen"
    since: date = date(2025, 3, 1)
    price_factor: float = 1.18
    demand_factor: float = 0.68


@dataclass(frozen=True)
class FaultyBatch:
    """Buyers of one brand send their orders back as defective, all in one month."""

    brand: str = "Voltara"
    category: str = "Electronics"
    first_order: date = date(2026, 1, 24)
    last_order: date = date(2026, 2, 22)
    refunds_from: date = date(2026, 2, 1)
    refunds_to: date = date(2026, 2, 28)
    returned_share: float = 0.45
    reason: str = "defective"


@dataclass(frozen=True)
class WeakSource:
    """A display network that brings many visits and hardly a sale."""

    source: str = "adlift"
    since: date = date(2025, 6, 1)
    visit_share: float = 0.14
    buyer_factor: float = 0.07


@dataclass(frozen=True)
class Drift:
    """A share that moves in a straight line from the first day to the last."""

    start: float
    end: float


OUTAGE = Outage()
PRICE_RISE = PriceRise()
FAULTY_BATCH = FaultyBatch()
WEAK_SOURCE = WeakSource()
RETURNING_SHARE = Drift(0.60, 0.84)
APP_SHARE = Drift(0.18, 0.36)
STORE_SHARE = Drift(0.24, 0.18)
MOBILE_SHARE = Drift(0.46, 0.64)
YEARLY_GROWTH = 0.16
MONTH_FACTORS = (0.90, 0.92, 0.95, 0.97, 1.00, 0.97, 0.92, 0.93, 0.98, 1.04, 1.42, 1.58)
WEEKDAY_FACTORS = (1.02, 0.96, 0.95, 0.99, 1.08, 1.16, 0.84)
SALE_DAYS = ((date(2024, 11, 27), date(2024, 12, 2)), (date(2025, 11, 26), date(2025, 12, 1)))
SALE_DEMAND = 1.7
