"""The real executor over doubles, without Prefect: a run is performed step by step, and its process can die anywhere.

Decides: what stands in for Prefect. A task is its own function, a form is a wait that ends the process, a sleep moves
the ledger's clock. Everything else (steps, transitions, tasks, waits, clocks, ledger) is the product's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prefect.exceptions import Abort
from prefect.tasks import Task

from bq_copilot import deciding, steps
from bq_copilot.circuits import Circuits
from bq_copilot.events import Event, RunReceived, RunStarted
from bq_copilot.gate.verdict import Facts
from bq_copilot.identities import How, Identity
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger import Ledger
from bq_copilot.phases import WAITING, Phase
from bq_copilot.policy import Policy
from bq_copilot.receipts import verify
from bq_copilot.state import RunState
from bq_copilot.testing import MemoryCircuits, MemoryLedger, ScriptedModel
from flows import analysis
from tasks import decisions, jobs, publishing, retries
from tasks.run import Run
from tests.approvals.stage import ORDERS, SHELF, policy, verdict
from tests.cancel.works import Works

SQL = f"SELECT region, COUNT(*) AS n FROM `{ORDERS}` GROUP BY region"
DESCRIBE = ("describe_table", {"table": ORDERS})
ASK = ("ask_user", {"question": "By region?", "options": ["yes", "no"]})
ANSWER = ("write_answer", {"summary": "It is 3.", "citations": [citation := {"query": "q1", "row": 0, "column": "n"}]})
citation["figure"] = "3"


def plan_of(*ids: str, side_by_side: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the model's call for a plan of these queries."""
    queries = [{"id": i, "purpose": f"count {i}", "sql": f"{SQL} -- {i}"} for i in ids]
    return "propose_plan", {"queries": queries, "rationale": "Counting.", "side_by_side": side_by_side}


USUAL = (DESCRIBE, plan_of("q1"), ANSWER)


class Died(BaseException):
    """The process is gone, between two instructions."""


class Slept(BaseException):
    """The process ended because only a person, or the recovery service, can make the run go on."""


@dataclass
class Blocks:
    """The settings of warehouse and model that a run looks at."""

    job_timeout_seconds: int = 600
    principal: str = "runner@p.iam"
    label: str = "p (sandbox)"
    is_sandbox: bool = True
    model: str = "scripted"
    usd_per_million_in: float = 2.0
    usd_per_million_out: float = 8.0


@dataclass
class Env:
    """The environment, over doubles or over the real thing."""

    ledger: Ledger
    warehouse: Any
    model: Any
    policy: Policy
    circuits: Circuits
    shelf: Any = SHELF
    local_user: str = "ana"
    warehouse_block: Blocks = field(default_factory=Blocks)
    model_block: Blocks = field(default_factory=Blocks)
    notes: None = None
    name: str = "default"
    embedder: None = None

    def model_named(self, name: str) -> Any:
        """There is one model, whatever it is called."""
        return self.model

    async def policy_now(self) -> Policy:
        """Return today's policy."""
        return self.policy


class Gate:
    """A gate that allows everything over the orders."""

    def __init__(self, catalog: Any, rules: Policy, table: str) -> None:
        self.catalog, self.policy, self._table = catalog, rules, table

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def start(self) -> None:
        """Nothing has to be started."""

    def rule(self, sql: str) -> Any:
        """Allow it."""
        facts = Facts(tables=(self._table,), columns=())
        return verdict(sql).model_copy(update={"facts": facts})


class ActedRun(Run):
    """A run whose gate needs no child process."""

    table = ORDERS

    def gate_over(self, catalog: Any, policy: Policy) -> Any:
        """Return the gate that allows."""
        return Gate(catalog, policy, self.table)


