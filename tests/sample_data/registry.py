"""What a right answer is, and the book in which right answers are kept.

Decides: the forms a right answer takes and how it is registered under its id. Never does: compare (that
is `comparison`) or know the wording of a question (that is `questions.yaml`). Why this shape: a question
with two fair readings, such as weeks that start on Monday or on Sunday, has two right answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from tests.sample_data.frames import Frames

Expected = pd.DataFrame | float
Compute = Callable[[Frames], Expected | tuple[Expected, ...]]


class Match(StrEnum):
    """How a result must agree with the expected rows."""

    ROWS = "rows"
    """The same rows in any order."""
    RANKING = "ranking"
    """The first `top` rows in the same order; among equals any order, and at the end any choice."""
    FIGURES = "figures"
    """Every expected number is somewhere in a result of a few rows, whatever its layout."""
    SUBSET = "subset"
    """Every expected row is in the result, which may have more."""


@dataclass(frozen=True)
class Truth:
    """One right answer: computed by pandas from the sample rows.

    A frame's first `keys` columns name a row and the others are its figures; a number is a result of one
    row. Figures agree within `tolerance` (relative). Columns that end in share, rate or growth are fractions,
    and a result may give them in percent. A ranking's frame has one figure and every row that ties for a place.
    """

    id: str
    compute: Compute
    match: Match
    keys: int = 1
    tolerance: float = 0.001
    top: int = 0

    def expected(self, frames: Frames) -> tuple[Expected, ...]:
        """Every accepted answer, the most usual one first."""
        found = self.compute(frames)
        return found if isinstance(found, tuple) else (found,)


class Book(dict[str, Truth]):
    """Truths by id."""

    def truth(self, name: str, match: Match = Match.ROWS, *, top: int = 0) -> Callable[[Compute], Compute]:
        """Register the decorated function as the truth called `name`."""

        def register(compute: Compute) -> Compute:
            if name in self:
                raise ValueError(f"two truths are called {name!r}: rename one")
            self[name] = Truth(name, compute, match, top=top)
            return compute

        return register
