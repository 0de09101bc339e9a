"""F13: plans of several queries: in order or side by side, partly finished, and tried again."""

from __future__ import annotations

import pytest

from bq_copilot import operating
from bq_copilot.errors import Refused
from bq_copilot.journal import Journal
from bq_copilot.parts import parts
from bq_copilot.phases import Phase
from bq_copilot.values import Failure
from tests.cancel.play import ANSWER, DESCRIBE, Play, plan_of, play_of

WHY = Failure(code="quotaExceeded", message="Quota exceeded for bytes scanned")


def job(query: str, revision: int = 1, attempt: int = 1) -> str:
    """Return the id of a job of the run."""
    return f"bqc-r-play-{query}-v{revision}-a{attempt}"


async def stopped_at_q2(monkeypatch: pytest.MonkeyPatch, *, side_by_side: bool = False) -> Play:
    """A run of three queries whose second one met a quota."""
    play = play_of(monkeypatch, DESCRIBE, plan_of("q1", "q2", "q3", side_by_side=side_by_side), ANSWER)
    play.works.hold = False
    play.works.ends = {"q2": WHY}
    await play.process()
    play.approve()
    await play.process()
    return play


def retry(play: Play) -> None:
    """Ask to try the rest again."""
    operating.retry(Journal.open(play.env.ledger, play.run_id), "ana", "test")


async def test_F13_in_order_the_rest_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finished is readable, what failed says why, what follows was never sent; each with its bytes."""
    play = await stopped_at_q2(monkeypatch)
    assert (play.phase, play.said) == (
        Phase.PARTIAL,
        "partial: 1 of 3 queries finished (20.0 MiB billed); q2 failed: Quota exceeded for bytes scanned; "
        "q3 did not run",
    )
    found = [(p.query, p.state, p.attempts, p.bytes_billed, p.safe_to_retry, p.advice) for p in parts(play.state)]
    assert found == [
        ("q1", "finished", 1, 10 * 2**20, False, "it is not run again"),
        ("q2", "failed", 1, 10 * 2**20, True, "safe, once the quota is there again"),
        ("q3", "not_run", 0, 0, True, "it runs for the first time"),
    ]
    assert set(play.works.executions) == {job("q1"), job("q2")}
    assert play.state.results["q1"].row_count == 2


async def test_F13_side_by_side_the_others_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are sent before the first one is waited for; the failure of one stops none."""
    play = await stopped_at_q2(monkeypatch, side_by_side=True)
    order = [
        e.event.kind for e in play.env.ledger.read(play.run_id) if e.event.kind in {"job_submitted", "job_finished"}
    ]
    assert order == ["job_submitted"] * 3 + ["job_finished"] * 3
    assert (play.phase, [p.state for p in parts(play.state)]) == (Phase.PARTIAL, ["finished", "failed", "finished"])


async def test_F13_a_retry_runs_only_the_rest_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new attempt for what failed, a first one for what did not run; the finished result is not computed again."""
    play = await stopped_at_q2(monkeypatch)
    play.works.ends = {}
    retry(play)
    assert await play.process() == "ended"
    assert play.phase is Phase.COMPLETED
    assert play.works.executions == {job("q1"): 1, job("q2"): 1, job("q2", attempt=2): 1, job("q3"): 1}
    assert len(play.events("approval_requested")) == len(play.events("approval_decided")) == 1
    assert len(play.events("approval_consumed")) == 2
    assert play.verified()


async def test_F13_a_retry_that_dies_anywhere_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each of its events: nothing runs twice."""
    play = await stopped_at_q2(monkeypatch)
    play.works.ends = {}
    retry(play)
    seen: set[int] = set()

    def dies(_event) -> bool:
        fresh = play.state.seq not in seen
        seen.add(play.state.seq)
        return fresh

    play.die_after = dies
    for _ in range(60):
        if await play.process() == "ended":
            break
    assert play.phase is Phase.COMPLETED
    assert set(play.works.executions.values()) == {1}


async def test_F13_changed_facts_are_asked_about_and_about_the_rest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes void the approval; the new request has the unfinished queries; the kept result is in the answer."""
    play = await stopped_at_q2(monkeypatch)
    play.works.ends, play.works._bytes = {}, 6_000_000
    retry(play)
    assert await play.process() == "slept"
    plan = play.state.plan
    assert plan is not None
    assert plan.request is not None
    assert [q.id for q in plan.request.queries] == ["q2", "q3"]
    assert play.phase is Phase.AWAITING_APPROVAL
    play.approve()
    await play.process()
    assert play.phase is Phase.COMPLETED
    assert play.works.executions[job("q1")] == 1
    assert {job("q2", 2), job("q3", 2)} <= set(play.works.executions)
    assert set(play.state.results) == {"q1", "q2", "q3"}


async def test_F13_a_retry_that_fails_again_is_partial_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And may be tried a third time, under a third attempt."""
    play = await stopped_at_q2(monkeypatch)
    retry(play)
    await play.process()
    assert play.phase is Phase.PARTIAL
    assert [p.bytes_billed for p in parts(play.state)][1] == 20 * 2**20
    play.works.ends = {}
    retry(play)
    await play.process()
    assert play.phase is Phase.COMPLETED
    assert job("q2", attempt=3) in play.works.executions


async def test_F13_a_cancelled_run_of_several_keeps_what_had_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job that lives is stopped, tables are removed, the stored page of the first query stays readable."""
    play = play_of(monkeypatch, DESCRIBE, plan_of("q1", "q2"), ANSWER)
    await play.process()
    play.approve()
    play.works.on_look = lambda job_id: (
        play.works.finish(job_id) if "q1" in job_id and job_id in play.works.live else None
    )
    play.die_after = lambda e: e.kind == "job_submitted" and e.query == "q2"
    assert await play.process() == "died"
    play.die_after = lambda _e: False
    play.cancel()
    await play.process()
    assert (play.phase, play.said) == (Phase.CANCELLED, "cancelled by ana (billed 20.0 MiB)")
    assert (play.works.live, play.works.made) == ([], set())
    assert play.state.results["q1"].row_count == 2
    assert [e.target.rsplit(".", 1)[1] for e in play.events("undo_done")] == [
        "r_play_q2_v1_a1",
        "r_play_q1_v1_a1",
    ]


async def test_a_run_that_is_not_partly_done_has_nothing_to_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting, completed or cancelled: refused."""
    play = play_of(monkeypatch)
    play.works.hold = False
    for _ in range(2):
        await play.process()
        with pytest.raises(Refused, match="none of its approved queries"):
            retry(play)
        if play.phase is Phase.AWAITING_APPROVAL:
            play.approve()


async def test_the_sql_at_fault_goes_back_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """One query, and its error is in the text: the model gets it and may propose another plan."""
    play = play_of(monkeypatch, DESCRIBE, plan_of("q1"), plan_of("q1"), ANSWER)
    play.works.hold = False
    play.works.ends = {"v1": Failure(code="invalidQuery", message="Division by zero")}
    await play.process()
    play.approve()
    assert await play.process() == "slept"
    assert play.phase is Phase.AWAITING_APPROVAL
    assert play.state.plan is not None and play.state.plan.revision == 2
