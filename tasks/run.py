"""The run that a flow is executing: its journal, its pinned policy and schemas, its lease.

Holds no state of its own: everything it knows is folded from the ledger or read from the shelf.
"""

from __future__ import annotations

from functools import cached_property

from blocks.environment import Environment
from bq_copilot.catalog import Catalog
from bq_copilot.errors import Damaged
from bq_copilot.events import Event, Recorded
from bq_copilot.gate import Gate, Verdict
from bq_copilot.gate.engines import second_engines
from bq_copilot.journal import Journal
from bq_copilot.policy import Policy
from bq_copilot.state import RunState
from bq_copilot.values import Failure


class Run:
    """One run in the process that holds its lease."""

    def __init__(self, env: Environment, journal: Journal) -> None:
        self.env = env
        self.journal = journal

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

    @cached_property
    def policy(self) -> Policy:
        """The policy that the run is judged by."""
        pinned = self.state.pinned
        assert pinned is not None
        policy = Policy.model_validate_json(self.env.shelf.get(pinned.policy))
        if policy.fingerprint != pinned.policy_fingerprint:
            raise Damaged(f"the pinned policy of {self.id} is not the one that was recorded")
        return policy

    @cached_property
    def catalog(self) -> Catalog:
        """The schemas that the run is judged by."""
        pinned = self.state.pinned
        assert pinned is not None
        return Catalog.model_validate_json(self.env.shelf.get(pinned.catalog))

    @cached_property
    def gate(self) -> Gate:
        """The gate over the pinned schemas and policy."""
        return Gate(self.catalog, self.policy, second_engines())

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
