"""The rows of the two web analytics tables, as Arrow tables.

Decides: session ids, addresses of visitors, pages and event details. Never does: change what happened in a
session. Why this shape: sessions are written by start and events by moment, the order in which a collector
would have appended them.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deployments.local.sample_data.clicks import BUY, EVENT_NAMES, PAGE_VIEW, VIEW_PRODUCT
from deployments.local.sample_data.columns import (
    dates,
    dollars,
    integers,
    moments,
    named,
    repeated,
    struct,
    words,
)
from deployments.local.sample_data.demand import Ints, day_of
from deployments.local.sample_data.goods import FIRST_PRODUCT_ID
from deployments.local.sample_data.orders import FIRST_ORDER_ID
from deployments.local.sample_data.places import COUNTRIES
from deployments.local.sample_data.shop import Shop
from deployments.local.sample_data.visits import DEVICES, SOURCES, Visits

DOCUMENTATION_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
PAGES = (
    "/",
    "/sale",
    "/new",
    "/search",
    "/blog/gift-guide",
    "/category/kitchen",
    "/category/outdoor",
    "/account",
)
POSITIONS = tuple(str(place) for place in range(1, 25))
KEYS = ("page", "position", "order_id", "currency")
PAGE, POSITION, ORDER, MONEY = range(len(KEYS))
CURRENCIES = ("USD",)


def session_ids(count: int) -> pa.Array:
    """Opaque ids, distinct for every position below 2**40."""
    return pa.array([f"s{place * 0x9E3779B1 % 2**40:010x}" for place in range(1, count + 1)])


def sessions(shop: Shop) -> pa.Table:
    """web.sessions, by start."""
    visits, clicks, rng = shop.visits, shop.clicks, shop.stream("session columns")
    networks = [f"{net}.{host}" for net in DOCUMENTATION_NETWORKS for host in range(1, 255)]
    ip = rng.integers(0, len(networks), len(visits))
    table = named(
        "web.sessions",
        session_ids(len(visits)),
        _customer_ids(shop, visits.customer),
        moments(clicks.started),
        dates(day_of(clicks.started)),
        struct(
            category=words([device[0] for device in DEVICES], visits.device),
            os=words([device[1] for device in DEVICES], visits.device),
            browser=words([device[2] for device in DEVICES], visits.device),
        ),
        _traffic(visits, rng),
        words(COUNTRIES, visits.country),
        _landing(visits, rng),
        integers(clicks.pages),
        pa.array(clicks.events == 1),
        words(networks, ip),
    )
    return table.take(pa.array(np.argsort(clicks.started, kind="stable")))


def events(shop: Shop) -> pa.Table:
    """web.events, by moment."""
    clicks, visits = shop.clicks, shop.visits
    order = np.argsort(clicks.moment, kind="stable")
    session, name, moment = clicks.session[order], clicks.name[order], clicks.moment[order]
    product = clicks.product[order]
    placed = np.where(name == BUY, visits.order[session], -1)
    return named(
        "web.events",
        moments(moment),
        dates(day_of(moment)),
        words(EVENT_NAMES, name),
        session_ids(len(visits)).take(pa.array(session)),
        _customer_ids(shop, visits.customer[session]),
        integers(FIRST_PRODUCT_ID + product, missing=product < 0),
        words(COUNTRIES, visits.country[session]),
        _params(shop, name, placed),
        dollars(shop.total[placed], missing=placed < 0),
    )


def _customer_ids(shop: Shop, customer: Ints) -> pa.Array:
    return integers(shop.customers.ids[customer], missing=customer < 0)


def _traffic(visits: Visits, rng: np.random.Generator) -> pa.StructArray:
    campaigns = [name for source in SOURCES for name in source.campaigns]
    return struct(
        source=words([source.source for source in SOURCES], visits.source),
        medium=words([source.medium for source in SOURCES], visits.source),
        campaign=_one_of(campaigns, [len(source.campaigns) for source in SOURCES], visits, rng),
    )


def _landing(visits: Visits, rng: np.random.Generator) -> pa.Array:
    pages = [page for source in SOURCES for page in source.landing]
    return _one_of(pages, [len(source.landing) for source in SOURCES], visits, rng)


def _one_of(values: Sequence[str | None], sizes: Sequence[int], visits: Visits, rng: np.random.Generator) -> pa.Array:
    """For each session one of its source's values; `values` holds `sizes[i]` of them for source i."""
    starts = np.array([sum(sizes[:place]) for place in range(len(sizes))], dtype=np.int64)
    size = np.array(sizes)[visits.source]
    return words(values, starts[visits.source] + (rng.random(len(visits)) ** 1.4 * size).astype(np.int64))


def _params(shop: Shop, name: Ints, placed: Ints) -> pa.ListArray:
    counts = np.select([name == PAGE_VIEW, name == VIEW_PRODUCT, name == BUY], [1, 1, 2], 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    owner = np.repeat(np.arange(len(name)), counts)
    second = np.arange(len(owner)) > offsets[owner]
    key = np.select([name[owner] == PAGE_VIEW, name[owner] == VIEW_PRODUCT, second], [PAGE, POSITION, MONEY], ORDER)
    value = _param_values(shop, key, placed[owner])
    return repeated(offsets, struct(key=words(KEYS, key), value=value))


def _param_values(shop: Shop, key: Ints, placed: Ints) -> pa.Array:
    chance = shop.stream("params").random(len(key)) ** 1.6
    position = np.zeros(len(key), dtype=np.int64)
    text: list[str] = []
    for kind, vocabulary in ((PAGE, PAGES), (POSITION, POSITIONS), (MONEY, CURRENCIES)):
        rows = key == kind
        position[rows] = len(text) + (chance[rows] * len(vocabulary)).astype(np.int64)
        text.extend(vocabulary)
    bought = key == ORDER
    position[bought] = len(text) + np.arange(int(bought.sum()))
    text.extend(str(FIRST_ORDER_ID + order) for order in placed[bought].tolist())
    return words(text, position)
