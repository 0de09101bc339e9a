"""What a run has scheduled and what was granted with it is taken back: by a cancel, or by `undo` after its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bq_copilot import deciding, operating, scheduling
from bq_copilot import events as ev
from bq_copilot.errors import Conflict, Refused
from bq_copilot.journal import Journal
from bq_copilot.phases import Phase
from bq_copilot.prefect_api import PrefectApi
from bq_copilot.receipts import verify
from bq_copilot.replaying import replay
from tasks import retries, series_runs
from tasks.run import Run
from tests.cli.prefect_double import PrefectDouble, serving
from tests.follow_ups.arena import Arena, waits, without_prefect

NEWEST_FIRST = ["delete_follow_up", "revoke_grant", "drop_table"]


class Died(BaseException):
    """The process is gone, between two instructions."""


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrefectDouble]:
    """A server that keeps deployments; the schedules are made and deleted there by the product's own code."""
    without_prefect(monkeypatch)
    with serving(PrefectDouble()) as double:

        @contextmanager
        def api() -> Iterator[PrefectApi]:
            yield PrefectApi(double.url)

        async def schedule(place: Any, run: Run) -> dict[str, str]:
            made = scheduling.ensure(PrefectApi(double.url), run.state, run.state.series[place.seq])
            return made.model_dump(exclude={"kind"})

        async def nothing(*_: Any) -> str:
            return ""

        monkeypatch.setattr("tasks.undoing.prefect_api", api)
        monkeypatch.setattr("tasks.follow_ups.create_schedule", schedule)
        monkeypatch.setattr(series_runs, "newest_due", nothing)
        yield double


async def scheduled(arena: Arena) -> tuple[Run, str]:
    """Return a run whose follow-up has a schedule and a grant, an instant before the run would end."""
    run = await arena.parent()
    series = arena.accept(run, grant=True)
    made = scheduling.ensure(PrefectApi(arena.prefect.url), run.journal.state, series)  # type: ignore[attr-defined]
    run.journal.refresh()
    run.append(made)
    return run, series.id


def arena_on(prefect: PrefectDouble) -> Arena:
    """Return an arena beside this server."""
    arena = Arena()
    arena.prefect = prefect  # type: ignore[attr-defined]
    return arena


def events(arena: Arena, run: Run, kind: str) -> list[Any]:
    """Return the run's events of one kind."""
    return [r.event for r in arena.env.ledger.read(run.id) if r.event.kind == kind]


def schedules(prefect: PrefectDouble, series: str) -> list[Any]:
    """Return what Prefect would still start of the series."""
    return prefect.deployments[f"follow-up/{series}"]["schedules"]


def next_process(arena: Arena, run: Run) -> Run:
    """Return the run as another process finds it."""
    return Run(arena.env, Journal.open(arena.env.ledger, run.id))  # type: ignore[arg-type]


async def dies(arena: Arena, run: Run, kind: str, *, before: bool = False) -> None:
    """Let a process take the run on that dies at an event of this kind: after it, or before it is recorded."""
    mortal = next_process(arena, run)
    append = mortal.journal.append

    def dying(event: ev.Event) -> Any:
        if before and event.kind == kind:
            raise Died
        recorded = append(event)
        if event.kind == kind:
            raise Died
        return recorded

    mortal.journal.append = dying  # type: ignore[method-assign]
    with pytest.raises(Died):
        await arena.on(mortal)


async def test_F11_a_cancel_deletes_the_schedule_and_revokes_the_grant_newest_first(prefect: PrefectDouble) -> None:
    """Each an intent, then an outcome; in the end Prefect has no schedule, the grant is over, no table is left."""
    arena = arena_on(prefect)
    run, series = await scheduled(arena)
    deciding.cancel(run.journal, "ben", "cli")
    await arena.on(next_process(arena, run))
    assert [e.action for e in events(arena, run, "undo_intended")] == NEWEST_FIRST
    assert [(e.action, e.outcome) for e in events(arena, run, "undo_done")] == [(a, "done") for a in NEWEST_FIRST]
    found = arena.series(run, series)
    assert (schedules(prefect, series), found.stopped and found.stopped.by) == ([], "ben")
    assert found.revoked_at is not None and not arena.env.warehouse.made
    state = Journal.open(arena.env.ledger, run.id).state
    assert state.failure and (state.phase, state.failure.message) == (
        Phase.CANCELLED,
        "cancelled by ben (billed 10.0 MiB)",
    )
    assert verify(arena.env.ledger.rows(run.id)) is not None


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("kind", ["undo_intended", "follow_up_stopped", "undo_done"])
async def test_F11_killed_in_the_middle_it_goes_on_and_undoes_nothing_twice(
    prefect: PrefectDouble, kind: str, before: bool
) -> None:
    """Three processes in a row die at it; the next one brings it to the same end."""
    arena = arena_on(prefect)
    run, series = await scheduled(arena)
    deciding.cancel(run.journal, "ben", "cli")
    for _ in range(1 if before or kind == "follow_up_stopped" else 3):
        await dies(arena, run, kind, before=before)
    await arena.on(next_process(arena, run))
    assert [e.action for e in events(arena, run, "undo_intended")] == NEWEST_FIRST
    assert [e.action for e in events(arena, run, "undo_done")] == NEWEST_FIRST
    assert len(events(arena, run, "follow_up_stopped")) == 1
    assert [m for m, _, _ in prefect.calls].count("DELETE") == 1
    assert schedules(prefect, series) == [] and Journal.open(arena.env.ledger, run.id).state.phase is Phase.CANCELLED


