"""What is in each order: the lines of products with quantity, price and discount.

Decides: the lines and therefore every order's total. Never does: use floating point for money; amounts are
whole cents until they are written. Why this shape: lines are flat columns with the number of their order,
sorted by it, which is exactly the child of a repeated column.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data import stories
from deployments.local.sample_data.demand import MONTH_OF_DAY, Bools, Ints, between, draw_by_group
from deployments.local.sample_data.goods import Goods

MEAN_EXTRA_LINES = 0.85
MOST_LINES = 7


@dataclass(frozen=True)
class Baskets:
    """Column-wise order lines; `unit_price` and `discount` (off the whole line) are in cents."""

    order: Ints
    product: Ints
    quantity: Ints
    unit_price: Ints
    discount: Ints

    def totals(self, orders: int) -> Ints:
        """Value of each order in cents after discounts, without shipping."""
        value = self.quantity * self.unit_price - self.discount
        return np.rint(np.bincount(self.order, weights=value, minlength=orders)).astype(np.int64)

    def offsets(self, orders: int) -> Ints:
        """Where each order's lines start; one more entry than orders."""
        return np.concatenate([[0], np.cumsum(np.bincount(self.order, minlength=orders))])

    def first_product(self) -> Ints:
        """The product of each order's first line."""
        return self.product[np.unique(self.order, return_index=True)[1]]


def draw_baskets(rng: np.random.Generator, goods: Goods, day: Ints, business: Bools) -> Baskets:
    """At least one line per order; no product twice in one order; companies buy more of each."""
    lines = np.minimum(1 + rng.poisson(MEAN_EXTRA_LINES, len(day)), MOST_LINES)
    order = np.repeat(np.arange(len(day)), lines)
    product = draw_by_group(rng, goods.demand, MONTH_OF_DAY[day[order]])
    keys = np.unique(order * len(goods) + product)
    order, product = keys // len(goods), keys % len(goods)
    quantity = 1 + (rng.random(len(order)) < 0.17) + (rng.random(len(order)) < 0.05)
    quantity = quantity * np.where(business[order], rng.integers(1, 5, len(order)), 1)
    unit_price = goods.price_on(product, day[order])
    rate = _discount_rate(rng, day[order])
    discount = np.rint(unit_price * quantity * rate).astype(np.int64)
    return Baskets(order, product, quantity.astype(np.int64), unit_price, discount)


def _discount_rate(rng: np.random.Generator, day: Ints) -> np.ndarray:
    on_sale = np.zeros(len(day), dtype=np.bool_)
    for first, last in stories.SALE_DAYS:
        on_sale |= between(day, stories.day_number(first), stories.day_number(last))
    discounted = rng.random(len(day)) < np.where(on_sale, 0.60, 0.11)
    return np.where(discounted, np.where(on_sale, 0.20, rng.choice([0.05, 0.10, 0.15], len(day))), 0.0)
