"""Plays the worker: when a flow run is created, it records the run's story into the same ledger, in a thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from bq_copilot.phases import Phase
from tests.recorded_runs import Recording
from tests.waiting import until


class WorkerDouble:
    """Performs each run that is created: a plan, a wait for the person, a job, an answer."""

    def __init__(self, home: Path, *, asks: bool = False) -> None:
        self.home = home
        self.asks = asks
        self.threads: list[threading.Thread] = []

    def __call__(self, body: dict[str, Any]) -> None:
        thread = threading.Thread(target=self._perform, args=(body["parameters"],), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _perform(self, parameters: dict[str, str]) -> None:
        run = Recording(
            self.home,
            question=parameters["question"],
            requester=parameters["requester"],
            key=parameters["request_key"],
            received=True,
        ).started()
        if self.asks:
            run.asked()
            self._until_not(run, Phase.AWAITING_ANSWER)
            run.call_answered()
        run.planned().requested()
        self._until_not(run, Phase.AWAITING_APPROVAL)
        decided = run.state.plan.decided if run.state.plan else None
        if decided is not None and decided.verdict == "approve":
            run.consumed().job().read().answered()
        else:
            run.ended("rejected")

    def _until_not(self, run: Recording, phase: Phase) -> None:
        def moved() -> bool:
            run.journal.refresh()
            plan = run.state.plan
            return run.state.phase is not phase or bool(plan and plan.decided)

        until(moved, 15)
