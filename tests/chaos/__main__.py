"""`python -m tests.chaos --trials 200`: runs in flight, kills at random, and a summary of what became of them."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from tests.chaos.arena import KILLABLE, arena
from tests.chaos.faults import POINTS, Hit, draw
from tests.chaos.judge import Verdict, judge, time_recoveries
from tests.chaos.keeping import keep
from tests.chaos.person import Person
from tests.live import Live
from tests.sample_data.questions import load_questions
from tests.waiting import until

END_SECONDS = 240.0
"""How long runs get to end once nothing is killed any more."""

ARMED = 0.5
"""Of the runs, half have a process that kills itself at a point."""


class Round:
    """Some runs in flight, some kills, and then peace until they have ended."""

    def __init__(
        self, live: Live, person: Person, dice: random.Random, verdict: Verdict, kept: Path | None = None
    ) -> None:
        self._live, self._person, self._dice, self._verdict, self._kept = live, person, dice, verdict, kept

    def play(self, size: int, kills: int, *, restart: bool = True) -> None:
        """Ask `size` questions, kill `kills` times, wait for the end, and judge."""
        runs = [self._ask() for _ in range(size)]
        self._person.watch(runs)
        hits: list[threading.Thread] = []
        for _ in range(kills):
            threading.Event().wait(self._dice.uniform(1.0, 5.0))
            hits.append(self._strike(runs, restart=restart))
        with suppress(AssertionError):
            until(lambda: all(_ended(run) for run in runs), END_SECONDS, every=0.25)
        for thread in hits:
            thread.join()
        judge(self._live, self._verdict, runs)
        if self._kept is not None:
            for line in keep(runs, self._kept):
                print(f"not kept: {line}", flush=True)
        self._agree(runs)

    def _strike(self, runs: Sequence[RunHandle], *, restart: bool) -> threading.Thread:
        name, fault = draw(self._dice)
        while name == "everything" and not restart:
            name, fault = draw(self._dice)
        hits = fault(self._live, runs)
        self._verdict.kills[name] += 1
        thread = threading.Thread(target=self._time, args=(hits,), daemon=True)
        thread.start()
        return thread

    def _time(self, hits: Sequence[Hit]) -> None:
        time_recoveries(self._verdict, hits)

    def _ask(self) -> RunHandle:
        questions = [q for q in load_questions().questions if q.kind != "hostile"]
        question = self._dice.choice(questions).question
        warm = self._dice.choice([0.0, 1.0, 5.0, 20.0])
        if self._dice.random() < ARMED:
            point = self._dice.choice(POINTS)
            self._verdict.kills["at an armed point"] += 1
            variables = {"BQ_COPILOT_KILL_AT": point, "BQ_COPILOT_KILL_TIMES": str(self._dice.choice([1, 1, 2]))}
            return self._live.ask_with(question, deployment=KILLABLE, variables=variables, warm_seconds=warm)
        return self._live.ask_with(question, warm_seconds=warm)

    def _agree(self, runs: Sequence[RunHandle]) -> None:
        """Prefect's own state is terminal too in the end."""
        final = {"COMPLETED", "FAILED", "CANCELLED"}
        for run in runs:
            try:
                until(lambda run=run: self._live.flow_run(run)["state"]["type"] in final, 60, every=0.5)
            except AssertionError:
                self._verdict.disagree.append(f"{run.run_id} ({self._live.flow_state(run)})")


def _ended(run: RunHandle) -> bool:
    try:
        return run.phase.is_terminal
    except CopilotError:
        return False


def play(
    verdict: Verdict, trials: int, seed: int, size: int, home: Path | None = None, kept: Path | None = None
) -> None:
    """Play as many rounds as give `trials` runs; print a line after each."""
    dice, began = random.Random(seed), time.monotonic()
    with arena(home) as live:
        person = Person(seed)
        while verdict.trials < trials:
            live.healthy()
            Round(live, person, dice, verdict, kept).play(min(size, trials - verdict.trials), size)
            bad = "" if verdict.good else "  NOT GOOD"
            print(f"{time.monotonic() - began:6.0f} s  {verdict.trials} of {trials} trials{bad}", flush=True)
        person.leave()


def main() -> int:
    """Play and print; 0 when everything that must be nought is nought."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--size", type=int, default=3, help="runs in flight at once")
    parser.add_argument("--home", type=Path, default=None, help="keep everything in this folder")
    parser.add_argument("--keep", type=Path, default=None, help="keep every judged run in this folder, as RUN.zip")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    verdict = Verdict()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run in the background can be stopped and still tells
    try:
        play(verdict, chosen.trials, chosen.seed, chosen.size, chosen.home, chosen.keep)
    except KeyboardInterrupt:
        print("stopped by hand", flush=True)
    finally:
        print("\n".join(verdict.lines()), flush=True)  # also of what was played before something went wrong
    return 0 if verdict.good and verdict.trials >= chosen.trials else 1


if __name__ == "__main__":
    sys.exit(main())
