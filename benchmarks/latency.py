"""Waiting times that a person feels on the running local stack: `ask` to the prompt, approval to the next step."""

from __future__ import annotations

import statistics
import time

from bq_copilot import Copilot
from bq_copilot.client import RunHandle

QUESTIONS = (
    "What was the revenue per month in 2025?",
    "Top 5 product categories by units sold in 2025",
    "Number of orders per country in May 2026",
)
ROUNDS = 2


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


def _next_step(run: RunHandle) -> float:
    run.wait(until=lambda state: bool(state.plan and state.plan.consumed), timeout=60)
    return _between(run, "approval_decided", "approval_consumed")


def _between(run: RunHandle, first: str, second: str) -> float:
    at = {u.kind: u.at for u in run.updates()}
    return (at[second] - at[first]).total_seconds()


if __name__ == "__main__":
    main()
