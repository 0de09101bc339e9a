"""A series under a moving clock: what runs alone under a grant, what asks again, what is reused, what is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bq_copilot import deciding, following_up
from bq_copilot import events as ev
from bq_copilot.errors import Conflict, Damaged, Refused
from bq_copilot.journal import Journal
from bq_copilot.phases import Phase
from bq_copilot.receipts import verify
from bq_copilot.verifying import check_run
from tasks import series_runs
from tests.follow_ups.arena import (
    ANA,
    ANSWER,
    LATER,
    MIB,
    Arena,
    in_days,
    nothing_due,
    policy,
    renamed,
    waits,
    without_prefect,
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Prefect server is there; nothing is due later."""
    without_prefect(monkeypatch)
    nothing_due(monkeypatch)


def other(value: str) -> object:
    """Return an answer with another figure."""
    return ("write_answer", {**ANSWER[1], "summary": f"It is {value}.", "citations": []})


async def test_an_answered_run_waits_for_a_word_on_its_follow_up_and_then_completes():
    """The answer is there before anybody decides; accepting schedules, and the run ends."""
    arena = Arena()
    run = await arena.parent()
    assert run.state.phase is Phase.AWAITING_FOLLOW_UP and run.state.answer is not None
    series = arena.accept(run)
    await arena.on(run)
    assert run.state.phase is Phase.COMPLETED
    assert arena.series(run).scheduled is not None and series.accepted is not None
    assert series.accepted.rhythm.cron == "0 8 * * *"


async def test_a_follow_up_that_nobody_wants_lapses_and_the_run_completes():
    """An expiry costs the schedule, not the answer."""
    arena = Arena(policy(expire_after_seconds=60))
    run = await arena.parent()
    arena.env.ledger.advance(61)
    deciding.expire(run.journal)
    await arena.on(run)
    assert run.state.phase is Phase.COMPLETED
    assert arena.series(run).stands(arena.env.ledger.now()) == "declined"


async def test_a_cancel_after_the_answer_declines_the_follow_up():
    """What was answered stays answered; there is nothing else left to stop."""
    arena = Arena()
    run = await arena.parent()
    deciding.cancel(run.journal, "ana", "test")
    await arena.on(run)
    assert run.state.phase is Phase.COMPLETED
    assert arena.series(run).stands(arena.env.ledger.now()) == "declined"


async def test_a_follow_up_inherits_no_approval():
    """Without a grant each run asks, and nothing is sent before somebody approves."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run)
    await arena.on(run)
    jobs = len(arena.env.warehouse.jobs)
    again = await arena.due(run)
    assert waits(again) and len(arena.env.warehouse.jobs) == jobs


async def test_a_run_inside_the_grant_asks_nobody_and_leaves_a_receipt():
    """The use stands in the parent's chain, the grant in the run's own, and both verify."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.revenue(100.0)
    again = await arena.due(run)
    assert again.state.phase is Phase.COMPLETED
    series = arena.series(run)
    assert [u.run for u in series.uses] == [again.id] and series.spent == again.state.bytes_billed
    for one in (run, again):
        rows = arena.env.ledger.rows(one.id)
        assert check_run(one.id, rows, arena.env.shelf, None).rows == len(rows)


async def test_the_accepted_sql_is_reused_without_asking_the_model_for_a_plan():
    """The model is asked once, for the answer."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    again = await arena.due(run)
    assert len(arena.env.model.requests) == 1
    assert again.state.plan is not None and run.state.plan is not None
    assert again.state.plan.queries == run.state.plan.queries


async def test_a_result_whose_tables_did_not_change_is_not_computed_again():
    """No job, no bytes; the figure cites the job that computed it."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    again = await arena.due(run)
    assert not again.state.jobs and again.state.bytes_billed == 0
    assert again.state.results["q1"].job_id == run.state.results["q1"].job_id
    assert arena.series(run).ran[-1].reused


async def test_a_result_whose_table_changed_is_computed_again():
    """A later modification than the job's own time makes the old result worthless."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.revenue(130.0)
    again = await arena.due(run, other("130"))
    assert again.state.jobs and again.state.results["q1"].job_id != run.state.results["q1"].job_id


async def test_a_drifted_schema_asks_again_and_says_why():
    """The grant was for the table as it was."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.put(renamed("channel"))
    again = await arena.due(run)
    assert waits(again) and not arena.series(run).uses
    assert again.state.plan and again.state.plan.request
    assert "schema of p.shop.orders changed" in again.state.plan.request.asked_because