@dataclass
class Play:
    """One run and the processes that perform it, one after the other."""

    env: Env
    run_id: str = "r-play"
    alarms: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    told: list[str] = field(default_factory=list[str])
    """What Prefect's state message said."""
    die_before: Callable[[Event], bool] = lambda _event: False
    die_after: Callable[[Event], bool] = lambda _event: False
    processes: int = 0
    table: str = ORDERS
    """The table that every query reads."""
    question: str = "How many?"

    @property
    def works(self) -> Works:
        """The warehouse double."""
        return self.env.warehouse

    @property
    def state(self) -> RunState:
        """The run as the ledger has it."""
        return Journal.open(self.env.ledger, self.run_id).state

    @property
    def phase(self) -> Phase:
        """Where the run stands."""
        return self.state.phase

    @property
    def said(self) -> str:
        """Why the run ended, in its own words."""
        why = self.state.failure
        return why.message if why else ""

    def events(self, kind: str) -> list[Any]:
        """The run's events of one kind."""
        return [r.event for r in self.env.ledger.read(self.run_id) if r.event.kind == kind]

    def receive(self) -> None:
        """Record the question."""
        first = RunReceived(question=self.question, requester="ana", via="test", request_key="k", code_version="0")
        begin(self.env.ledger, self.run_id, first)

    async def process(self, *, until: Callable[[RunState], bool] = lambda _s: False) -> str:
        """Be one process: perform steps until the end, a wait, a death, or `until`; return which of them."""
        self.receive()
        journal = Journal.open(self.env.ledger, self.run_id)
        run = ActedRun(self.env, journal)  # type: ignore[arg-type]
        run.table = self.table
        self.processes += 1
        try:
            if journal.state.phase.is_terminal:
                return "ended"
            before = journal.state.started.attempt if journal.state.started else 0
            started = {"flow_run_id": "f", "host": "h", "reason": "started", "code_version": "0"}
            journal.append(RunStarted(attempt=before + 1, **started))
            self._mortal(journal)
            while not isinstance(step := steps.next_step(run.state), steps.Done):
                if until(run.state):
                    return "stopped"
                await analysis.advance(run, step, 0.0)
        except Died:
            return "died"
        except (Slept, Abort):
            return "slept"
        return "ended"

    def _mortal(self, journal: Journal) -> None:
        append = journal.append

        def mortal(event: Event) -> Any:
            if self.die_before(event):
                raise Died
            recorded = append(event)
            if self.die_after(event):
                raise Died
            return recorded

        journal.append = mortal  # type: ignore[method-assign]

    async def to(self, phase: Phase) -> None:
        """Perform until the run stands in this phase."""
        if phase is Phase.RECEIVED:
            self.receive()
            return
        await self.process(until=lambda s: s.phase is phase)
        if self.phase is Phase.AWAITING_APPROVAL and phase not in WAITING:
            self.approve()
            await self.process(until=lambda s: s.phase is phase)
        assert self.phase is phase, (self.phase, self.said)

    def approve(self) -> None:
        """Approve what is open."""
        journal = Journal.open(self.env.ledger, self.run_id)
        plan = journal.state.plan
        assert plan is not None and plan.request is not None
        who = Identity("ana", How.LOCAL_USER)
        deciding.decide(journal, deciding.decision_by(who, plan.request.request_id, plan.digest, "approve", "test"))

    def cancel(self, by: str = "ana", via: str = "cli") -> RunState:
        """Cancel as the client does: through the ledger alone."""
        return deciding.cancel(Journal.open(self.env.ledger, self.run_id), by, via)

    def verified(self) -> bool:
        """Receipts verify."""
        verify(self.env.ledger.rows(self.run_id))
        return True


def quick(**more: Any) -> Policy:
    """Return a policy under which one person approves, with these sections changed."""
    return Policy.model_validate({**policy().model_dump(), **more})


def play_of(monkeypatch: pytest.MonkeyPatch, *script: Any, rules: Policy | None = None, **more: Any) -> Play:
    """Return a run over doubles whose model says what the script says."""
    ledger = more.pop("ledger", None) or MemoryLedger()
    circuits = more.pop("circuits", None) or MemoryCircuits(ledger.now)
    model = more.pop("model", None) or ScriptedModel(*(script or USUAL))
    env = Env(ledger, more.pop("warehouse", None) or Works(), model, rules or quick(), circuits)
    made = Play(env, **more)
    _without_prefect(monkeypatch, made)
    return made


def _without_prefect(monkeypatch: pytest.MonkeyPatch, made: Play) -> None:
    async def sleeps(*_: Any, **__: Any) -> None:
        raise Slept

    async def passes(*_: Any, **__: Any) -> None:
        return None

    async def tells(message: str) -> None:
        made.told.append(message)

    async def naps(run: Run, seconds: float) -> None:
        if isinstance(run.env.ledger, MemoryLedger):
            run.env.ledger.advance(seconds)
        run.journal.refresh()

    monkeypatch.setattr(Task, "__call__", lambda self, *a, **k: self.fn(*a, **k))
    monkeypatch.setattr(decisions, "ask", sleeps)
    monkeypatch.setattr(decisions, "forget", passes)
    monkeypatch.setattr(decisions, "publish_card", passes)
    monkeypatch.setattr(publishing, "publish", passes)
    monkeypatch.setattr(retries, "rest", sleeps)
    monkeypatch.setattr(retries, "tell", tells)
    monkeypatch.setattr(retries, "sleep", naps)
    monkeypatch.setattr(retries, "emit_event", lambda **event: made.alarms.append(event))
    monkeypatch.setattr(jobs, "POLL_SECONDS", (0.0,) * 7)
