"""The customers: where they live, what kind they are, and invented personal data.

Decides: every attribute of a customer. Never does: use data of a real person; addresses end in example.com,
numbers use the 555-01xx block that is reserved for fiction, and names are random pairs. Why this shape:
attributes are drawn for buyers in their order of appearance; `identity` then numbers them by sign-up date,
as a real customer table would.
"""

from dataclasses import dataclass

import numpy as np

from deployments.local.sample_data import stories
from deployments.local.sample_data.demand import Bools, Ints, draw
from deployments.local.sample_data.places import COUNTRIES, City, cities

FIRST_CUSTOMER_ID = 10_001
SEGMENTS = ("consumer", "business")
CHANNEL_WEIGHTS = {
    "organic search": 29, "paid search": 21, "email": 10, "social": 15, "referral": 9, "display": 5,
    "store": 11,
}  # fmt: skip
FIRST_NAMES = (
    "Ada", "Aiko", "Alma", "Amir", "Anouk", "Arlo", "Bea", "Bram", "Carla", "Cem", "Dana", "Dario",
    "Edda", "Elio", "Esme", "Fay", "Finn", "Greta", "Hugo", "Ida", "Ilya", "Ines", "Jonas", "Juno",
    "Kaya", "Lars", "Leila", "Lotte", "Malik", "Mara", "Milo", "Nadia", "Nils", "Nora", "Omar",
    "Otis", "Pia", "Quinn", "Rafa", "Rosa", "Sami", "Selma", "Tess", "Theo", "Uma", "Vera", "Wes",
    "Xenia", "Yara", "Zeno",
)  # fmt: skip
LAST_NAMES = (
    "Abbott", "Alder", "Barlow", "Becker", "Birch", "Calloway", "Castell", "Corbin", "Dahl",
    "Drummond", "Eames", "Ekberg", "Fairfax", "Ferrer", "Garnier", "Grieve", "Hale", "Hartog",
    "Ibarra", "Jansen", "Keller", "Kvist", "Lacroix", "Lindqvist", "Marchetti", "Moreau", "Navarro",
    "Nyman", "Okafor", "Osborne", "Pellier", "Quist", "Ramsey", "Rourke", "Santoro", "Sorensen",
    "Thorne", "Underhill", "Vance", "Verhoef", "Whitlock", "Yilmaz",
)  # fmt: skip


@dataclass(frozen=True)
class Customers:
    """Column-wise customers in order of appearance; `place` indexes `cities`, days may be before day 0."""

    cities: tuple[City, ...]
    place: Ints
    country: Ints
    business: Bools
    acquisition: Ints
    signup_day: Ints
    by_signup: Ints
    ids: Ints

    def __len__(self) -> int:
        return len(self.place)

    def known_on(self, rng: np.random.Generator, day: Ints) -> Ints:
        """For each day, some customer who had signed up by then."""
        pool = np.searchsorted(self.signup_day[self.by_signup], day, side="right")
        return self.by_signup[(rng.random(len(day)) * np.maximum(pool, 1)).astype(np.int64)]


def draw_customers(rng: np.random.Generator, base: int, first_day: Ints, total: int) -> Customers:
    """`base` customers from before day 0, one per new buyer, and some who never ordered."""
    silent = max(total - base - len(first_day), 0)
    count = base + len(first_day) + silent
    towns = cities()
    place = draw(rng, [town.weight for town in towns], count)
    country = np.array([COUNTRIES.index(town.country) for town in towns])[place]
    signup_day = np.concatenate(
        [
            -rng.integers(1, 900, base),
            first_day - np.minimum(rng.geometric(0.35, len(first_day)) - 1, 40),
            rng.integers(0, stories.DAYS, silent),
        ]
    )
    by_signup = np.argsort(signup_day, kind="stable")
    ids = np.empty(count, dtype=np.int64)
    ids[by_signup] = FIRST_CUSTOMER_ID + np.arange(count)
    business = rng.random(count) < 0.14
    acquisition = draw(rng, list(CHANNEL_WEIGHTS.values()), count)
    return Customers(towns, place, country, business, acquisition, signup_day, by_signup, ids)