async def test_a_person_may_approve_what_drifted():
    """Outside the grant it is an ordinary approval."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.put(renamed("channel"))
    again = await arena.due(run)
    arena.decide(again)
    await arena.on(again)
    assert again.state.phase is Phase.COMPLETED and not arena.series(run).ran[-1].granted


async def test_more_bytes_than_granted_ask_again():
    """The ceiling is a run's `maximum_bytes_billed`."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.reads(11 * MIB)
    again = await arena.due(run)
    assert waits(again)
    assert again.state.plan and again.state.plan.request
    assert "the grant allows 10,485,760 a run" in again.state.plan.request.asked_because


async def test_another_policy_asks_again():
    """Whatever changed in it: the grant was given under the old one."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.policy = policy(expire_after_seconds=5_000)
    assert waits(await arena.due(run))


async def test_a_grant_that_is_used_up_asks_again():
    """Three runs' worth of bytes are three runs."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True, bytes_total=20 * MIB)
    await arena.on(run)
    outcomes = []
    for turn in range(3):
        arena.env.warehouse.revenue(100.0, at_ms=3_000 + turn)
        outcomes.append(waits(await arena.due(run)))
    assert outcomes == [False, False, True]


async def test_a_grant_ends_at_its_end():
    """One day after it every run asks, though the series goes on."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True, grant_until=in_days(run, 2))
    await arena.on(run)
    assert not waits(await arena.due(run))
    assert waits(await arena.due(run, days=2))


async def test_nobody_uses_a_grant_of_a_stopped_series():
    """The stop wins over a run that has begun."""
    arena = Arena()
    run = await arena.parent()
    series = arena.accept(run, grant=True)
    await arena.on(run)
    following_up.stop(run.journal, series.id, "ana", "test")
    assert waits(await arena.due(run))


async def test_two_runs_cannot_both_take_the_last_of_a_grant():
    """The use is a compare-and-set in the parent's chain."""
    arena = Arena()
    run = await arena.parent()
    series = arena.accept(run, grant=True, bytes_total=10 * MIB)
    await arena.on(run)
    one, two = Journal.open(arena.env.ledger, run.id), Journal.open(arena.env.ledger, run.id)
    use = ev.GrantUsed(series=series.id, run="r-1", request_id="r-1.1", bytes_reserved=10 * MIB)
    one.append(use)
    with pytest.raises(Conflict):
        two.append(use.model_copy(update={"run": "r-2"}))
    with pytest.raises(Refused, match="0 bytes of the grant are left"):
        two.append(use.model_copy(update={"run": "r-2"}))


async def test_the_requester_may_not_grant_above_tier_1():
    """A standing grant is an approval: the same people may give it."""
    arena = Arena(policy(tiers=[{"tier": 2, "always": True}], trust_local_user=True))
    arena.decide = lambda run, verdict="approve", by="ben": Arena.decide(arena, run, verdict, by)  # type: ignore[method-assign]
    run = await arena.parent()
    with pytest.raises(Refused, match="asked the question"):
        arena.accept(run, grant=True)
    assert arena.accept(run, by="ben", grant=True).grant is not None


async def test_no_grant_is_offered_where_several_must_approve():
    """One person's standing word is not two people's."""
    rules = policy(tiers=[{"tier": 3, "always": True, "approvers": 2}], trust_local_user=True)
    arena = Arena(rules)
    arena.decide = lambda run, verdict="approve", by="": [Arena.decide(arena, run, verdict, n) for n in ("ben", "cora")]  # type: ignore[method-assign]
    run = await arena.parent()
    with pytest.raises(Refused, match="No standing grant"):
        arena.accept(run, by="ben", grant=True)


