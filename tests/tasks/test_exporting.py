"""A result becomes a table that expires: once, under its job id, where the policy of the day lets it, on the record."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bq_copilot import table_export
from bq_copilot.errors import Refused
from bq_copilot.events import RunReceived
from bq_copilot.phases import Phase
from bq_copilot.policy import Exports, Policy
from bq_copilot.receipts import verify
from bq_copilot.replaying import replay
from bq_copilot.testing import ScriptedModel
from tasks.run import Run
from tests.follow_ups.arena import ANSWER, PLAN, PLAN_FIRST, Arena, policy, without_prefect

OPEN = Exports(datasets=("memory.out*",), days=10)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    without_prefect(monkeypatch)


async def answered(rules: Policy | None = None) -> tuple[Arena, Run]:
    """Return a completed run, and the arena whose policy lets results out."""
    arena = Arena(rules or policy().model_copy(update={"exports": OPEN}))
    arena.env.model = ScriptedModel(PLAN_FIRST, PLAN, ANSWER)
    first = RunReceived(question="What is the revenue?", requester="ana", via="test", request_key="k", code_version="0")
    run = await arena.go(first)
    arena.decide(run)
    run = await arena.on(run)
    assert run.state.phase is Phase.COMPLETED
    return arena, run


def wanted(run: Run, table: str = "outbox.revenue", days: float = 2) -> None:
    run.journal.refresh()
    table_export.request(run.journal, table, days, "", "bob", "test")


def jobs(arena: Arena) -> dict[str, int]:
    return {k: n for k, n in arena.env.warehouse.executions.items() if "-export-" in k}


async def test_a_result_is_copied_once_with_expiration_and_labels_and_the_run_ends_as_it_had() -> None:
    """Asked, intended, done stand in the chain; the statement names source, target, expiration, labels."""
    arena, run = await answered()
    wanted(run)
    await arena.on(run)
    found = table_export.view(run.state)
    assert (run.state.phase, found["table"]) == (Phase.COMPLETED, "memory.outbox.revenue")
    assert list(jobs(arena).values()) == [1]
    rows = arena.env.ledger.rows(run.id)
    assert [r.kind for r in rows][-4:] == ["export_requested", "export_intended", "export_done", "run_ended"]
    verify(rows)
    sql = run.state.exports[0].intended.sql  # type: ignore[union-attr]
    assert re.fullmatch(
        r"CREATE TABLE `memory\.outbox\.revenue` OPTIONS\(expiration_timestamp = TIMESTAMP \"[0-9 :+-]+\", labels ="
        r" \[\(\"app\", \"bq-copilot\"\), \(\"run\", \"r-\w+\"\)\]\) AS SELECT \* FROM `memory\.scratch\.r_\w+`",
        sql,
    )
    done = replay(run.id, arena.env.ledger.read(run.id), arena.env.shelf)
    assert str(done.difference or "") == ""


@pytest.mark.parametrize(
    ("table", "days", "rules", "code", "hint"),
    [
        ("outbox.revenue", 2, policy(), "export_not_allowed", "exports.datasets"),
        ("other.revenue", 2, None, "export_not_allowed", "memory.other"),
        ("outbox.revenue", 11, None, "expires_too_late", "--days 10"),
    ],
)
async def test_what_policy_does_not_let_out_stays_and_the_answer_too(
    table: str, days: float, rules: Policy | None, code: str, hint: str
) -> None:
    """Nothing is sent; the refusal is recorded and says what to do; the run is still completed."""
    arena, run = await answered(rules)
    wanted(run, table, days)
    await arena.on(run)
    with pytest.raises(Refused) as refused:
        table_export.view(run.state)
    assert refused.value.code == code
    assert hint in refused.value.next
    assert jobs(arena) == {}
    assert run.state.phase is Phase.COMPLETED


async def test_a_process_that_takes_over_finds_the_job_and_sends_none() -> None:
    """The first one died after the warehouse had taken the job: executed once, done once."""
    arena, run = await answered()
    wanted(run)
    answer = arena.env.warehouse.job

    class Died(BaseException):
        pass

    def dies(_job: str) -> Any:
        raise Died

    arena.env.warehouse.job = dies  # type: ignore[method-assign]
    with pytest.raises(Died):
        await arena.on(run)
    arena.env.warehouse.job = answer  # type: ignore[method-assign]
    await arena.on(Run(arena.env, run.journal))  # type: ignore[arg-type]
    assert list(jobs(arena).values()) == [1]
    assert len(run.journal.state.exports) == 1
    assert table_export.view(run.journal.state)["bytes_billed"] > 0


async def test_a_table_that_is_there_is_not_replaced() -> None:
    """What the warehouse refuses is the export's outcome, with a way on."""
    arena, run = await answered()

    def refuses(_spec: Any) -> Any:
        raise Refused("Already Exists: Table memory.outbox.revenue", code="duplicate")

    arena.env.warehouse.insert = refuses  # type: ignore[method-assign]
    wanted(run)
    await arena.on(run)
    with pytest.raises(Refused, match="Already Exists") as refused:
        table_export.view(run.state)
    assert refused.value.next


@pytest.mark.parametrize("name", ["a b", "x.y.z.w", "t`; DROP TABLE x", "", "P.d.t"])
async def test_a_name_that_is_none_is_refused_before_anything_is_recorded(name: str) -> None:
    """The statement is made of names that are checked."""
    _, run = await answered()
    before = run.state.seq
    with pytest.raises(Refused, match="no name of a table"):
        wanted(run, name)
    assert run.state.seq == before
