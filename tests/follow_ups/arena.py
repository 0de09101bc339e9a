"""A series of follow-ups without a stack: the real loop, steps and gate, on doubles whose clock a test moves.

Decides: how a test gets an answered parent, accepts its follow-up and lets it come due. Never does: replace anything
that decides; only Prefect's tasks are called as the functions that they are, because no server is there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from prefect.tasks import Task

from bq_copilot import deciding, following_up, identities, identity
from bq_copilot.catalog import Catalog, Column, Table
from bq_copilot.deciding import decision_by
from bq_copilot.events import FollowUpScheduled, RunReceived
from bq_copilot.gate.engines import open_gate
from bq_copilot.identities import How, Identity
from bq_copilot.journal import Journal, begin
from bq_copilot.phases import Phase
from bq_copilot.policy import Policy
from bq_copilot.series import Series
from bq_copilot.shelf import Shelf
from bq_copilot.steps import AwaitDecision, AwaitFollowUp, Done, next_step
from bq_copilot.testing import MemoryBlobs, MemoryCircuits, MemoryLedger, MemoryWarehouse, ScriptedModel
from bq_copilot.testing.memory_warehouse import page_of
from flows import analysis
from tasks import series_runs
from tasks.run import Run

ORDERS = "p.shop.orders"
COLUMNS = (Column(name="region", type="STRING"), Column(name="total", type="FLOAT64"))
TABLE = Table(id=ORDERS, columns=COLUMNS, rows=1_000)
SQL = f"SELECT SUM(total) AS revenue FROM `{ORDERS}`"
MIB = 2**20

PLAN = ("propose_plan", {"queries": [{"id": "q1", "purpose": "sum", "sql": SQL}], "rationale": "It sums."})
LATER = ("schedule_follow_up", {"when": "every day at 08:00", "question": "What is the revenue?"})
ANSWER = (
    "write_answer",
    {"summary": "It is 100.", "citations": [{"figure": "100", "query": "q1", "row": 0, "column": "revenue"}]},
)


def page(value: float) -> Any:
    """Return the result of the one query."""
    return page_of({"revenue": "FLOAT64"}, [[value]])


class Warehouse(MemoryWarehouse):
    """A warehouse whose tables, sizes and figures a test changes."""

    def put(self, table: Table | None) -> None:
        """Replace the table, or drop it."""
        self._tables = {} if table is None else {table.id: table, **self._results()}

    def revenue(self, value: float, at_ms: int = 2_000) -> None:
        """New rows arrived: another sum, and the table was modified."""
        self._page = page(value)
        self.modified[ORDERS] = at_ms

    def reads(self, count: int) -> None:
        """The table has grown to so many bytes."""
        self._bytes = count

    def insert(self, spec: Any) -> Any:
        """Run it, and keep its result table."""
        found = super().insert(spec)
        self._tables = {**self._tables, spec.destination: Table(id=spec.destination)}
        return found

    def _results(self) -> dict[str, Table]:
        return {k: t for k, t in self._tables.items() if k != ORDERS}


@dataclass
class Env:
    """The environment as far as a run looks at it."""

    policy: Policy
    warehouse: Warehouse
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    shelf: Shelf = field(default_factory=lambda: Shelf(MemoryBlobs()))
    model: ScriptedModel = field(default_factory=ScriptedModel)
    name: str = "default"
    notes: None = None
    embedder: None = None

    def __post_init__(self) -> None:
        self.circuits = MemoryCircuits(self.ledger.now)
        said = {"principal": "runner@p", "label": "p (sandbox)", "is_sandbox": True, "job_timeout_seconds": 60}
        self.warehouse_block = SimpleNamespace(**said)
        prices = {"usd_per_million_in": 0.0, "usd_per_million_out": 0.0}
        self.model_block = SimpleNamespace(model="scripted", **prices)

    def model_named(self, _name: str) -> ScriptedModel:
        """Return the one model."""
        return self.model

    async def policy_now(self) -> Policy:
        """Return today's policy."""
        return self.policy


def policy(**approvals: Any) -> Policy:
    """Return a policy over the one dataset."""
    return Policy.model_validate({"allowed_datasets": ["p.shop"], "approvals": approvals})


