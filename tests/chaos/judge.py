"""What became of the runs: nothing lost, nothing done twice, nothing billed twice, every receipt verifies, all repeats.

Decides: what counts as done twice, from the ledger, and as billed twice, from the warehouse's own registry. Never
asks the processes that did the work.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from tests.chaos.faults import Hit
from tests.live import Live
from tests.waiting import until

BY_PROCESS = frozenset(
    {"run_started", "approval_decided", "decision_refused", "cancel_requested", "question_answered", "run_unparked"}
)
"""Events that a person records, or that a new process records before its first step."""


@dataclass
class Verdict:
    """The summary of a chaos run."""

    trials: int = 0
    kills: Counter[str] = field(default_factory=Counter[str])
    phases: Counter[str] = field(default_factory=Counter[str])
    lost: list[str] = field(default_factory=list[str])
    stuck: list[str] = field(default_factory=list[str])
    twice: list[str] = field(default_factory=list[str])
    billed_twice: list[str] = field(default_factory=list[str])
    unverified: list[str] = field(default_factory=list[str])
    differing: list[str] = field(default_factory=list[str])
    replayed: int = 0
    """Events that were replayed."""
    disagree: list[str] = field(default_factory=list[str])
    recovery: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    adopted: int = 0
    recovered: int = 0

    @property
    def good(self) -> bool:
        """True when nothing was lost, stuck, repeated, billed twice or altered, and everything replays."""
        done_wrong = self.twice or self.billed_twice or self.unverified or self.differing
        return not (self.lost or self.stuck or done_wrong or self.disagree)

    def lines(self) -> list[str]:
        """Return what is printed at the end."""
        found = [
            f"trials (runs that lived through it):     {self.trials}",
            f"kills:                                   {_counted(self.kills)}",
            f"ended as:                                {_counted(self.phases)}",
            f"lost runs:                               {len(self.lost)}{_named(self.lost)}",
            f"runs not terminal without help:          {len(self.stuck)}{_named(self.stuck)}",
            f"steps executed twice:                    {len(self.twice)}{_named(self.twice)}",
            f"jobs billed twice:                       {len(self.billed_twice)}{_named(self.billed_twice)}",
            f"receipts that verify:                    {self.trials - len(self.unverified)} of {self.trials}"
            f"{_named(self.unverified)}",
            f"differences in replay:                   {len(self.differing)} ({self.replayed:,} events)"
            f"{_named(self.differing)}",
            f"Prefect disagrees with the ledger:       {len(self.disagree)}{_named(self.disagree)}",
            f"recoveries {self.recovered}, jobs adopted {self.adopted}",
        ]
        for kind, seconds in sorted(self.recovery.items()):
            ordered = sorted(seconds)
            p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
            found.append(
                f"recovery after SIGKILL of {kind + ':':<15} median {statistics.median(ordered):.1f} s,"
                f" p95 {p95:.1f} s, max {ordered[-1]:.1f} s ({len(ordered)})"
            )
        return found


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"


def _named(names: Sequence[str]) -> str:
    return f"  {', '.join(names[:8])}" if names else ""


def judge(live: Live, verdict: Verdict, runs: Sequence[RunHandle]) -> None:
    """Add what became of `runs`, which have had their time to end."""
    live.healthy()  # the last blow may have hit what the judge asks
    ids = [run.run_id for run in runs]
    heads = {h.run_id: h for h in live.copilot.installation.reader.heads(run_ids=ids, limit=len(ids))}
    for run in runs:
        verdict.trials += 1
        if run.run_id not in heads:
            verdict.lost.append(run.run_id)
            continue
        phase = run.phase
        verdict.phases[str(phase)] += 1
        if not phase.is_terminal or phase == "parked":
            verdict.stuck.append(f"{run.run_id} ({phase})")
        _count(live, verdict, run)


def _count(live: Live, verdict: Verdict, run: RunHandle) -> None:
    events = [u.event for u in run.updates()]
    verdict.recovered += sum(e.kind == "run_started" and e.reason == "recovered" for e in events)
    verdict.adopted += sum(e.kind == "job_adopted" for e in events)
    repeated = [place for place, count in Counter(_effects(run)).items() if count > 1]
    verdict.twice += [f"{run.run_id} {place}" for place in repeated]
    (check,) = live.copilot.verify(run.run_id)
    if not check["verified"]:
        verdict.unverified.append(run.run_id)
    (again,) = live.copilot.replay(run.run_id)
    verdict.replayed += again["events"]
    if not again["repeats"]:
        verdict.differing.append(f"{run.run_id}: {again['message']}")
    billed = Counter[str]()
    for job in live.jobs(run):
        if int(job.get("statistics", {}).get("query", {}).get("totalBytesBilled") or 0) > 0:
            billed[job["jobReference"]["jobId"].rpartition("-a")[0]] += 1
    verdict.billed_twice += [name for name, count in billed.items() if count > 1]


def _effects(run: RunHandle) -> list[str]:
    """Return one name for each effect that the ledger says was done."""
    found: list[str] = []
    for update in run.updates():
        match update.event.kind, update.event:
            case (("turn_taken" | "call_answered"), event):
                found.append(f"{event.kind} {event.turn}")
            case (("job_submitted" | "job_adopted" | "job_finished" | "result_read" | "job_intended"), event):
                name = "bound" if event.kind in {"job_submitted", "job_adopted"} else event.kind
                found.append(f"{name} {event.job_id}")
            case (("approval_consumed"), event):
                found.append(f"{event.kind} {event.request_id}")
            case (("answer_written" | "run_pinned"), event):
                found.append(event.kind)
            case _:
                pass
    return found


def time_recoveries(verdict: Verdict, hits: Sequence[Hit], seconds: float = 120) -> None:
    """Wait until each run that was hit has done its next step, and note how long that took."""
    for hit in hits:
        try:
            until(lambda hit=hit: _has_stepped(hit), max(1.0, seconds - (time.monotonic() - hit.at)), every=0.05)
        except (AssertionError, CopilotError):
            continue  # it is judged as stuck, if it is
        verdict.recovery.setdefault(hit.kind, []).append(time.monotonic() - hit.at)


def _has_stepped(hit: Hit) -> bool:
    try:
        return any(u.kind not in BY_PROCESS for u in hit.run.updates(after=hit.seq))
    except CopilotError:
        return False
