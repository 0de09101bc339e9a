"""Budgets: reserved before a step, settled by its outcome, spent with a reason of their own."""

from __future__ import annotations

import pytest

from bq_copilot import budgets
from bq_copilot.events import RunReceived
from bq_copilot.journal import begin
from bq_copilot.phases import Phase
from bq_copilot.testing import MemoryLedger
from bq_copilot.values import Usage
from tests.cancel.play import Play, play_of, quick
from tests.cancel.works import MIB

MOST = 20 * MIB


async def executed(monkeypatch: pytest.MonkeyPatch, **more: object) -> Play:
    """A run that was approved and performed as far as it gets."""
    play = play_of(monkeypatch, **more)
    play.works.hold = False
    await play.process()
    if play.phase is Phase.AWAITING_APPROVAL:
        play.approve()
        await play.process()
    return play


async def test_an_intent_reserves_and_its_outcome_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the job lives, the most that it may bill is held; afterwards what it billed is spent."""
    play = play_of(monkeypatch)
    await play.process()
    play.approve()
    play.die_after = lambda e: e.kind == "job_submitted"
    await play.process()
    day = budgets.day_of(play.state)
    gone, held = play.env.ledger.spent("ana", day)
    assert (gone.bytes, held.bytes) == (0, play.state.jobs["q1"].intent.maximum_bytes_billed)
    play.die_after, play.works.hold = lambda _e: False, False
    await play.process()
    gone, held = play.env.ledger.spent("ana", day)
    assert (gone.bytes, held, gone.turns) == (10 * MIB, budgets.Spending(), 3)


async def test_a_turn_reserves_its_tokens_and_its_money(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the model is asked: the reservation stands until the reply settles it."""
    play = play_of(monkeypatch)
    play.die_after = lambda e: e.kind == "turn_requested"
    await play.process()
    (asked,) = play.events("turn_requested")
    held = budgets.reserved(play.state)
    assert (held.turns, held.tokens, held.usd) == (1, asked.prompt_bytes // 3 + 2_000, asked.reserved_usd)
    assert held.usd > 0
    play.die_after = lambda _e: False
    await play.process(until=lambda s: s.turns[0].taken is not None)
    assert budgets.reserved(play.state) == budgets.Spending()
    assert budgets.spent(play.state).tokens == 15


CASES = {
    "tokens": (
        {"budgets": {"tokens": 100}},
        "budget_tokens",
        "the run's budget of 100 tokens is spent (0 tokens ",
    ),
    "money": ({"budgets": {"money": 0.001}}, "budget_money", "the run's budget of less than $0.01 is spent ("),
    "turns": ({"budgets": {"turns": 1}}, "budget_turns", "the run's budget of 1 model turns is spent"),
    "turns a day": (
        {"daily": {"turns": 1}},
        "budget_turns_day",
        "ana's budget of 1 model turns a day is spent (1 model",
    ),
    "tokens a day": ({"daily": {"tokens": 50}}, "budget_tokens_day", "ana's budget of 50 tokens a day is spent (0 tok"),
    "money a day": (
        {"daily": {"money": 0.001}},
        "budget_money_day",
        "ana's budget of less than $0.01 a day is spent",
    ),
    "bytes": (
        {"limits": {"bytes_per_run": MIB}},
        "budget_bytes",
        "q1 failed: the run's budget of 1.0 MiB is spent (0 B used, 10.0 MiB needed next) (0 bytes billed)",
    ),
    "bytes a day": (
        {"limits": {"bytes_per_requester_day": MIB}},
        "budget_bytes_day",
        "q1 failed: ana's budget of 1.0 MiB a day is spent (0 B used, 10.0 MiB needed next) (0 bytes billed)",
    ),
    "bytes of everybody": (
        {"limits": {"bytes_per_day": MIB}},
        "budget_bytes_day",
        "q1 failed: the budget of 1.0 MiB a day is spent (0 B used, 10.0 MiB needed next) (0 bytes billed)",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_spent_budget_ends_the_run_with_its_own_reason(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Which budget, whose, how much it is, what was needed next; and nothing was sent on top of it."""
    rules, code, said = CASES[name]
    play = await executed(monkeypatch, rules=quick(**rules))
    failure = play.state.failure
    assert failure is not None
    assert (play.phase, failure.code) == (Phase.FAILED, code)
    assert play.said.startswith(said)
    assert play.works.jobs == {}
    assert "budget" in failure.next or "retry" in failure.next


async def test_a_run_that_takes_too_long_in_all_is_stopped_by_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall time: which clock, and the bytes."""
    play = play_of(monkeypatch, rules=quick(budgets={"wall_seconds": 3_600}))
    await play.process()
    play.approve()
    play.env.ledger.advance(3_601)
    await play.process()
    said = "timed out after 1 h in the whole run (run clock) (0 bytes billed)"
    assert (play.phase, play.said) == (Phase.FAILED, said)


async def test_two_runs_of_one_requester_share_their_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first one has reserved, the second one cannot spend; another requester can."""
    ledger, rules = MemoryLedger(), quick(limits={"bytes_per_requester_day": 15 * MIB})
    first = play_of(monkeypatch, ledger=ledger, rules=rules, run_id="r-first")
    await first.process()
    first.approve()
    first.die_after = lambda e: e.kind == "job_submitted"
    await first.process()
    second = await executed(monkeypatch, ledger=ledger, rules=rules, run_id="r-second")
    assert (second.state.failure and second.state.failure.code) == "budget_bytes_day"
    values = {"question": "How many?", "via": "test", "request_key": "k", "code_version": "0"}
    begin(ledger, "r-third", RunReceived(requester="ben", **values))
    third = await executed(monkeypatch, ledger=ledger, rules=rules, run_id="r-third")
    assert third.phase is Phase.COMPLETED


async def test_a_job_that_is_there_already_is_adopted_whatever_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spent is spent: a budget is no reason to leave a job alone that was sent."""
    play = play_of(monkeypatch)
    await play.process()
    play.approve()
    play.die_before = lambda e: e.kind == "job_submitted"
    await play.process()
    play.die_before, play.works.hold = lambda _e: False, False
    play.env.ledger._spending["r-other"] = (
        "ana",
        budgets.day_of(play.state),
        budgets.Spending(bytes=2**50),
        budgets.Spending(),
    )
    await play.process()
    assert len(play.events("job_adopted")) == 1
    assert play.state.results["q1"].row_count == 2


async def test_money_is_counted_as_the_provider_counted_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settled amount is the usage of the replies, not the reservation."""
    play = play_of(monkeypatch)
    reply = play.env.model.reply

    async def dear(*args):
        said = await reply(*args)
        return type(said)(said.text, said.call_id, said.call_name, said.call_arguments, said.model, Usage(usd=0.25))

    play.env.model.reply = dear
    await play.process()
    assert budgets.spent(play.state).usd == 0.5
