"""F10, F11, F12: the table of phases, who stops the run, and what is dead; the truth in each cell."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bq_copilot.events import CancelRequested, RunEnded
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import Phase
from bq_copilot.values import CLOCK, Failure
from tests.cancel.play import ANSWER, ASK, DESCRIBE, Play, plan_of, play_of

FREE = "cancelled by ana (0 bytes billed)"
PAID = "cancelled by ana (billed 10.0 MiB)"


@dataclass(frozen=True)
class Cell:
    """Where the run stands when it is cancelled, and what must be said then."""

    phase: str
    at_once: bool
    """True when the client alone ends it."""
    said: str


CELLS = {
    "queued": Cell("received", at_once=True, said=FREE),
    "clarifying": Cell("clarifying", at_once=True, said=FREE),
    "awaiting_answer": Cell("awaiting_answer", at_once=True, said=FREE),
    "inspecting": Cell("inspecting", at_once=True, said=FREE),
    "awaiting_approval": Cell("awaiting_approval", at_once=True, said=FREE),
    "approved": Cell("executing", at_once=True, said=FREE),
    "job_intended": Cell("executing", at_once=False, said=FREE),
    "job_running": Cell("executing", at_once=False, said=PAID),
    "job_done_unseen": Cell("executing", at_once=False, said="completed before cancel (billed 10.0 MiB)"),
    "answering": Cell("answering", at_once=False, said=PAID),
    "parked": Cell("parked", at_once=True, said=FREE),
    "parked_with_a_job": Cell("parked", at_once=False, said=PAID),
}

WAYS = {"person": ("ana", "cli"), "clock": ("x", CLOCK)}
"""By whom, in the ledger; the ways in which a person gets there are in `test_ways`."""

DEAD = ("nothing", "flow process", "warehouse", "everything")


async def stand(play: Play, name: str) -> None:
    """Bring the run to where the cell begins; no process is left then."""
    if name == "awaiting_answer":
        play.env.model._script.insert(0, ASK)
    if name == "job_intended":
        play.die_after = lambda e: e.kind == "job_intended"
    if name in {"job_running", "job_done_unseen", "parked_with_a_job"}:
        play.die_after = lambda e: e.kind == "job_submitted"
    play.works.hold = name != "answering"
    if name.startswith("parked"):
        await play.to(Phase.EXECUTING if name != "parked" else Phase.CLARIFYING)
        await play.process(until=lambda s: name == "parked" or (bool(s.live_jobs) and s.jobs["q1"].state != "INTENDED"))
        failure = Failure(code="x", message="x")
        Journal.open(play.env.ledger, play.run_id).append(RunEnded(phase="parked", failure=failure))
    else:
        await play.to(Phase(CELLS[name].phase))
        if CELLS[name].phase == "executing" and name != "approved":
            assert await play.process() == "died"
    if name == "job_done_unseen":
        play.works.finish(play.works.live[0])
    play.die_after = lambda _e: False


def request(play: Play, way: str) -> None:
    """Ask for the cancel in this way."""
    by, via = WAYS[way]
    if via == CLOCK:
        event = CancelRequested(by=by, via=via, reason="timed out after 7 d in the whole run (run clock)")
        Journal.open(play.env.ledger, play.run_id).append(event)
    else:
        play.cancel(by, via)


@pytest.mark.parametrize("dead", DEAD)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
async def test_F11_the_truth_in_each_cell(monkeypatch: pytest.MonkeyPatch, name: str, way: str, dead: str) -> None:
    """Never `cancelled` while a job lives or a table is left; the bytes are told; the receipts verify."""
    play, cell = play_of(monkeypatch, DESCRIBE, plan_of("q1"), ANSWER), CELLS[name]
    watch(play)
    await stand(play, name)
    play.works.down = dead in {"warehouse", "everything"}
    request(play, way)
    assert (play.phase is Phase.CANCELLED) is (cell.at_once and way != "clock")
    if dead in {"flow process", "everything"}:
        play.die_after = lambda e: e.kind in {"job_cancel_requested", "undo_intended"}
        await play.process()
        play.die_after = lambda _e: False
    if play.works.down and not cell.at_once:
        assert await play.process() == "slept"
        assert play.phase in {Phase.CANCELLING, Phase.COMPENSATING}
        assert play.state.waiting is not None
        assert play.state.waiting.reason.startswith("cancel unconfirmed: the warehouse did not answer")
        assert play.alarms[0]["event"] == "bq-copilot.cancel-unconfirmed"
    play.works.down = False
    await play.process()
    assert_the_end(play, cell, way)


def assert_the_end(play: Play, cell: Cell, way: str) -> None:
    """The run has ended with these words, nothing lives, nothing is left, everything verifies."""
    late = cell.said.startswith("completed")
    if way == "clock":
        billed = cell.said.partition("(")[2].partition(")")[0]
        assert (play.phase, play.said) == (
            Phase.FAILED,
            f"timed out after 7 d in the whole run (run clock) ({billed})",
        )
    elif late:
        assert (play.phase, play.said) == (Phase.COMPLETED, f"{cell.said}; its result is readable")
        assert play.state.results["q1"].row_count == 2
    else:
        assert (play.phase, play.said) == (Phase.CANCELLED, cell.said)
    assert play.works.live == []
    assert play.works.made == ({play.state.results["q1"].destination} if late and way != "clock" else set())
    assert play.verified()


def watch(play: Play) -> None:
    """Look at the warehouse at the very moment when an end is recorded."""
    append = play.env.ledger.append

    def looking(run_id, seq, event, accept, fence=None):
        if event.kind == "run_ended" and event.phase == "cancelled":
            assert play.works.live == []
            assert play.works.made == set()
        return append(run_id, seq, event, accept, fence)

    play.env.ledger.append = looking  # type: ignore[method-assign]


async def test_F10_a_living_process_hears_of_the_cancel_at_its_next_append(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled from elsewhere while the model thinks: what it says is not recorded, no job is ever sent."""
    play = play_of(monkeypatch, DESCRIBE, plan_of("q1"), ANSWER)
    reply, turns = play.env.model.reply, 0

    async def interrupted(*args):
        nonlocal turns
        turns += 1
        if turns == 2:
            assert play.cancel().phase is Phase.CANCELLED
        return await reply(*args)

    play.env.model.reply = interrupted
    assert await play.process() == "ended"
    assert (play.phase, play.said, play.works.jobs) == (Phase.CANCELLED, FREE, {})
    assert len(play.events("turn_taken")) == 1


