"""A short chaos: four runs, some kills, a person who decides at random. The long one is `make chaos`."""

from __future__ import annotations

import random

from tests.chaos.__main__ import Round
from tests.chaos.arena import KILLABLE
from tests.chaos.judge import Verdict
from tests.chaos.person import Person
from tests.faults.killable_deployment import deploy_killable
from tests.live import Live


def test_nothing_is_lost_or_done_twice_whatever_is_killed(stack: Live) -> None:
    """Four runs end, each effect was done once, no job was billed twice, every receipt verifies."""
    deploy_killable(stack, KILLABLE)
    verdict, person = Verdict(), Person(11)
    try:
        Round(stack, person, random.Random(11), verdict).play(4, 3, restart=False)
    finally:
        person.leave()
    assert verdict.good, "\n".join(verdict.lines())
    assert verdict.trials == 4
