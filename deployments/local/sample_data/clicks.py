"""The events of every session, from the first page to the purchase.

Decides: which events a session of a given depth has, in which order and how far apart. Never does: change
a session's depth; a purchase event exists only where the session has an order. Why this shape: counts per
session and event name are laid out with one `repeat`, so a million events need no loop.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data.demand import MONTH_OF_DAY, Ints, draw_by_group
from deployments.local.sample_data.goods import Goods
from deployments.local.sample_data.visits import BOUNCE, CART, CHECKOUT, PURCHASE, VIEW, Visits

EVENT_NAMES = ("page_view", "view_product", "add_to_cart", "begin_checkout", "purchase")
PAGE_VIEW, VIEW_PRODUCT, ADD_TO_CART, BEGIN_CHECKOUT, BUY = range(len(EVENT_NAMES))
SECOND = 1_000_000


@dataclass(frozen=True)
class Clicks:
    """Column-wise events grouped by session; `product` is a position or -1.

    `started`, `pages` (page views) and `events` (how many) have one entry per session.
    """

    session: Ints
    name: Ints
    moment: Ints
    product: Ints
    started: Ints
    pages: Ints
    events: Ints


def draw_clicks(rng: np.random.Generator, visits: Visits, goods: Goods, first_product: Ints) -> Clicks:
    """Lay out the events; buyers look at the first product of their order."""
    counts = _counts(rng, visits.depth)
    session = np.repeat(np.arange(len(visits)), counts.sum(axis=1))
    name = np.repeat(np.tile(np.arange(len(EVENT_NAMES)), len(visits)), counts.ravel())
    events = counts.sum(axis=1)
    started, moment = _moments(rng, visits, session, events)
    wanted = _wanted(rng, visits, goods, first_product)
    product = _products(rng, goods, MONTH_OF_DAY[visits.day[session]], name, wanted[session])
    return Clicks(session, name, moment, product, started, counts[:, PAGE_VIEW], events)


def _counts(rng: np.random.Generator, depth: Ints) -> Ints:
    size = len(depth)
    deeper = depth > BOUNCE
    columns = [
        1 + deeper * rng.choice([0, 1, 2], size, p=[0.45, 0.35, 0.20]),
        (depth >= VIEW) * rng.choice([1, 2, 3], size, p=[0.55, 0.30, 0.15]),
        (depth >= CART) * 1,
        (depth >= CHECKOUT) * 1,
        (depth >= PURCHASE) * 1,
    ]
    browse_only = deeper & (depth < VIEW)
    columns[0] = np.where(browse_only, np.maximum(columns[0], 2), columns[0])
    return np.stack(columns, axis=1).astype(np.int64)


def _moments(rng: np.random.Generator, visits: Visits, session: Ints, events: Ints) -> tuple[Ints, Ints]:
    gaps = rng.integers(6, 110, len(session)) * SECOND
    heads = np.cumsum(events) - events
    gaps[heads] = 0
    elapsed = np.cumsum(gaps)
    elapsed -= np.repeat(elapsed[heads], events)
    duration = elapsed[heads + events - 1]
    started = visits.anchor - np.where(visits.order >= 0, duration, 0)
    return started, started[session] + elapsed


def _wanted(rng: np.random.Generator, visits: Visits, goods: Goods, first_product: Ints) -> Ints:
    """The product that each session is about: the first of the order, or one that is in demand."""
    wanted = draw_by_group(rng, goods.demand, MONTH_OF_DAY[visits.day])
    buyers = visits.order >= 0
    wanted[buyers] = first_product[visits.order[buyers]]
    return wanted


def _products(rng: np.random.Generator, goods: Goods, month: Ints, name: Ints, wanted: Ints) -> Ints:
    """The product of each event: the wanted one is viewed first and is the one put into the cart."""
    product = np.full(len(name), -1)
    viewing = np.flatnonzero(name == VIEW_PRODUCT)
    product[viewing] = draw_by_group(rng, goods.demand, month[viewing])
    first_view = viewing[name[viewing - 1] != VIEW_PRODUCT]
    chosen = np.concatenate([first_view, np.flatnonzero(name == ADD_TO_CART)])
    product[chosen] = wanted[chosen]
    return product