async def test_F12_the_cancel_loses_against_a_job_that_ends_at_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warehouse says DONE to the cancel: both events stand, and the result is readable."""
    play = play_of(monkeypatch)
    await play.to(Phase.EXECUTING)
    play.works.too_late = True
    play.works.on_look = lambda _id: play.cancel() if not play.state.cancel and play.works.live else None
    await play.process()
    assert (play.phase, play.said) == (
        Phase.COMPLETED,
        "completed before cancel (billed 10.0 MiB); its result is readable",
    )
    assert [len(play.events(k)) for k in ("cancel_requested", "job_cancel_requested", "job_finished")] == [1, 1, 1]
    assert play.state.results["q1"].row_count == 2


async def test_a_cancel_is_never_overtaken_by_a_submit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intent of a job cannot be recorded after the cancel, so nothing is sent."""
    play = play_of(monkeypatch)
    await play.to(Phase.EXECUTING)
    await play.process(until=lambda s: bool(s.plan and s.plan.consumed))
    prepare = play.works.prepare
    journal = Journal.open(play.env.ledger, play.run_id)
    play.cancel()
    with pytest.raises(HeadMoved):
        journal.append(CancelRequested(by="b", via="x"))
    play.works.prepare = prepare
    assert await play.process() == "ended"
    assert (play.phase, play.works.jobs) == (Phase.CANCELLED, {})