async def test_a_forged_use_of_a_grant_is_damage(monkeypatch: pytest.MonkeyPatch):
    """A process that claims the grant for another request cannot consume the approval."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.put(renamed("channel"))
    monkeypatch.setattr("bq_copilot.grants.outside", lambda *_: ())
    monkeypatch.setattr(series_runs.grants, "outside", lambda *_: ())
    again = await arena.due(run, None)
    monkeypatch.undo()
    plan = again.state.plan
    assert plan is not None and plan.claim is not None
    from bq_copilot import permission

    with pytest.raises(Damaged, match="outside of it"):
        permission.recheck(plan)


async def test_F27_a_follow_up_whose_table_is_gone_fails_by_itself():
    """It says which table, nothing is executed, and the parent's answer stands."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    arena.env.warehouse.put(None)
    again = await arena.due(run)
    assert again.state.phase is Phase.FAILED
    assert again.state.failure and again.state.failure.code == "table_gone"
    assert "p.shop.orders" in again.state.failure.message
    assert run.state.answer is not None and arena.series(run).ran[-1].outcome == "failed"


async def test_only_changes_by_more_than_the_condition_are_told():
    """The figure is compared with the newest before it."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True, percent=5.0)
    await arena.on(run)
    for turn, value in enumerate((104.0, 104.0, 120.0)):
        arena.env.warehouse.revenue(value, at_ms=3_000 + turn)
        await arena.due(run, other(f"{value:g}"))
    assert [(r.figure, r.told) for r in arena.series(run).ran] == [(104.0, False), (104.0, False), (120.0, True)]
    assert arena.series(run).ran[-1].change_percent == pytest.approx(15.3846)


async def test_missed_times_are_made_up_for_once(monkeypatch: pytest.MonkeyPatch):
    """All but the newest are skipped, and that is recorded once."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    missed = arena.env.ledger.now()
    arena.env.ledger.advance(3 * 86_400)

    async def later(due: str, now: str) -> str:
        return now

    monkeypatch.setattr(series_runs, "newest_due", later)
    for _ in range(2):
        assert "makes up for it" in await arena.why_not(run, missed)
    assert [(r.outcome, r.due) for r in arena.series(run).ran] == [("skipped", missed)]


async def test_nothing_runs_after_the_series_has_ended():
    """The first time after its end stops it."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, until=in_days(run, 1))
    await arena.on(run)
    arena.env.ledger.advance(2 * 86_400)
    assert await arena.why_not(run, arena.env.ledger.now()) == "the series has ended"
    assert arena.series(run).stopped is not None


async def test_a_follow_up_proposes_no_other_one():
    """The tool is not offered, so a call of it is refused."""
    arena = Arena()
    run = await arena.parent()
    arena.accept(run, grant=True)
    await arena.on(run)
    again = await arena.due(run, LATER)
    assert not again.state.follow_ups
    codes = [t.answered.code for t in again.state.turns if t.answered and t.answered.tool == "schedule_follow_up"]
    assert codes == ["tool_not_allowed"]


async def test_words_that_do_not_say_when_go_back_to_the_model():
    """It is told how to say it, and may try again."""
    arena = Arena()
    run = await arena.parent(("schedule_follow_up", {"when": "soon", "question": "again?"}), LATER)
    assert [f.when for f in run.state.follow_ups] == ["every day at 08:00"]


async def test_a_person_may_add_a_follow_up_to_a_run_that_has_ended():
    """It is proposed, accepted and scheduled in the chain of the ended run, which still verifies."""
    arena = Arena()
    run = await arena.parent(PROFILELESS)
    assert run.state.phase is Phase.COMPLETED
    series = following_up.add(run.journal, "every Monday", "", "ana", 600)
    following_up.accept(run.journal, series, ANA, "test")
    assert arena.series(run).accepted is not None
    assert run.journal.state.phase is Phase.COMPLETED
    assert verify(arena.env.ledger.rows(run.id)) is not None


async def test_who_decides_second_is_told_who_was_first():
    """Two people, one decision."""
    arena = Arena()
    run = await arena.parent()
    series = arena.accept(run)
    with pytest.raises(Conflict, match="ana decided it before: accept"):
        following_up.decline(run.journal, series.id, ANA, "test")


async def test_an_end_in_the_past_is_refused():
    """A follow-up that could never run is not accepted."""
    arena = Arena()
    run = await arena.parent()
    with pytest.raises(Refused, match="is over"):
        arena.accept(run, until=arena.env.ledger.now() - timedelta(days=1))


PROFILELESS = ("list_tables", {"search": "orders"})
"""Any call but a follow-up; it is not offered while answering, and goes back to the model."""
