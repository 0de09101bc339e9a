"""Who orders when, through which channel, and what becomes of the order.

Decides: the buyer, moment, channel and status of every order, and what is lost in the outage. Never does:
choose products (`baskets`) or describe customers (`customers`). Why this shape: buyers are numbered in the
order of their first appearance, so "has ordered before" is a fact of the drawn rows, never a drawn column.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data import stories
from deployments.local.sample_data.baskets import Baskets
from deployments.local.sample_data.demand import Bools, Ints, between, day_of, draw_moments, drift
from deployments.local.sample_data.goods import Goods
from deployments.local.sample_data.places import COUNTRIES

FIRST_ORDER_ID = 1_000_001
CHANNELS = ("web", "app", "store")
STATUSES = ("delivered", "shipped", "cancelled", "returned")
DELIVERED, SHIPPED, CANCELLED, RETURNED = range(len(STATUSES))
LOYAL_SHARE = 0.25
LOYAL_EVERY = 14
SHIPPING_DAYS = 6


@dataclass(frozen=True)
class Trade:
    """Column-wise orders, sorted by moment; `buyer` is a customer in the order of appearance."""

    moment: Ints
    day: Ints
    buyer: Ints
    channel: Ints
    returning: Bools

    def __len__(self) -> int:
        return len(self.moment)


def draw_trade(rng: np.random.Generator, count: int, base: int) -> tuple[Trade, Ints]:
    """Orders before the outage takes its share, and the first order day of each new buyer."""
    moment = draw_moments(rng, count)
    day = day_of(moment)
    buyer, first_day = _draw_buyers(rng, day, base)
    store = drift(stories.STORE_SHARE, day)
    app = drift(stories.APP_SHARE, day)
    chance = rng.random(count)
    channel = np.select([chance < store, chance < store + app], [2, 1], 0)
    return Trade(moment, day, buyer, channel, np.zeros(count, dtype=np.bool_)), first_day


def _draw_buyers(rng: np.random.Generator, day: Ints, base: int) -> tuple[Ints, Ints]:
    count = len(day)
    returning = rng.random(count) < drift(stories.RETURNING_SHARE, day)
    known = base + np.cumsum(~returning) - ~returning
    again = (rng.random(count) ** 0.85 * known).astype(np.int64)
    again = np.where(rng.random(count) < LOYAL_SHARE, again - again % LOYAL_EVERY, again)
    return np.where(returning, again, known), day[~returning]


def after_outage(rng: np.random.Generator, trade: Trade, country: Ints, base: int) -> Trade:
    """The orders that were really placed, with `returning` read from them."""
    outage = stories.OUTAGE
    struck = outage_days(trade.day) & (country[trade.buyer] == COUNTRIES.index(outage.country))
    struck &= (trade.channel != CHANNELS.index("store")) & (rng.random(len(trade)) < outage.lost_orders)
    kept = np.flatnonzero(~struck)
    buyer = trade.buyer[kept]
    returning = np.ones(len(kept), dtype=np.bool_)
    people, first = np.unique(buyer, return_index=True)
    returning[first[people >= base]] = False
    return Trade(trade.moment[kept], trade.day[kept], buyer, trade.channel[kept], returning)


def outage_days(day: Ints) -> Bools:
    """True on the days of the outage."""
    return between(day, stories.day_number(stories.OUTAGE.first), stories.day_number(stories.OUTAGE.last))


def draw_status(rng: np.random.Generator, trade: Trade, goods: Goods, baskets: Baskets) -> tuple[Ints, Bools]:
    """The status of each order, and which orders belong to the faulty batch."""
    chance = rng.random(len(trade))
    online = trade.channel != CHANNELS.index("store")
    returned_share = np.where(online, 0.058, 0.022)
    status = np.select([chance < 0.04, chance < 0.04 + returned_share], [CANCELLED, RETURNED], DELIVERED)
    faulty = _faulty(rng, trade, goods, baskets) & (status != CANCELLED)
    status[faulty] = RETURNED
    age = stories.DAYS - 1 - trade.day
    fresh = (age < SHIPPING_DAYS) & online & (status != CANCELLED)
    status[fresh & (rng.random(len(trade)) < (SHIPPING_DAYS - age) / SHIPPING_DAYS)] = SHIPPED
    status[(status == RETURNED) & (age < SHIPPING_DAYS)] = DELIVERED
    return status, faulty


def _faulty(rng: np.random.Generator, trade: Trade, goods: Goods, baskets: Baskets) -> Bools:
    batch = stories.FAULTY_BATCH
    bad_product = np.array(
        [
            brand == batch.brand and category == batch.category
            for brand, category in zip(goods.brands, goods.categories, strict=True)
        ]
    )
    with_bad = np.zeros(len(trade), dtype=np.bool_)
    with_bad[baskets.order[bad_product[baskets.product]]] = True
    in_time = between(trade.day, stories.day_number(batch.first_order), stories.day_number(batch.last_order))
    return with_bad & in_time & (rng.random(len(trade)) < batch.returned_share)
