"""Sessions on the website: who came from where, on which device, and how far they got.

Decides: the measured visits, their traffic source and device, and the furthest step of each. Never does:
lay out single events (`clicks`). Why this shape: sessions that end in a purchase are taken from real web
orders and the others are drawn around them, so a purchase in the analytics is always an order of the shop.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data import stories
from deployments.local.sample_data.customers import Customers
from deployments.local.sample_data.demand import (
    DAY_US,
    EPOCH_DAY_ZERO,
    HOUR_US,
    Floats,
    Ints,
    day_of,
    draw,
    draw_moments,
    drift,
    locate,
)
from deployments.local.sample_data.orders import CHANNELS, Trade, outage_days
from deployments.local.sample_data.places import COUNTRIES, COUNTRY_WEIGHTS

MEASURED_ORDERS = 0.13
KNOWN_SHARE = 0.35
BOUNCE, BROWSE, VIEW, CART, CHECKOUT, PURCHASE = range(6)


@dataclass(frozen=True)
class Source:
    """A traffic source and medium: share of visits, how readily its visitors buy, and landing pages."""

    source: str
    medium: str
    visits: float
    buyers: float
    campaigns: tuple[str | None, ...]
    landing: tuple[str, ...]


_SEARCH = ("/", "/category/kitchen", "/category/outdoor", "/category/electronics")
SOURCES = (
    Source("google", "organic", 28, 1.0, (None,), _SEARCH),
    Source("google", "cpc", 19, 1.15, ("brand", "shopping", "seasonal"), ("/category/toys", "/sale", "/")),
    Source("direct", "(none)", 21, 1.35, (None,), ("/", "/account")),
    Source("newsletter", "email", 9, 1.9, ("weekly", "win-back", "new-arrivals"), ("/new", "/sale")),
    Source("instagram", "social", 12, 0.55, ("creators", "seasonal"), ("/new", "/category/beauty")),
    Source("bing", "organic", 4, 0.95, (None,), _SEARCH),
    Source("partner", "referral", 7, 0.8, (None,), ("/sale", "/category/fitness")),
    Source(stories.WEAK_SOURCE.source, "display", 0, stories.WEAK_SOURCE.buyer_factor, ("reach",), ("/sale",)),
)
DEVICES = (
    ("mobile", "iOS", "Safari", 0.52), ("mobile", "Android", "Chrome", 0.48),
    ("desktop", "Windows", "Chrome", 0.45), ("desktop", "Windows", "Edge", 0.17),
    ("desktop", "macOS", "Safari", 0.24), ("desktop", "Linux", "Firefox", 0.14),
    ("tablet", "iOS", "Safari", 0.70), ("tablet", "Android", "Chrome", 0.30),
)  # fmt: skip
TABLET_SHARE = 0.06
DEVICE_BUYERS = {"mobile": 0.62, "desktop": 1.0, "tablet": 0.85}
DEPTHS = (0.36, 0.20, 0.27, 0.11, 0.06)
WEAK_DEPTHS = (0.70, 0.16, 0.11, 0.025, 0.005)
OUTAGE_DEPTHS = (0.58, 0.20, 0.17, 0.05, 0.0)


@dataclass(frozen=True)
class Visits:
    """Column-wise sessions; `order` and `customer` are positions or -1, `depth` is the furthest step."""

    anchor: Ints
    day: Ints
    order: Ints
    customer: Ints
    country: Ints
    source: Ints
    device: Ints
    depth: Ints

    def __len__(self) -> int:
        return len(self.anchor)


def draw_visits(rng: np.random.Generator, count: int, trade: Trade, customers: Customers) -> Visits:
    """About `count` sessions; `anchor` is the moment of the purchase, or of the first event without one."""
    after_first_hour = trade.moment >= EPOCH_DAY_ZERO * DAY_US + HOUR_US
    candidates = np.flatnonzero((trade.channel == CHANNELS.index("web")) & after_first_hour)
    order = candidates[rng.random(len(candidates)) < MEASURED_ORDERS]
    moment, customer, country = _lookers(rng, count - len(order), customers)
    anchor = np.concatenate([trade.moment[order], moment])
    everyone = np.concatenate([trade.buyer[order], customer])
    where = np.concatenate([customers.country[trade.buyer[order]], country])
    bought = np.arange(len(anchor)) < len(order)
    day = day_of(anchor)
    source = _sources(rng, day, bought)
    device = _devices(rng, day, bought)
    depth = _depths(rng, day, where, source, bought)
    orders = np.concatenate([order, np.full(len(moment), -1)])
    return Visits(anchor, day, orders, everyone, where, source, device, depth)


def _lookers(rng: np.random.Generator, count: int, customers: Customers) -> tuple[Ints, Ints, Ints]:
    moment = draw_moments(rng, count, flatten=0.8)
    last_hour = (EPOCH_DAY_ZERO + stories.DAYS) * DAY_US - HOUR_US
    moment = np.where(moment >= last_hour, moment - HOUR_US, moment)
    known = rng.random(count) < KNOWN_SHARE
    customer = np.where(known, customers.known_on(rng, day_of(moment)), -1)
    country = np.where(known, customers.country[customer], draw(rng, list(COUNTRY_WEIGHTS.values()), count))
    away = outage_days(day_of(moment)) & (country == COUNTRIES.index(stories.OUTAGE.country))
    kept = ~(away & (rng.random(count) < stories.OUTAGE.lost_visits))
    return moment[kept], customer[kept], country[kept]


def _sources(rng: np.random.Generator, day: Ints, bought: np.ndarray) -> Ints:
    visits = np.array([source.visits for source in SOURCES], dtype=np.float64)
    buyers = visits * [source.buyers for source in SOURCES]
    chance = rng.random(len(day))
    chosen = np.where(bought, locate(buyers, chance), locate(visits, chance))
    weak = stories.WEAK_SOURCE
    odds = np.where(bought, weak.visit_share * weak.buyer_factor, weak.visit_share)
    struck = (day >= stories.day_number(weak.since)) & (rng.random(len(day)) < odds)
    return np.where(struck, len(SOURCES) - 1, chosen)


def _devices(rng: np.random.Generator, day: Ints, bought: np.ndarray) -> Ints:
    mobile = drift(stories.MOBILE_SHARE, day)
    shares: dict[str, Floats] = {
        "mobile": mobile, "desktop": 1 - mobile - TABLET_SHARE, "tablet": np.full(len(day), TABLET_SHARE),
    }  # fmt: skip
    weights = [share * np.where(bought, DEVICE_BUYERS[kind], 1.0) for kind, share in shares.items()]
    edges = np.cumsum(weights, axis=0) / np.sum(weights, axis=0)
    category = (rng.random(len(day)) >= edges[:2]).sum(axis=0)
    chosen = np.zeros(len(day), dtype=np.int64)
    for position, kind in enumerate(shares):
        rows = category == position
        members = [place for place, device in enumerate(DEVICES) if device[0] == kind]
        chosen[rows] = np.take(members, draw(rng, [DEVICES[place][3] for place in members], int(rows.sum())))
    return chosen


def _depths(rng: np.random.Generator, day: Ints, country: Ints, source: Ints, bought: np.ndarray) -> Ints:
    chance = rng.random(len(day))
    outage = outage_days(day) & (country == COUNTRIES.index(stories.OUTAGE.country))
    weak = source == len(SOURCES) - 1
    lookers = np.select(
        [outage, weak],
        [locate(np.array(OUTAGE_DEPTHS), chance), locate(np.array(WEAK_DEPTHS), chance)],
        locate(np.array(DEPTHS), chance),
    )
    return np.where(bought, PURCHASE, lookers)
