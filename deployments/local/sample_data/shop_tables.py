"""The rows of the four shop tables, as Arrow tables.

Decides: how drawn numbers become ids, names, dollars and nested columns. Never does: draw anything that
another table depends on. Why this shape: text comes from short lists by position (`take`), never row by row.
"""

import numpy as np
import pyarrow as pa

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
from deployments.local.sample_data.customers import (
    CHANNEL_WEIGHTS,
    FIRST_NAMES,
    LAST_NAMES,
    SEGMENTS,
)
from deployments.local.sample_data.demand import draw
from deployments.local.sample_data.goods import FIRST_PRODUCT_ID
from deployments.local.sample_data.orders import CHANNELS, FIRST_ORDER_ID, STATUSES
from deployments.local.sample_data.places import COUNTRIES
from deployments.local.sample_data.refunds import FIRST_REFUND_ID, REASONS
from deployments.local.sample_data.shop import Shop

STREETS = ("Sample Street", "Example Road", "Fiction Lane", "Demo Avenue", "Placeholder Way", "Invention Row")
SHIPPING = ("standard", "express", "pickup")
SHIPPING_CENTS = (490, 1290, 0)
FREE_SHIPPING_FROM_CENTS = 10_000
PAYMENTS = ("card", "paypal", "invoice", "gift card", "cash")
STORE_PAYMENTS = (0.70, 0.0, 0.04, 0.06, 0.20)
ONLINE_PAYMENTS = (0.56, 0.31, 0.09, 0.04, 0.0)
CARD, INVOICE = 0, 2


def customers(shop: Shop) -> pa.Table:
    """shop.customers, by customer_id."""
    people, rng = shop.customers, shop.stream("customer columns")
    order, count = people.by_signup, len(people)
    first, last = rng.integers(0, len(FIRST_NAMES), count), rng.integers(0, len(LAST_NAMES), count)
    area, line = rng.integers(200, 1000, count), rng.integers(100, 200, count)
    born = rng.integers(-20_000, -6_700, count) + 13_000
    places = people.place[order]
    ids = people.ids[order]
    pairs = [f"{one} {two}" for one in FIRST_NAMES for two in LAST_NAMES]
    stems = [pair.lower().replace(" ", ".") for pair in pairs]
    pair = (first * len(LAST_NAMES) + last).tolist()
    return named(
        "shop.customers",
        integers(ids),
        words(pairs, first * len(LAST_NAMES) + last),
        pa.array([f"{stems[p]}.{i}@example.com" for p, i in zip(pair, ids.tolist(), strict=True)]),
        pa.array([f"+1-{a}-555-0{n}" for a, n in zip(area.tolist(), line.tolist(), strict=True)]),
        dates(born),
        words([town.country for town in people.cities], places),
        words([town.region for town in people.cities], places),
        words([town.name for town in people.cities], places),
        words(SEGMENTS, people.business[order].astype(np.int64)),
        words(tuple(CHANNEL_WEIGHTS), people.acquisition[order]),
        dates(people.signup_day[order]),
    )


def products(shop: Shop) -> pa.Table:
    """shop.products, by product_id."""
    goods = shop.goods
    return named(
        "shop.products",
        integers(FIRST_PRODUCT_ID + np.arange(len(goods))),
        pa.array(goods.names),
        pa.array(goods.categories),
        pa.array(goods.brands),
        dollars(goods.price),
        dollars(goods.cost),
        pa.array(goods.launched_on, pa.date32()),
        pa.array(goods.tags, pa.list_(pa.field("element", pa.string()))),
    )


def orders(shop: Shop) -> pa.Table:
    """shop.orders, by moment; partition, items, shipping and payment included."""
    trade, people = shop.trade, shop.customers
    place = people.place[trade.buyer]
    return named(
        "shop.orders",
        integers(FIRST_ORDER_ID + np.arange(len(trade))),
        integers(people.ids[trade.buyer]),
        moments(trade.moment),
        dates(trade.day),
        words(STATUSES, shop.status),
        words(CHANNELS, trade.channel),
        words(COUNTRIES, people.country[trade.buyer]),
        words([town.region for town in people.cities], place),
        pa.array(trade.returning),
        _items(shop),
        _shipping(shop),
        _payment(shop),
        dollars(shop.total),
    )


def refunds(shop: Shop) -> pa.Table:
    """shop.refunds, by refund_date."""
    drawn = shop.refunds
    return named(
        "shop.refunds",
        integers(FIRST_REFUND_ID + np.arange(len(drawn.order))),
        integers(FIRST_ORDER_ID + drawn.order),
        dates(drawn.day),
        dollars(drawn.amount),
        words(REASONS, drawn.reason),
    )


def _items(shop: Shop) -> pa.ListArray:
    baskets = shop.baskets
    line = struct(
        product_id=integers(FIRST_PRODUCT_ID + baskets.product),
        category=words(shop.goods.categories, baskets.product),
        quantity=integers(baskets.quantity),
        unit_price=dollars(baskets.unit_price),
        discount=dollars(baskets.discount),
    )
    return repeated(baskets.offsets(len(shop.trade)), line)


def _shipping(shop: Shop) -> pa.StructArray:
    trade, rng = shop.trade, shop.stream("shipping")
    method = np.where(trade.channel == CHANNELS.index("store"), 2, draw(rng, (0.81, 0.19), len(trade)))
    cost = np.take(SHIPPING_CENTS, method)
    cost[(method == 0) & (shop.total >= FREE_SHIPPING_FROM_CENTS)] = 0
    homes = [f"{number} {street}" for street in STREETS for number in range(1, 400)]
    home = shop.customers.ids[trade.buyer] * 7919 % len(homes)
    postcodes = [f"{number:05d}" for number in range(10_000, 99_990, 37)]
    address = struct(
        line1=words(homes, home),
        city=words([town.name for town in shop.customers.cities], shop.customers.place[trade.buyer]),
        postcode=words(postcodes, shop.customers.ids[trade.buyer] * 104_729 % len(postcodes)),
    )
    return struct(method=words(SHIPPING, method), cost=dollars(cost), address=address)


def _payment(shop: Shop) -> pa.StructArray:
    trade, rng = shop.trade, shop.stream("payment")
    store = draw(rng, STORE_PAYMENTS, len(trade))
    method = np.where(trade.channel == CHANNELS.index("store"), store, draw(rng, ONLINE_PAYMENTS, len(trade)))
    digits = [f"{number:04d}" for number in range(10_000)]
    last4 = shop.customers.ids[trade.buyer] * 6007 % len(digits)
    return struct(method=words(PAYMENTS, method), card_last4=words(digits, last4, missing=method != CARD))
