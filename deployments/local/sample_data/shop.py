"""The whole shop, drawn in the one order in which its parts depend on each other.

Decides: how many of everything there are, and which random stream each part has. Never does: format or
write. Why this shape: every part gets its own stream from the seed, so a change to one of them leaves the
rows of the others as they were.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data.baskets import Baskets, draw_baskets
from deployments.local.sample_data.clicks import Clicks, draw_clicks
from deployments.local.sample_data.customers import Customers, draw_customers
from deployments.local.sample_data.demand import Ints
from deployments.local.sample_data.goods import Goods, draw_goods
from deployments.local.sample_data.orders import Trade, after_outage, draw_status, draw_trade
from deployments.local.sample_data.refunds import Refunds, draw_refunds
from deployments.local.sample_data.visits import Visits, draw_visits

DEFAULT_SEED = 7
ORDERS = 340_000
CUSTOMERS = 120_000
OLD_CUSTOMERS = 26_000
SESSIONS = 430_000


@dataclass(frozen=True)
class Shop:
    """All drawn columns; the parts point at each other by position."""

    seed: int
    goods: Goods
    customers: Customers
    trade: Trade
    baskets: Baskets
    status: Ints
    total: Ints
    refunds: Refunds
    visits: Visits
    clicks: Clicks

    def stream(self, name: str) -> np.random.Generator:
        """A random stream for columns that no other part depends on."""
        return _stream(self.seed, name)


def draw_shop(seed: int = DEFAULT_SEED, scale: float = 1.0) -> Shop:
    """Draw everything; `scale` multiplies the number of customers, orders and sessions.

    Raises ValueError for a scale outside 0.001 to 20.
    """
    if not 0.001 <= scale <= 20:
        raise ValueError(f"scale {scale} is out of range: choose 0.001 (340 orders) to 20 (6.8 million orders)")
    base = round(OLD_CUSTOMERS * scale)
    goods = draw_goods(_stream(seed, "goods"))
    placed, first_day = draw_trade(_stream(seed, "trade"), round(ORDERS * scale), base)
    customers = draw_customers(_stream(seed, "customers"), base, first_day, round(CUSTOMERS * scale))
    trade = after_outage(_stream(seed, "outage"), placed, customers.country, base)
    baskets = draw_baskets(_stream(seed, "baskets"), goods, trade.day, customers.business[trade.buyer])
    status, faulty = draw_status(_stream(seed, "status"), trade, goods, baskets)
    total = baskets.totals(len(trade))
    refunds = draw_refunds(_stream(seed, "refunds"), trade.day, status, faulty, total)
    visits = draw_visits(_stream(seed, "visits"), round(SESSIONS * scale), trade, customers)
    clicks = draw_clicks(_stream(seed, "clicks"), visits, goods, baskets.first_product())
    return Shop(seed, goods, customers, trade, baskets, status, total, refunds, visits, clicks)


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, *name.encode()])
