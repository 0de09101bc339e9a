"""`python -m tests.chaos.cancelling --trials 100`: cancels at random moments, in both ways, with kills in between.

Counts what must be nought: jobs that live, or did when a run said that it had ended; scratch tables that are left;
words that are not true: about the phase, the bytes, the result, or in Prefect.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bq_copilot.amounts import size as words_of
from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.phases import Phase
from tests.chaos.arena import arena
from tests.chaos.faults import draw
from tests.live import PROJECT, Live
from tests.waiting import until

QUESTIONS = (
    "What was our total revenue in 2025?",
    "How did revenue per month develop in 2025?",
    "Top 10 products by units sold in June 2026",
    "Revenue per country in 2025",
)
END_SECONDS = 200.0
FINAL = {
    Phase.CANCELLED: {"CANCELLED"},
    Phase.FAILED: {"FAILED"},
    Phase.PARKED: {"FAILED"},
    Phase.COMPLETED: {"COMPLETED"},
    Phase.PARTIAL: {"COMPLETED"},
    Phase.REFUSED: {"COMPLETED"},
}
SAID = re.compile(r"^cancelled by .+ \((?P<cost>0 bytes billed|billed .+)\)$")


@dataclass
class Score:
    """What became of the trials."""

    trials: int = 0
    ends: Counter[str] = field(default_factory=Counter[str])
    ways: Counter[str] = field(default_factory=Counter[str])
    kills: Counter[str] = field(default_factory=Counter[str])
    alive: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    stuck: list[str] = field(default_factory=list[str])

    @property
    def good(self) -> bool:
        """True when everything that must be nought is nought."""
        return not (self.alive or self.left or self.wrong or self.stuck)

    def lines(self) -> list[str]:
        """Return what is printed at the end."""
        counted = {"trials": self.trials, "cancelled by": dict(self.ways), "kills": dict(self.kills)}
        noughts = {"ended as": dict(self.ends), "jobs alive after the end": self.alive}
        rest = {"scratch tables left": self.left, "wrong words": self.wrong, "runs without an end": self.stuck}
        shown = {**counted, **noughts, **rest}
        return [
            f"{k}:".ljust(28) + (f"{len(v)} {v[:5] or ''}" if isinstance(v, list) else str(v)) for k, v in shown.items()
        ]


class Trial(threading.Thread):
    """One run: asked, approved as soon as it waits, cancelled at a random moment in a random way."""

    def __init__(self, live: Live, seed: int, score: Score) -> None:
        super().__init__(daemon=True)
        self._live, self._dice, self._score = live, random.Random(seed), score
        self.run_handle: RunHandle | None = None
        self.done = False

    def run(self) -> None:
        """Live through it."""
        try:
            self._play()
        except (CopilotError, httpx.HTTPError, AssertionError) as error:
            self._score.stuck.append(f"{self.run_handle} {type(error).__name__}: {error}"[:200])

    def _play(self) -> None:
        live, dice = self._live, self._dice
        if dice.random() < 0.7:
            live.arm_warehouse("slow_job", seconds=dice.uniform(0.2, 6.0), match={"job_id_prefix": "bqc-"})
        handle = live.ask_with(dice.choice(QUESTIONS), warm_seconds=dice.choice([0.0, 2.0, 20.0]))
        self.run_handle = handle
        cancel_at = time.monotonic() + dice.uniform(0.0, 9.0)
        while time.monotonic() < cancel_at and not _look(handle).is_terminal:
            if _look(handle) is Phase.AWAITING_APPROVAL:
                with suppress(CopilotError):
                    handle.approve()
            threading.Event().wait(0.1)
        self._cancel(handle)
        until(lambda: _look(handle).is_terminal, END_SECONDS, every=0.1)
        judge(live, self._score, handle)
        self.done = True

    def _cancel(self, handle: RunHandle) -> None:
        way = self._dice.choice(["ledger", "ledger", "prefect"])
        self._score.ways[way] += 1
        if way == "ledger":
            with suppress(CopilotError):
                handle.cancel("chaos")
            return
        flow_run = self._live.flow_run(handle)
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        self._live.prefect("POST", f"/flow_runs/{flow_run['id']}/set_state", body)


def _look(handle: RunHandle) -> Phase:
    try:
        return handle.phase
    except CopilotError:
        return Phase.RECEIVED


def judge(live: Live, score: Score, handle: RunHandle) -> None:
    """Compare what the run says with the warehouse and with Prefect."""
    jobs = until(lambda: _jobs(live, handle), 60, every=0.2)[0]
    score.alive += [f"{handle.run_id} {j['status']['state']}" for j in jobs if j["status"]["state"] != "DONE"]
    state = handle.state
    said = state.failure.message if state.failure else ""
    score.ends[str(state.phase) + (" before cancel" if "before cancel" in said else "")] += 1
    if state.phase is Phase.CANCELLED:
        score.left += until(lambda: (_tables(live, handle),), 60, every=0.2)[0]
        billed = sum(int(j["statistics"].get("query", {}).get("totalBytesBilled") or 0) for j in jobs)
        cost = f"billed {words_of(billed)}" if billed else "0 bytes billed"
        found = SAID.match(said)
        if found is None or found["cost"] != cost:
            score.wrong.append(f"{handle.run_id} said {said!r}, the warehouse billed {billed}")
    if "completed before cancel" in said and not state.results:
        score.wrong.append(f"{handle.run_id} has no result")
    if not handle.receipts()["verified"]:
        score.wrong.append(f"{handle.run_id} does not verify")
    _agrees(live, score, handle, state.phase)
    score.trials += 1


def _agrees(live: Live, score: Score, handle: RunHandle, phase: Phase) -> None:
    wanted = FINAL.get(phase, {"COMPLETED"})
    try:
        until(lambda: live.flow_run(handle)["state"]["type"] in wanted, 90, every=0.5)
    except AssertionError:
        score.wrong.append(f"{handle.run_id} is {phase} and {live.flow_state(handle)} in Prefect")


def _jobs(live: Live, handle: RunHandle) -> tuple[list[dict[str, Any]]] | None:
    with suppress(httpx.HTTPError, KeyError, ValueError):
        return (live.jobs(handle),)
    return None


def _tables(live: Live, handle: RunHandle) -> list[str]:
    url = f"{live.record.warehouse_url}/bigquery/v2/projects/{PROJECT}/datasets/copilot_scratch/tables"
    try:
        answer = httpx.get(url, params={"maxResults": 10_000}, timeout=20)
    except httpx.HTTPError as error:
        raise AssertionError("the warehouse does not answer") from error
    named = [t["tableReference"]["tableId"] for t in answer.json().get("tables", [])] if answer.is_success else []
    return [name for name in named if name.startswith(handle.run_id.replace("-", "_"))]


def play(score: Score, trials: int, seed: int, size: int, home: Path | None = None) -> None:
    """Play rounds until there are `trials`; print a line after each."""
    dice, began = random.Random(seed), time.monotonic()
    with arena(home) as live:
        while score.trials + len(score.stuck) < trials:
            live.healthy()
            live.disarm()
            play_round(live, score, dice, min(size, trials - score.trials))
            bad = "" if score.good else "  NOT GOOD"
            print(f"{time.monotonic() - began:6.0f} s  {score.trials} of {trials}{bad}", flush=True)


def play_round(live: Live, score: Score, dice: random.Random, size: int) -> None:
    """Play `size` runs at once, with two kills in between."""
    running = [Trial(live, dice.randrange(2**31), score) for _ in range(size)]
    for trial in running:
        trial.start()
    for _ in range(2):
        threading.Event().wait(dice.uniform(1.0, 5.0))
        _strike(live, score, running, dice)
    for trial in running:
        trial.join(END_SECONDS + 120)
    score.stuck += [f"{t.run_handle}" for t in running if t.is_alive()]


def _strike(live: Live, score: Score, running: list[Trial], dice: random.Random) -> None:
    name, fault = draw(dice)
    while name == "everything":
        name, fault = draw(dice)
    fault(live, [t.run_handle for t in running if t.run_handle is not None])
    score.kills[name] += 1


def main() -> int:
    """Play and print; 0 when everything that must be nought is nought."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.cancelling")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--size", type=int, default=6, help="runs in flight at once")
    parser.add_argument("--home", type=Path, default=None, help="keep everything in this folder")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    score = Score()
    play(score, chosen.trials, chosen.seed, chosen.size, chosen.home)
    print("\n".join(score.lines()))
    return 0 if score.good and score.trials >= chosen.trials else 1


if __name__ == "__main__":
    sys.exit(main())
