"""A short chaos of cancels: four runs, some kills. The long one is `make chaos-cancel`."""

from __future__ import annotations

import random

from tests.chaos.cancelling import Score, play_round
from tests.live import Live


def test_F11_cancels_at_random_moments_tell_the_truth(stack: Live) -> None:
    """No job alive after the end, no scratch table left, no wrong word, here or in Prefect."""
    score = Score()
    play_round(stack, score, random.Random(21), 4)
    assert score.good, "\n".join(score.lines())
    assert score.trials == 4
