"""Waiting times that a person feels on the running local stack: `ask` to the prompt, approval to the next step.

From suspended means that no process held the run when it was approved: its start is in the figure. What a plain process
costs is seen on a stack that was started without its warm runner:
`BQ_COPILOT_STACK_PARTS=server,worker,sandbox,model,recovery,sample-data`.
"""

from __future__ import annotations

import statistics
import threading
import time

from bq_copilot import Copilot
from bq_copilot.client import RunHandle
from bq_copilot.phases import Phase
from deployments.local.waiting import wait_until

QUESTIONS = (
    "What was the revenue per month in 2025?",
    "Top 5 product categories by units sold in 2025",
    "Number of orders per country in May 2026",
)
ROUNDS = 2
ASLEEP_SECONDS = 1.5
"""Between the end of the waiting run's process and its approval: what its end still does must not count."""


def main() -> None:
    """Print the figures."""
    copilot = Copilot()
    prompts, steps, answers = [], [], []
    for question in QUESTIONS * ROUNDS:
        start = time.perf_counter()
        run = copilot.ask(question, timeout=60)
        prompts.append(time.perf_counter() - start)
        run.approve()
        steps.append(_next_step(run))
        run.wait(until=["completed"], timeout=60)
        answers.append(_between(run, "approval_decided", "run_ended"))
    print(f"ask -> approval prompt, median:      {statistics.median(prompts):.2f} s (max {max(prompts):.2f})")
    print(f"approval -> next step, median:       {statistics.median(steps):.2f} s (max {max(steps):.2f})")
    print(f"approval -> answer written, median:  {statistics.median(answers):.2f} s (max {max(answers):.2f})")
    begun, used = zip(*(_from_suspended(copilot, question) for question in QUESTIONS * ROUNDS), strict=True)
    print(f"from suspended -> next event:        {statistics.median(begun):.2f} s (max {max(begun):.2f})")
    print(f"from suspended -> approval used:     {statistics.median(used):.2f} s (max {max(used):.2f})")


def _from_suspended(copilot: Copilot, question: str) -> tuple[float, float]:
    """Seconds from the approval of a run without a process to its next event, and to the use of the approval."""
    run = copilot.ask(question, wait=False)
    run.wait({Phase.AWAITING_APPROVAL}, timeout=60)
    assert wait_until(lambda: copilot.installation.ledger.lease_of(run.run_id) is None, 60)
    threading.Event().wait(ASLEEP_SECONDS)
    run.approve()
    used = _next_step(run)
    run.wait(until=["completed"], timeout=60)
    return _between(run, "approval_decided", "run_started"), used


def _next_step(run: RunHandle) -> float:
    run.wait(until=lambda state: bool(state.plan and state.plan.consumed), timeout=60)
    return _between(run, "approval_decided", "approval_consumed")


def _between(run: RunHandle, first: str, second: str) -> float:
    at = {u.kind: u.at for u in run.updates()}
    return (at[second] - at[first]).total_seconds()


if __name__ == "__main__":
    main()