async def test_F11_a_schedule_that_was_made_but_never_recorded_is_deleted_too(prefect: PrefectDouble) -> None:
    """The process died between the effect and its record; the acceptance alone says what may be there."""
    arena = arena_on(prefect)
    run = await arena.parent()
    series = arena.accept(run, grant=True)
    await dies(arena, run, "follow_up_scheduled", before=True)
    assert len(schedules(prefect, series.id)) == 1
    deciding.cancel(Journal.open(arena.env.ledger, run.id), "ben", "cli")
    await arena.on(next_process(arena, run))
    assert schedules(prefect, series.id) == []


async def test_F11_the_schedule_of_somebody_else_is_left_alone(prefect: PrefectDouble) -> None:
    """A deployment of that name that another run made is not this run's to delete."""
    arena = arena_on(prefect)
    run, series = await scheduled(arena)
    prefect.deployments[f"follow-up/{series}"]["parameters"]["parent"] = "r-other"
    deciding.cancel(run.journal, "ben", "cli")
    await arena.on(next_process(arena, run))
    assert [e.outcome for e in events(arena, run, "undo_done")] == ["not_ours", "done", "done"]
    assert len(schedules(prefect, series)) == 1


async def test_F11_while_the_server_is_down_the_undo_is_unconfirmed_and_then_done(
    prefect: PrefectDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never given up: it is said, an alarm is raised, and it is tried again until the server answers."""
    arena, told, alarms = arena_on(prefect), [], []
    run, series = await scheduled(arena)
    await arena.on(run)
    operating.undo(run.journal, "ben", "cli")
    prefect.busy = 1_000_000

    async def tell(words: str) -> None:
        told.append(words)

    async def sleep(_run: Run, _seconds: float) -> None:
        prefect.busy = 0

    monkeypatch.setattr("bq_copilot.prefect_api.BUSY_SECONDS", 0.1)
    monkeypatch.setattr(retries, "tell", tell)
    monkeypatch.setattr(retries, "sleep", sleep)
    monkeypatch.setattr(retries, "emit_event", lambda **event: alarms.append(event["event"]))
    await arena.on(next_process(arena, run))
    assert told[0].startswith(f"undo unconfirmed: The Prefect server at {prefect.url} does not answer")
    assert alarms == ["bq-copilot.cancel-unconfirmed"]
    assert schedules(prefect, series) == [] and Journal.open(arena.env.ledger, run.id).state.phase is Phase.COMPLETED


async def test_an_undo_after_the_end_takes_back_what_was_scheduled_and_keeps_the_result(
    prefect: PrefectDouble,
) -> None:
    """The run completes a second time, with the same answer and the table of its result."""
    arena = arena_on(prefect)
    run, series = await scheduled(arena)
    await arena.on(run)
    before = run.state
    operating.undo(run.journal, "ben", "cli")
    after = await arena.on(next_process(arena, run))
    assert (before.phase, after.state.phase, after.state.failure) == (Phase.COMPLETED, Phase.COMPLETED, None)
    assert (after.state.answer, after.state.results) == (before.answer, before.results)
    assert [e.action for e in events(arena, run, "undo_done")] == NEWEST_FIRST[:2]
    assert arena.env.warehouse.made == {after.state.results["q1"].destination}
    assert schedules(prefect, series) == []
    with pytest.raises(Refused, match="no table but those of its results"):
        operating.undo(after.journal, "ben", "cli")
    again = replay(run.id, arena.env.ledger.read(run.id), arena.env.shelf)
    assert (again.phase, again.difference) == ("completed", None)
    assert verify(arena.env.ledger.rows(run.id)) is not None


async def test_an_undo_that_dies_goes_on_and_cannot_be_cancelled(prefect: PrefectDouble) -> None:
    """It had ended before, so a cancel is told so; who asks a second time is told who was first."""
    arena = arena_on(prefect)
    run, series = await scheduled(arena)
    await arena.on(run)
    operating.undo(run.journal, "ben", "cli")
    await dies(arena, run, "follow_up_stopped")
    journal = Journal.open(arena.env.ledger, run.id)
    with pytest.raises(Conflict, match="The run had ended as completed; what it left is being removed"):
        deciding.cancel(journal, "ana", "cli")
    with pytest.raises(Conflict, match="ben asked for it before"):
        operating.undo(journal, "ana", "cli")
    after = await arena.on(next_process(arena, run))
    assert after.state.phase is Phase.COMPLETED and schedules(prefect, series) == []


async def test_no_run_uses_a_grant_that_is_being_taken_back(prefect: PrefectDouble) -> None:
    """From the request on, before anything is removed, a run that has begun asks a person instead."""
    arena = arena_on(prefect)
    run, series = await scheduled(arena)
    await arena.on(run)
    now = arena.env.ledger.now()
    operating.undo(run.journal, "ben", "cli")
    assert await arena.why_not(run, now) == "the run that proposed the series is being undone"
    assert waits(await arena.due(run)) and not arena.series(run, series).uses
