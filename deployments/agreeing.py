"""Runs that have ended, and of which Prefect says something else in the end: found some at a time.

Decides: which of Prefect's ended flow runs are looked at now: the newest each time, and a page of the older ones. Never
does: help; what is to be done about a pair says `bq_copilot.recovering`. Why this shape: what has ended in both places
is never looked at as a whole, and what agrees once is not compared again until its state changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bq_copilot.installation import Installation
from bq_copilot.ledger import RunHead
from bq_copilot.phases import Phase, prefect_type
from bq_copilot.prefect_api import FlowRun

PAGE = 50

REMEMBERED = 20_000
"""Flow runs whose agreement is remembered; beyond it everything is compared once more."""


class Agreement:
    """What one recovery process knows of ended runs."""

    def __init__(self, at: Installation, flows: tuple[str, ...], run_of: Callable[[FlowRun], str]) -> None:
        self._at, self._flows, self._run_of = at, flows, run_of
        self._agreed: dict[str, datetime | None] = {}
        self._older = PAGE
        self.differing: set[str] = set()
        """Runs that disagreed at some look, and have not agreed since."""

    def look(self) -> list[tuple[RunHead, FlowRun]]:
        """Return ended runs of the ledger with a flow run that has ended otherwise."""
        newest = self._at.api.ended(self._flows, 0, PAGE)
        older = self._at.api.ended(self._flows, self._older, PAGE) if len(newest) == PAGE else []
        self._older = self._older + PAGE if len(older) == PAGE else PAGE
        if len(self._agreed) > REMEMBERED:
            self._agreed.clear()
        fresh = [f for f in (*newest, *older) if self._agreed.get(f.id, _NEVER) != f.since]
        return [(head, f) for head, f in self._with_runs(fresh) if self._differs(head, f)]

    def _with_runs(self, fresh: list[FlowRun]) -> list[tuple[RunHead, FlowRun]]:
        runs = [self._run_of(f) for f in fresh]
        heads = self._at.ledger.heads(run_ids=sorted(set(runs)), limit=len(runs)) if runs else []
        found = {head.run_id: head for head in heads}
        for run, flow_run in zip(runs, fresh, strict=True):
            if run not in found:  # it recorded nothing here, or elsewhere
                self._agreed[flow_run.id] = flow_run.since
        return [(found[run], f) for run, f in zip(runs, fresh, strict=True) if run in found]

    def _differs(self, head: RunHead, flow_run: FlowRun) -> bool:
        phase = Phase(head.phase)
        if not phase.is_terminal:
            return False
        ours = head.flow_run_id in {"", flow_run.id}
        if ours and flow_run.state_type != prefect_type(phase):
            self.differing.add(head.run_id)
            return True
        self.differing.discard(head.run_id)
        self._agreed[flow_run.id] = flow_run.since
        return False


_NEVER = datetime.min
