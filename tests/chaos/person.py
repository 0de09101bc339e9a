"""A person who decides at random, after a random while, and a second one who sometimes decides as well."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from contextlib import suppress

from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.phases import Phase

APPROVES, REJECTS = 0.8, 0.1
"""Of a hundred requests eighty are approved, ten rejected, ten runs cancelled."""


class Person:
    """Looks at the runs every quarter of a second and decides what waits; stops when told to."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._stop = threading.Event()
        self._runs: Sequence[RunHandle] = ()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._patience: dict[str, int] = {}
        self.decided = 0
        self._thread.start()

    def watch(self, runs: Sequence[RunHandle]) -> None:
        """From now on, look at these runs, through handles of our own: a handle belongs to one thread."""
        self._runs = tuple(run._copilot.run(run.run_id) for run in runs)

    def leave(self) -> None:
        """Stop deciding."""
        self._stop.set()
        self._thread.join(30)

    def _live(self) -> None:
        while not self._stop.wait(0.25):
            for run in self._runs:
                with suppress(CopilotError):
                    self._look(run)

    def _look(self, run: RunHandle) -> None:
        phase = run.phase
        if phase not in {Phase.AWAITING_APPROVAL, Phase.AWAITING_ANSWER}:
            return
        place = f"{run.run_id} {phase} {run.state.plan.revision if run.state.plan else 0}"
        left = self._patience.setdefault(place, self._dice.choice([0, 0, 1, 2, 4, 12, 90]))
        self._patience[place] = left - 1
        if left <= 0:
            self._decide(run, phase)

    def _decide(self, run: RunHandle, phase: Phase) -> None:
        self.decided += 1
        chance = self._dice.random()
        if phase is Phase.AWAITING_ANSWER:
            asked = run.state.asked
            run.answer(asked.options[0] if asked and asked.options else "whatever is usual")
        elif chance < APPROVES:
            run.approve(reason="chaos")
            if self._dice.random() < 0.3:
                run.reject("a second person, too late")
        elif chance < APPROVES + REJECTS:
            run.reject("chaos")
        else:
            run.cancel("chaos")
