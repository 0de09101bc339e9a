"""Races between processes on SQLite: one use, one decision, and every loser is told who won."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

from bq_copilot import deciding, receipts
from bq_copilot.errors import CopilotError
from bq_copilot.identities import How, Identity
from bq_copilot.journal import Journal
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.testing import MemoryLedger
from tests.approvals.crowd import SECONDS, copied, together, told
from tests.approvals.stage import Stage

RUNS = 200
NOW = datetime.now(UTC)


def test_fifty_processes_use_one_approval_once(memory_folder: Path):
    """One wins; the other forty-nine learn that it was used, and when."""
    stage = Stage(sandbox=True, ledger=SqlLedger(f"sqlite:///{memory_folder / 'ledger.db'}"))
    stage.decide(Identity("ben", How.LOCAL_USER))
    digest = stage.reload().plan.digest

    def use(_number: int, ledger: SqlLedger, _barrier: Barrier) -> str:
        deciding.consume(Journal.open(ledger, "r-stage"), "r-stage.1", digest)
        return "used"

    found = Counter(said if said == "used" else said[0] for said in together(50, use, stage.ledger.url))  # type: ignore[attr-defined]
    assert found == {"used": 1, "consumed_before": 49}
    kinds = [one.event.kind for one in stage.ledger.read("r-stage")]
    assert kinds.count("approval_consumed") == 1


def test_of_two_hundred_contested_requests_each_is_decided_once(memory_folder: Path):
    """Two processes approve, or one approves and one rejects: one decision each, the loser knows whose and when."""
    memory = MemoryLedger(start=NOW)
    stages = [Stage(sandbox=True, ledger=memory, run_id=f"r-{i}") for i in range(RUNS)]
    url = copied(memory, memory_folder / "ledger.db", [s.state.run_id for s in stages])

    def work(number: int, ledger: SqlLedger, barrier: Barrier) -> list[tuple[str, ...]]:
        who = Identity(f"person{number}", How.LOCAL_USER)
        said: list[tuple[str, ...]] = []
        for i, stage in enumerate(stages):
            if i % 10 == 0:
                barrier.wait(SECONDS)
            said.append(_tried(stage, ledger, who, "reject" if number and i % 2 else "approve"))
        return said

    one, other = together(2, work, url)
    ledger = SqlLedger(url)
    for i, stage in enumerate(stages):
        _check(ledger, stage.state.run_id, [one[i], other[i]])


def _tried(stage: Stage, ledger: SqlLedger, who: Identity, verdict: str) -> tuple[str, ...]:
    try:
        deciding.decide(Journal.open(ledger, stage.state.run_id), stage.decision(who, verdict))
    except CopilotError as error:
        return told(error)
    return ("won", who.name, verdict)


def _check(ledger: SqlLedger, run_id: str, said: list[tuple[str, ...]]) -> None:
    """One decision; the other attempt was told about it, and is on record; the receipts verify."""
    events = ledger.read(run_id)
    decided = [one for one in events if one.event.kind == "approval_decided"]
    refused = [one.event.failure.code for one in events if one.event.kind == "decision_refused"]
    assert len(decided) == 1 and refused == ["decided_before"]
    decision = decided[0].event.decision  # type: ignore[union-attr]
    lost = ("decided_before", decision.by, decision.verdict, str(decided[0].at))
    assert sorted(said) == sorted([("won", decision.by, decision.verdict), lost])
    assert receipts.verify(ledger.rows(run_id)) is not None
