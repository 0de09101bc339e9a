"""The products of the shop: what they are, what they cost, and when each is wanted.

Decides: prices, costs, launch dates and the chance that a line of an order in a given month is a given
product. Never does: sell. Why this shape: demand is one matrix, month by product, so the season of a
category, a launch and a price rise are factors of it and need no code where orders are drawn.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from deployments.local.sample_data import stories
from deployments.local.sample_data.demand import CALENDAR_MONTH, MONTH_OF_DAY, Floats, Ints

PRODUCTS_PER_CATEGORY = 30
FIRST_PRODUCT_ID = 101


@dataclass(frozen=True)
class Category:
    """A product group: its share of demand, typical price in US dollars, brands, and nouns for names."""

    name: str
    demand: float
    price: float
    brands: tuple[str, ...]
    nouns: tuple[str, ...]
    season: tuple[float, ...] = (1.0,) * 12


CATEGORIES = (
    Category(
        "Electronics", 13, 95, ("Voltara", "Lumetek", "Ohmly", "Brightwave"), ("Speaker", "Lamp", "Charger"),
    ),
    Category("Kitchen", 20, 36, ("Panello", "Castiron & Co", "Brightwave"), ("Pan", "Knife", "Kettle")),
    Category(
        "Outdoor", 13, 62, ("Northpeak", "Fernwild", "Tarnhike"), ("Tent", "Backpack", "Lantern"),
        (0.6, 0.6, 0.8, 1.1, 1.4, 1.6, 1.7, 1.5, 1.0, 0.8, 0.7, 0.8),
    ),
    Category(
        "Fitness", 11, 44, ("Corehaus", "Northpeak", "Sprintly"), ("Mat", "Kettlebell", "Band"),
        (1.9, 1.4, 1.1, 1.0, 1.0, 0.9, 0.9, 0.9, 1.0, 1.0, 0.8, 0.7),
    ),
    Category(
        "Toys", 12, 23, ("Hopplo", "Kiteberry", "Marblewood"), ("Puzzle", "Blocks", "Kite"),
        (0.7, 0.7, 0.8, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 1.1, 1.9, 2.5),
    ),
    Category("Beauty", 12, 18, ("Mirelle", "Fernwild", "Dewdrop"), ("Serum", "Soap", "Balm")),
    Category(
        "Home Textiles", 11, 41, ("Loomhaus", "Marblewood", "Softline"), ("Blanket", "Towel", "Curtain"),
    ),
    Category("Stationery", 8, 9, ("Inkfold", "Paperie", "Kiteberry"), ("Notebook", "Pen Set", "Planner")),
)  # fmt: skip
ADJECTIVES = ("Classic", "Compact", "Deluxe", "Eco", "Everyday", "Mini", "Premium", "Pro", "Studio", "Travel")
TAGS = ("bestseller", "clearance", "eco", "giftable", "handmade", "new", "online-only", "premium")


@dataclass(frozen=True)
class Goods:
    """Column-wise products; prices and costs are in cents, `demand` is months by products."""

    names: list[str]
    categories: list[str]
    brands: list[str]
    tags: list[list[str]]
    category: Ints
    price: Ints
    cost: Ints
    launched_on: list[date]
    demand: Floats

    def __len__(self) -> int:
        return len(self.names)

    def price_on(self, products: Ints, days: Ints) -> Ints:
        """Price in cents of each product on each day; the price rise is the only change."""
        rise = stories.PRICE_RISE
        current = self.price[products]
        before = np.array([name == rise.category for name in self.categories])[products]
        before &= days < stories.day_number(rise.since)
        return np.where(before, np.rint(current / rise.price_factor).astype(np.int64), current)


def draw_goods(rng: np.random.Generator) -> Goods:
    """The shop's range: the same number of products in every category."""
    category = np.repeat(np.arange(len(CATEGORIES)), PRODUCTS_PER_CATEGORY)
    count = len(category)
    typical = np.array([group.price for group in CATEGORIES])[category]
    price = np.rint(typical * np.exp(rng.normal(0, 0.45, count))).astype(np.int64) * 100 + 99
    cost = np.rint(price * rng.uniform(0.42, 0.68, count)).astype(np.int64)
    launch_day = np.where(rng.random(count) < 0.2, rng.integers(0, 600, count), -rng.integers(30, 1500, count))
    kinds = [CATEGORIES[position] for position in category]
    brands = [kind.brands[rng.integers(len(kind.brands))] for kind in kinds]
    return Goods(
        names=[_name(brand, kind, place) for place, (brand, kind) in enumerate(zip(brands, kinds, strict=True))],
        categories=[kind.name for kind in kinds],
        brands=brands,
        tags=[sorted(rng.choice(TAGS, rng.integers(0, 4), replace=False).tolist()) for _ in kinds],
        category=category,
        price=price,
        cost=cost,
        launched_on=[date.fromordinal(stories.FIRST_DAY.toordinal() + int(day)) for day in launch_day],
        demand=_demand(rng, category, launch_day),
    )


def _name(brand: str, kind: Category, place: int) -> str:
    position = place % PRODUCTS_PER_CATEGORY
    noun = kind.nouns[position % len(kind.nouns)]
    return f"{brand} {ADJECTIVES[position // len(kind.nouns)]} {noun}"


def _demand(rng: np.random.Generator, category: Ints, launch_day: Ints) -> Floats:
    popularity = 1 / (rng.permutation(len(category)) % PRODUCTS_PER_CATEGORY + 4.0)
    for position, group in enumerate(CATEGORIES):
        rows = category == position
        popularity[rows] *= group.demand / popularity[rows].sum()
    first_day = np.searchsorted(MONTH_OF_DAY, np.arange(stories.MONTHS))
    calendar = CALENDAR_MONTH[first_day]
    seasons = np.array([group.season for group in CATEGORIES])
    demand = popularity[None, :] * seasons[category][:, calendar].T
    demand[launch_day[None, :] > first_day[:, None]] = 0.0
    rise = stories.PRICE_RISE
    dearer = first_day >= stories.day_number(rise.since)
    affected = np.array([CATEGORIES[position].name == rise.category for position in category])
    demand[np.ix_(dearer, affected)] *= rise.demand_factor
    return demand
