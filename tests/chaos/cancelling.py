"""`python -m tests.chaos.cancelling --trials 100`: cancels at random moments, in both ways, with kills in between.

Counts what must be nought: jobs that live, or did when a run said that it had ended; scratch tables that are left;
words that are not true: about the phase, the bytes, the result, or in Prefect. What has been counted is printed
whatever happens to this program: an error of its own, an interrupt, a stack that does not come up again.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.phases import Phase
from tests.chaos.arena import arena
from tests.chaos.cancel_judge import PASSING, Score, judge, steadily
from tests.chaos.faults import draw
from tests.live import Live
from tests.waiting import until

__all__ = ["Score", "main", "play_round"]

QUESTIONS = (
    "What was our total revenue in 2025?",
    "How did revenue per month develop in 2025?",
    "Top 10 products by units sold in June 2026",
    "Revenue per country in 2025",
    "Revenue per month in 2025 and also revenue per country in 2025",
)
END_SECONDS = 200.0

MOST_TROUBLE = 20
"""Trials that this program may fail to play before it gives up."""


class Trial(threading.Thread):
    """One run: asked, approved as soon as it waits, cancelled at a random moment in a random way."""

    def __init__(self, live: Live, seed: int, score: Score) -> None:
        super().__init__(daemon=True)
        self._live, self._dice, self._score = live, random.Random(seed), score
        self.run_id = ""

    def run(self) -> None:
        """Live through it; whatever goes wrong is counted, so that no trial is lost without a word."""
        where, why = self._score.trouble, "broke off, see above"
        try:
            self._play()
            why = ""
        except PASSING as error:
            where = self._score.stuck if self.run_id else self._score.trouble
            why = f"{type(error).__name__}: {error}"[:300]
        finally:
            if why:
                with self._score.lock:
                    where.append(f"{self.run_id} {why}")

    def _play(self) -> None:
        live, dice = self._live, self._dice
        if dice.random() < 0.7:
            slow = {"seconds": dice.uniform(0.2, 6.0), "match": {"job_id_prefix": "bqc-"}}
            steadily(lambda: live.arm_warehouse("slow_job", **slow))
        question, warm = dice.choice(QUESTIONS), dice.choice([0.0, 2.0, 20.0])
        handle = steadily(lambda: live.ask_with(question, warm_seconds=warm))
        self.run_id = handle.run_id
        while_it_runs = dice.random() < 0.5  # else at any moment from the question on
        cancel_at = time.monotonic() + (END_SECONDS if while_it_runs else dice.uniform(0.0, 9.0))
        while time.monotonic() < cancel_at and not _look(handle).is_terminal:
            if _look(handle) is Phase.AWAITING_APPROVAL:
                with suppress(CopilotError):
                    handle.approve()
            if while_it_runs and _look(handle) is Phase.EXECUTING:
                cancel_at, while_it_runs = time.monotonic() + dice.uniform(0.0, 6.0), False
            threading.Event().wait(0.1)
        self._cancel(handle)
        self._wait_for_its_end(handle)
        judge(live, self._score, handle)

    def _wait_for_its_end(self, handle: RunHandle) -> None:
        try:
            until(lambda: _look(handle).is_terminal, END_SECONDS, every=0.1)
        except AssertionError as error:
            kinds, flow_run = self._live.kinds(handle), steadily(lambda: self._live.flow_run(handle))
            state = f"{flow_run['state']['type']} {flow_run['state']['name']}"
            raise AssertionError(f"{_look(handle)} after {kinds[-4:]}, in Prefect {state}; {error}") from error

    def _cancel(self, handle: RunHandle) -> None:
        way = self._dice.choice(["ledger", "ledger", "prefect"])
        with self._score.lock:
            self._score.ways[way] += 1
        if way == "ledger":
            with suppress(CopilotError):
                handle.cancel("chaos")
            return
        steadily(lambda: self._cancel_in_prefect(handle))

    def _cancel_in_prefect(self, handle: RunHandle) -> None:
        """As the button does; one that Prefect does not take is pressed again while the run has not ended."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        path = f"/flow_runs/{self._live.flow_run(handle)['id']}/set_state"
        answer = self._live.prefect("POST", path, body)
        assert answer["status"] == "ACCEPT" or _look(handle).is_terminal, answer


def _look(handle: RunHandle) -> Phase:
    try:
        return handle.phase
    except CopilotError:
        return Phase.RECEIVED


def play(score: Score, trials: int, seed: int, size: int, home: Path | None = None) -> None:
    """Play rounds until there are `trials`; print a line after each, and every few what has been counted."""
    dice, began, rounds = random.Random(seed), time.monotonic(), 0
    with arena(home) as live:
        while score.trials + len(score.stuck) < trials and len(score.trouble) <= MOST_TROUBLE:
            steadily(live.healthy, 300)
            steadily(live.disarm)
            play_round(live, score, dice, min(size, trials - score.trials - len(score.stuck)))
            rounds += 1
            bad = "" if score.good else "  NOT GOOD"
            print(f"{time.monotonic() - began:6.0f} s  {score.trials} of {trials}{bad}", flush=True)
            if rounds % 5 == 0:
                print("\n".join(score.lines()), flush=True)


def play_round(live: Live, score: Score, dice: random.Random, size: int) -> None:
    """Play `size` runs at once, with two kills in between."""
    running = [Trial(live, dice.randrange(2**31), score) for _ in range(size)]
    for trial in running:
        trial.start()
    for _ in range(2):
        threading.Event().wait(dice.uniform(1.0, 5.0))
        _strike(live, score, running, dice)
    give_up = time.monotonic() + 2 * END_SECONDS + 120
    for trial in running:
        trial.join(max(0.1, give_up - time.monotonic()))
    with score.lock:
        score.stuck += [f"{t.run_id} is still being played" for t in running if t.is_alive()]


def _strike(live: Live, score: Score, running: list[Trial], dice: random.Random) -> None:
    """Kill something; what could not be killed is told, and the round goes on. A handle belongs to one thread."""
    name, fault = draw(dice)
    while name == "everything":
        name, fault = draw(dice)
    try:
        fault(live, [live.copilot.run(t.run_id) for t in running if t.run_id])
        score.kills[name] += 1
    except PASSING as error:
        print(f"could not kill {name}: {type(error).__name__}: {error}"[:200], flush=True)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Play and print; 0 when everything that must be nought is nought, over all the trials."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.cancelling")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--size", type=int, default=6, help="runs in flight at once")
    parser.add_argument("--home", type=Path, default=None, help="keep everything in this folder")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    print(f"seed {chosen.seed}", flush=True)
    score = Score()
    try:
        play(score, chosen.trials, chosen.seed, chosen.size, chosen.home)
    except KeyboardInterrupt:
        print("stopped by hand", flush=True)
    finally:
        print("\n".join(score.lines()), flush=True)
    return 0 if score.good and score.trials >= chosen.trials else 1


if __name__ == "__main__":
    sys.exit(main())
