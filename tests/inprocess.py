"""One run from question to answer in this process: the real loop, gate, briefing and approvals, without Prefect.

The flow's own `perform` is called with every task replaced by its plain function; model and warehouse are doubles, and
a person is a function that decides what waits. What is written are real events on a real ledger.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

from prefect.tasks import Task

import tasks
from blocks.environment import Environment
from bq_copilot import deciding, identity, steps
from bq_copilot.catalog import Catalog, Table
from bq_copilot.deciding import decision_by
from bq_copilot.events import RunReceived, RunStarted
from bq_copilot.gate.engines import GuardedGate, open_gate
from bq_copilot.identities import How, Identity
from bq_copilot.journal import begin
from bq_copilot.notes import Notes
from bq_copilot.phases import Phase
from bq_copilot.policy import Policy
from bq_copilot.ports import LanguageModel, Page, Warehouse
from bq_copilot.shelf import Shelf
from bq_copilot.testing import MemoryBlobs, MemoryLedger, MemoryWarehouse
from flows.analysis import perform
from tasks.run import Run

MODULES = tuple(f"tasks.{m.name}" for m in pkgutil.iter_modules(tasks.__path__))


class _Block:
    """What the flow asks of the blocks beside their adapters."""

    model = "scripted"
    label = "memory"
    is_sandbox = True
    principal = "runner@memory"
    job_timeout_seconds = 60
    usd_per_million_in = 0.0
    usd_per_million_out = 0.0


class World(Environment):
    """An environment of doubles; runs share its ledger and shelf."""

    def __init__(
        self,
        tables: Sequence[Table],
        page: Page,
        policy: Policy,
        *,
        notes: Notes | None = None,
        warehouse: Warehouse | None = None,
    ) -> None:
        block: Any = _Block()
        super().__init__(block, block, block, block)
        self.ledger = MemoryLedger()
        self.shelf = Shelf(MemoryBlobs())
        self.warehouse = warehouse or MemoryWarehouse(tables, page)  # type: ignore[assignment]
        self.policy = policy
        self.notes = notes
        self.embedder = None

    def model_named(self, name: str) -> LanguageModel:
        """There is one model, whatever it is called."""
        return self.model

    async def policy_now(self) -> Policy:
        """The policy never changes while a test runs."""
        return self.policy


@cache
def shared_gate(_schemas: str, _policy: str, held: Held) -> GuardedGate:
    """Return one gate for the same schemas and policy: starting its child anew for each run would only take time."""
    return open_gate(held.catalog, held.policy)


class Held:
    """Schemas and policy that the cache tells apart by their fingerprints."""

    def __init__(self, catalog: Catalog, policy: Policy) -> None:
        self.catalog, self.policy = catalog, policy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held)

    def __hash__(self) -> int:
        return 0


def gate_over(_run: Run, catalog: Catalog, policy: Policy) -> GuardedGate:
    """Stand in for `Run.gate_over`."""
    return shared_gate(catalog.fingerprint, policy.fingerprint, Held(catalog, policy))


@contextmanager
def plain_tasks() -> Iterator[None]:
    """Replace every Prefect task by the function that it wraps, and publishing by nothing."""
    with mock.patch("tasks.publishing.publish_run", _nothing), mock.patch.object(Run, "gate_over", gate_over):
        patches = [
            mock.patch.object(module, name, value.fn)
            for module in map(importlib.import_module, MODULES)
            for name, value in vars(module).items()
            if isinstance(value, Task)
        ]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in reversed(patches):
                patch.stop()


async def _nothing(*_: object) -> None:
    return None


Person = Callable[[Run, steps.Step], None]
"""Decides or answers what waits."""


def approving(run: Run, step: steps.Step) -> None:
    """Approve everything, and answer questions with their first option."""
    if isinstance(step, steps.AwaitAnswer):
        text = step.asked.options[0] if step.asked.options else "yes"
        deciding.answer(run.journal, text, "ana", "test")
    elif isinstance(step, steps.AwaitDecision):
        assert step.plan.request is not None
        who = Identity("ana", How.LOCAL_USER)
        made = decision_by(who, step.plan.request.request_id, step.plan.digest, "approve", "test")
        deciding.decide(run.journal, made)


async def play(
    world: World,
    model: LanguageModel,
    question: str,
    *,
    key: str = "k",
    requester: str = "ana",
    after: str = "",
    person: Person = approving,
    most: int = 2_000,
) -> Run:
    """Play a run to its end, or until the person does not decide what waits."""
    world.model = model  # type: ignore[misc]
    first = RunReceived(
        question=question, requester=requester, via="test", request_key=key, code_version="0", after_run=after
    )
    journal, _ = begin(world.ledger, identity.run_id(requester, key), first)
    run = Run(world, journal)
    run.append(RunStarted(attempt=1, flow_run_id="f", host="h", reason="started", code_version="0"))
    with plain_tasks():
        for _ in range(most):
            step = steps.next_step(run.state)
            if isinstance(step, steps.Done):
                break
            if isinstance(step, (steps.AwaitAnswer, steps.AwaitDecision)):
                seq = run.state.seq
                person(run, step)
                run.journal.refresh()
                if run.state.seq == seq:
                    break
                continue
            await perform(run, step, 0.0)
    return run


def ended(run: Run, phase: Phase) -> bool:
    """Say whether the run ended in this phase."""
    return run.state.phase is phase
