"""What a cancelled run is held against: its jobs and tables in the warehouse, its bytes, its state in Prefect.

Decides: which words are true. Never does: kill or cancel; that is `cancelling`. Why this shape: the judge looks while
parts of the stack are being killed, so whatever it asks is asked again until it answers, and only what was answered is
judged.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from bq_copilot.amounts import size as words_of
from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.phases import Phase, prefect_type
from tests.live import PROJECT, Live
from tests.waiting import until

T = TypeVar("T")

PASSING = (CopilotError, httpx.HTTPError, AssertionError, OSError, KeyError, ValueError)
"""What a stack answers, or breaks off in, while a part of it is being killed."""

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
    trouble: list[str] = field(default_factory=list[str])
    """What kept this program, not the product, from playing; such a trial is played again."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def good(self) -> bool:
        """True when everything that must be nought is nought."""
        return not (self.alive or self.left or self.wrong or self.stuck)

    def lines(self) -> list[str]:
        """Return what is printed at the end."""
        counted = {"trials": self.trials, "cancelled by": dict(self.ways), "kills": dict(self.kills)}
        noughts = {"ended as": dict(self.ends), "jobs alive after the end": self.alive}
        rest = {"scratch tables left": self.left, "wrong words": self.wrong, "runs without an end": self.stuck}
        shown = {**counted, **noughts, **rest, "not played": self.trouble}
        return [
            f"{k}:".ljust(28) + (f"{len(v)} {v[:5] or ''}" if isinstance(v, list) else str(v)) for k, v in shown.items()
        ]


def steadily(call: Callable[[], T], seconds: float = 120.0) -> T:
    """Return what the call returns as soon as it does not break off. Raises AssertionError with the last reason."""
    why: list[str] = []

    def tried() -> tuple[T] | None:
        try:
            return (call(),)
        except PASSING as error:
            why.append(f"{type(error).__name__}: {error}")
            return None

    try:
        found = until(tried, seconds, every=0.3)
    except AssertionError as error:
        raise AssertionError(why[-1] if why else str(error)) from error
    assert found is not None
    return found[0]


def judge(live: Live, score: Score, handle: RunHandle) -> None:
    """Compare what the run says with the warehouse and with Prefect, then count it."""
    jobs = steadily(lambda: live.jobs(handle))
    state = steadily(lambda: handle.state)
    said = state.failure.message if state.failure else ""
    alive = [f"{handle.run_id} {j['status']['state']}" for j in jobs if j["status"]["state"] != "DONE"]
    left = steadily(lambda: tables_of(live, handle)) if state.phase is Phase.CANCELLED else []
    wrong = _wrong_cost(handle, said, jobs) if state.phase is Phase.CANCELLED else []
    if "completed before cancel" in said and not state.results:
        wrong.append(f"{handle.run_id} has no result")
    if not steadily(handle.receipts)["verified"]:
        wrong.append(f"{handle.run_id} does not verify")
    wrong += _disagrees(live, handle, state.phase)
    with score.lock:
        score.alive += alive
        score.left += left
        score.wrong += wrong
        score.ends[_end_of(state.phase, said, state.bytes_billed, len(jobs))] += 1
        score.trials += 1


def _end_of(phase: Phase, said: str, billed: int, jobs: int) -> str:
    """The end as it is counted: a cancel that had nothing to stop proves less than one that had."""
    if "before cancel" in said:
        return f"{phase} before cancel"
    return f"{phase}, {'billed' if billed else 'a job stopped at 0 bytes' if jobs else 'no job'}"


def _wrong_cost(handle: RunHandle, said: str, jobs: list[dict[str, Any]]) -> list[str]:
    billed = sum(int(j["statistics"].get("query", {}).get("totalBytesBilled") or 0) for j in jobs)
    cost = f"billed {words_of(billed)}" if billed else "0 bytes billed"
    found = SAID.match(said)
    right = found is not None and found["cost"] == cost
    return [] if right else [f"{handle.run_id} said {said!r}, the warehouse billed {billed}"]


def _disagrees(live: Live, handle: RunHandle, phase: Phase) -> list[str]:
    """Prefect is given some time to agree; a server that was just killed is asked again."""
    seen: list[str] = []

    def agrees() -> bool:
        state = steadily(lambda: live.flow_run(handle))["state"]
        seen.append(f"{state['type']} {state['name']}: {state.get('message')}"[:150])
        return state["type"] == prefect_type(phase)

    try:
        until(agrees, 120, every=0.5)
    except AssertionError as error:
        return [f"{handle.run_id} is {phase} and in Prefect {seen[-1] if seen else error}"]
    return []


def tables_of(live: Live, handle: RunHandle) -> list[str]:
    """Return the scratch tables of a run, all pages of them; only a data set that is not there has none."""
    url = f"{live.record.warehouse_url}/bigquery/v2/projects/{PROJECT}/datasets/copilot_scratch/tables"
    named, token = list[str](), ""
    while True:
        answer = httpx.get(url, params={"maxResults": 500, **({"pageToken": token} if token else {})}, timeout=20)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        page = answer.raise_for_status().json()
        named += [t["tableReference"]["tableId"] for t in page.get("tables", [])]
        token = page.get("nextPageToken", "")
        if not token:
            return [name for name in named if name.startswith(handle.run_id.replace("-", "_"))]