class Arena:
    """One ledger, one warehouse, and the runs on them."""

    def __init__(self, rules: Policy | None = None) -> None:
        self.env = Env(rules or policy(), Warehouse([TABLE], page(100.0), bytes_read=5 * MIB))
        self.count = 0

    async def parent(self, *script: Any) -> Run:
        """Return a run that was approved by ana and answered; it may wait for a word on its follow-up."""
        self.env.model = ScriptedModel(PLAN_FIRST, PLAN, *(script or (LATER,)), ANSWER)
        first = RunReceived(
            question="What is the revenue?", requester="ana", via="test", request_key="k", code_version="0"
        )
        run = await self.go(first)
        self.decide(run)
        return await self.on(run)

    async def go(self, first: RunReceived) -> Run:
        """Begin a run and let it go as far as it can alone."""
        journal, _ = begin(self.env.ledger, identity.run_id(first.requester, first.request_key), first)
        return await self.on(Run(self.env, journal))  # type: ignore[arg-type]

    async def on(self, run: Run) -> Run:
        """Let a run go on until it ends or waits for a person."""
        run.journal.refresh()
        while not isinstance(step := next_step(run.state), (Done, AwaitDecision, AwaitFollowUp)):
            await analysis.advance(run, step, 0)
        series_runs.conclude(run)
        return run

    def decide(self, run: Run, verdict: str = "approve", by: str = "ana") -> None:
        """Decide about the open request as a person of this machine."""
        plan = run.state.plan
        assert plan is not None and plan.request is not None
        who = Identity(by, How.LOCAL_USER)
        deciding.decide(run.journal, decision_by(who, plan.request.request_id, plan.digest, verdict, "test"))

    def accept(self, run: Run, by: str = "ana", **terms: Any) -> Series:
        """Accept the follow-up that waits, as ana."""
        series = run.state.series[-1].id
        who = Identity(by, How.LOCAL_USER)
        following_up.accept(run.journal, series, who, "test", following_up.Terms(**terms))
        return self.series(run, series)

    def series(self, run: Run, series: str = "") -> Series:
        """Return the follow-up as the parent's chain has it now."""
        state = Journal.open(self.env.ledger, run.id).state
        found = state.series_of(series or state.series[-1].id)
        assert found is not None
        return found

    async def due(self, parent: Run, answer: Any = ANSWER, *, days: float = 1) -> Run:
        """Move the clock, and let the series' next run go as far as it can."""
        self.env.ledger.advance(days * 86_400)
        self.count += 1
        self.env.model = ScriptedModel(*([answer] if answer else []))
        series, now = self.series(parent), self.env.ledger.now()
        first = series_runs.receive(self.env, parent.id, series.id, now, f"flow-{self.count}")  # type: ignore[arg-type]
        return await self.go(first)

    async def why_not(self, parent: Run, due: datetime) -> str:
        """Return why nothing would run for this time."""
        first = series_runs.receive(self.env, parent.id, self.series(parent).id, due, "flow-x")  # type: ignore[arg-type]
        assert first.follow_up is not None
        return await series_runs.not_due(self.env, first.follow_up)  # type: ignore[arg-type]


PLAN_FIRST = ("describe_table", {"table": ORDERS})


def waits(run: Run) -> bool:
    """Say whether the run waits for an approval."""
    return run.state.phase is Phase.AWAITING_APPROVAL


def nothing_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run of a series is the newest one that was due."""

    async def none(*_: object) -> str:
        return ""

    monkeypatch.setattr("tasks.series_runs.newest_due", none)


def without_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call the functions behind all tasks; artifacts and schedules are nobody's here."""
    for module in [m for n, m in sys.modules.items() if n.startswith("tasks.") and isinstance(m, ModuleType)]:
        for name, value in vars(module).copy().items():
            if isinstance(value, Task):
                monkeypatch.setattr(module, name, value.fn)

    async def schedule(_place: Any, run: Run) -> dict[str, str]:
        series = run.state.series[_place.seq].id
        made = FollowUpScheduled(series=series, deployment=f"follow-up/{series}", deployment_id="d")
        return made.model_dump(exclude={"kind"})

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr("tasks.follow_ups.create_schedule", schedule)
    monkeypatch.setattr("tasks.series_runs.pause_schedule", nothing)

    async def naps(run: Run, seconds: float) -> None:
        run.env.ledger.advance(seconds)
        run.journal.refresh()

    monkeypatch.setattr("tasks.publishing.publish", nothing)
    monkeypatch.setattr("tasks.retries.sleep", naps)
    monkeypatch.setattr(Run, "gate_over", lambda _run, catalog, rules: shared_gate(catalog, rules))


_GATES: dict[tuple[str, str], KeptGate] = {}


def shared_gate(catalog: Catalog, rules: Policy) -> Any:
    """Return the real gate; its child is kept for the next test that needs one over the same schemas and policy."""
    key = (catalog.fingerprint, rules.fingerprint)
    if key not in _GATES:
        gate = open_gate(catalog, rules)
        _GATES[key] = KeptGate(rule=gate.rule, start=gate.start, catalog=catalog, policy=rules)
    return _GATES[key]


class KeptGate(SimpleNamespace):
    """A gate whose child outlives the `with` of whoever uses it."""

    def __enter__(self) -> KeptGate:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def renamed(column: str) -> Table:
    """Return the table with a column more: its schema is another one."""
    return Table(id=ORDERS, columns=(*COLUMNS, Column(name=column, type="STRING")), rows=1_000)


def in_days(run: Run, days: float) -> datetime:
    """Return a moment from now, by the ledger's clock."""
    return run.env.ledger.now() + timedelta(days=days)


ANA = identities.Identity("ana", How.LOCAL_USER)
CATALOG = Catalog(tables=(TABLE,))
