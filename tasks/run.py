"""The run that a flow is executing: its journal, its pinned policy and schemas, its lease.

Holds no state of its own: everything it knows is folded from the ledger or read from the shelf.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from blocks.environment import Environment
from bq_copilot.canonical import digest
from bq_copilot.catalog import Catalog, Table
from bq_copilot.errors import Damaged
from bq_copilot.events import Event, Recorded, RunPinned
from bq_copilot.gate import Verdict
from bq_copilot.gate.engines import GuardedGate, open_gate
from bq_copilot.journal import Journal
from bq_copilot.policy import Policy
from bq_copilot.retrieval.units import Unit, units_of
from bq_copilot.state import RunState
from bq_copilot.values import Failure
from tasks.deadlines import StepClock
from tasks.retrieval import retrieval_of

T = TypeVar("T")


class Run:
    """One run in the process that holds its lease."""

    def __init__(self, env: Environment, journal: Journal) -> None:
        self.env = env
        self.journal = journal
        self.clock = StepClock()
        self.outages = 0
        """Steps in a row that the Prefect server did not let through."""
        self.places: dict[str, Any] = {}
        """Places among the jobs at once that this process holds, by query."""
        self.unconfirmed = 0
        """Tries of this process to confirm a cancel that were in vain."""
        self._known: dict[str, Any] = {}

    @property
    def id(self) -> str:
        """The run's id."""
        return self.journal.run_id

    @property
    def state(self) -> RunState:
        """What has been recorded so far."""
        return self.journal.state

    def append(self, event: Event) -> Recorded:
        """Record an event at the head. Raises HeadMoved when somebody else was first."""
        return self.journal.append(event)

    @property
    def policy(self) -> Policy:
        """The policy that the run is judged by; another one after an approval was voided for its sake."""
        pinned = self._pinned
        return self._once(pinned.policy_fingerprint, lambda: self._read_policy(pinned))

    @property
    def rules(self) -> Policy:
        """The policy that the run is judged by; before anything is pinned, the environment's."""
        return self.policy if self.state.pinned is not None else self.env.policy

    @property
    def catalog(self) -> Catalog:
        """The schemas that the run is judged by; fresher ones after an approval was voided for their sake."""
        stored = self._pinned.catalog
        return self._once(stored.sha256, lambda: Catalog.model_validate_json(self.env.shelf.get(stored)))

    def tables_for(self, question: str, most: int) -> list[Unit]:
        """Return the readable tables and families that fit a question best; the same for the same schemas."""
        found = retrieval_of(self.readable).search(question, most)
        return [self.units[hit.id] for hit in found]

    @property
    def readable(self) -> Catalog:
        """The schemas of the datasets that policy allows."""
        allowed = set(self.policy.allowed_datasets)
        key = f"readable {self._pinned.policy_fingerprint} {self._pinned.catalog.sha256}"
        return self._once(key, lambda: self.catalog.model_copy(update={"tables": self._of(allowed)}))

    def _of(self, datasets: set[str]) -> tuple[Table, ...]:
        return tuple(t for t in self.catalog.tables if t.dataset in datasets)

    @property
    def units(self) -> dict[str, Unit]:
        """Every readable table and family by its id."""
        tables = self.readable.tables
        return self._once(f"units {self._pinned.catalog.sha256}", lambda: {u.id: u for u in units_of(tables)})

    @property
    def gate(self) -> GuardedGate:
        """The gate over the pinned schemas and policy, in a child process under limits."""
        pinned = self._pinned
        key = f"gate {pinned.policy_fingerprint} {pinned.catalog.sha256}"
        return self._once(key, lambda: self.gate_over(self.catalog, self.policy))

    def gate_over(self, catalog: Catalog, policy: Policy) -> GuardedGate:
        """Return the same gate over other schemas or another policy; it ends with the run's process."""
        return open_gate(catalog, policy)

    def warm_gate(self) -> None:
        """Start the gate's child beside what comes next: the model takes longer to write SQL than it to start."""
        threading.Thread(target=self.gate.start, daemon=True).start()

    @property
    def _pinned(self) -> RunPinned:
        assert self.state.pinned is not None
        return self.state.pinned

    def _read_policy(self, pinned: RunPinned) -> Policy:
        """Read the policy as it was recorded; what a later release adds to it is not in its fingerprint."""
        text = self.env.shelf.get(pinned.policy)
        if digest(json.loads(text)) != pinned.policy_fingerprint:
            raise Damaged(f"the pinned policy of {self.id} is not the one that was recorded")
        return Policy.model_validate_json(text)

    def _once(self, key: str, make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def rule(self, sql: str) -> Verdict:
        """Put one statement before the gate."""
        return self.gate.rule(sql)


def failure_of(error: Exception, code: str = "error") -> Failure:
    """Return what an error says, in the form that events keep."""
    return Failure(
        code=getattr(error, "code", code),
        message=str(error) or type(error).__name__,
        next=getattr(error, "next", ""),
    )
