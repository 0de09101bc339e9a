"""How much is going on at each moment, and the weighted draws that everything else is made of.

Decides: the demand of each day and hour, and how a share moves over the two years. Never does: know what
is drawn. Why this shape: every table takes its moments from one curve, so a peak in the orders is a peak
in the visits.
"""

import numpy as np
import numpy.typing as npt

from deployments.local.sample_data import stories

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
DAY_ZERO = np.datetime64(stories.FIRST_DAY, "D")
EPOCH_DAY_ZERO = int(DAY_ZERO.astype(np.int64))
CALENDAR = DAY_ZERO + np.arange(stories.DAYS)
MONTH_OF_DAY: Ints = (CALENDAR.astype("datetime64[M]") - DAY_ZERO.astype("datetime64[M]")).astype(np.int64)
CALENDAR_MONTH: Ints = CALENDAR.astype("datetime64[M]").astype(np.int64) % 12
HOUR_WEIGHTS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 14, 13, 13, 13, 14, 16, 18, 20, 20, 16, 10, 5)


def day_weights() -> Floats:
    """Relative demand of each day: growth, season, weekday and the late-November sale."""
    days = np.arange(stories.DAYS)
    weekday = (EPOCH_DAY_ZERO + days + 3) % 7
    weights = (1 + stories.YEARLY_GROWTH) ** (days / 365)
    weights = weights * np.take(stories.MONTH_FACTORS, CALENDAR_MONTH)
    weights = weights * np.take(stories.WEEKDAY_FACTORS, weekday)
    for first, last in stories.SALE_DAYS:
        weights[stories.day_number(first) : stories.day_number(last) + 1] *= stories.SALE_DEMAND
    return weights


def draw_moments(rng: np.random.Generator, count: int, flatten: float = 1.0) -> Ints:
    """`count` sorted moments in microseconds since 1970 (UTC); `flatten` below 1 softens the peaks."""
    days = draw(rng, day_weights() ** flatten, count)
    hours = draw(rng, HOUR_WEIGHTS, count)
    seconds = rng.integers(0, 3600, count)
    moments = (EPOCH_DAY_ZERO + days) * DAY_US + hours * HOUR_US + seconds * 1_000_000
    return np.sort(moments)


def day_of(moments: Ints) -> Ints:
    """Day number of each moment."""
    return moments // DAY_US - EPOCH_DAY_ZERO


def drift(share: stories.Drift, days: Ints) -> Floats:
    """The share on each day."""
    return share.start + (share.end - share.start) * days / (stories.DAYS - 1)


def between(days: Ints, first: int, last: int) -> Bools:
    """True where the day number lies in the closed range."""
    return (days >= first) & (days <= last)


def draw(rng: np.random.Generator, weights: npt.ArrayLike, count: int) -> Ints:
    """`count` positions, each with a chance in proportion to its weight."""
    return locate(np.asarray(weights, dtype=np.float64), rng.random(count))


def locate(weights: Floats, chances: Floats) -> Ints:
    """The position whose slice of the cumulated weights holds each chance (0 <= chance < 1)."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges, chances * edges[-1], side="right").clip(0, len(edges) - 1)


def draw_by_group(rng: np.random.Generator, weights: Floats, groups: Ints) -> Ints:
    """One position per row of `groups`, by the weights in that group's row of the matrix."""
    chances = rng.random(len(groups))
    chosen = np.zeros(len(groups), dtype=np.int64)
    for group in np.unique(groups):
        rows = groups == group
        chosen[rows] = locate(weights[group], chances[rows])
    return chosen
