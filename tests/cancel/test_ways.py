"""F10, F11, F12: phase by way of cancelling by what is dead, through the real ways and the real recovery."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bq_copilot import client, waking
from bq_copilot.cli import app
from bq_copilot.client import Copilot
from bq_copilot.errors import Unreachable
from bq_copilot.phases import WAITING, Phase, prefect_type
from tests.cancel.play import ANSWER, DESCRIBE, plan_of, play_of
from tests.cancel.test_table import CELLS, Cell, assert_the_end, stand, watch
from tests.cancel.world import World

WAYS = ("command line", "python", "button")
DEAD = ("flow process", "worker", "server", "warehouse")
BUTTON = "somebody in the Prefect UI"
TABLE = [
    (name, way, dead)
    for name in CELLS
    for way in WAYS
    for dead in DEAD
    if way != "button" or (dead != "server" and not name.startswith("parked"))
]
"""Without a server there is no button; and Prefect offers none for what has ended there, as a parked run has."""


async def stage(monkeypatch: pytest.MonkeyPatch, name: str) -> World:
    """Return a world in which the run stands where the cell begins, and Prefect has the state that belongs to it."""
    play = play_of(monkeypatch, DESCRIBE, plan_of("q1"), ANSWER)
    watch(play)
    await stand(play, name)
    world = World(play)
    if name.startswith("parked"):
        world.server.set("FAILED", "Parked")
    elif name != "queued":
        waits = Phase(CELLS[name].phase) in WAITING
        world.server.set("PAUSED" if waits else "RUNNING", "Suspended" if waits else "Running")
    monkeypatch.setattr(client, "find", lambda *_: world)
    monkeypatch.setattr(client, "local_user", lambda: "ana")
    monkeypatch.setattr(waking, "SETTLE_SECONDS", 0.0)
    return world


def cancel(world: World, way: str) -> str:
    """Cancel in this way; return what the command line printed."""
    if way == "button":
        world.server.press_cancel()
        return ""
    run = world.play.run_id
    if way == "python":
        Copilot(installation=world).run(run).cancel()  # type: ignore[arg-type]
        return ""
    said = CliRunner().invoke(app.build(["cancel"]), ["cancel", run])
    assert said.exit_code == 0, said.output
    return " ".join(said.output.split())


def expected(name: str, way: str) -> Cell:
    """What must be said in the end: the same whatever was dead, with the name of whoever cancelled."""
    cell = CELLS[name]
    return replace(cell, said=cell.said.replace("by ana", f"by {BUTTON}")) if way == "button" else cell


@pytest.mark.parametrize(("name", "way", "dead"), TABLE)
async def test_F11_each_cell_ends_in_the_truth(monkeypatch: pytest.MonkeyPatch, name: str, way: str, dead: str) -> None:
    """No job lives and no table is left when it says cancelled; bytes, receipts and Prefect's state agree."""
    world, cell = await stage(monkeypatch, name), expected(name, way)
    play = world.play
    play.works.down, world.server.down, world.worker = dead == "warehouse", dead == "server", dead != "worker"
    printed = cancel(world, way)
    if way == "command line":
        assert printed.startswith(cell.said if cell.at_once else f"Cancel of {play.run_id} is recorded")
        assert ("the server does not answer" in printed) is (dead == "server")
    if dead == "flow process":
        play.die_after = lambda e: e.kind in {"job_cancel_requested", "undo_intended"}
    await world.turn(8)
    if not cell.at_once and dead in {"worker", "server", "warehouse"}:
        assert not play.phase.is_terminal or play.phase is Phase.PARKED, play.said
    if not cell.at_once and dead == "warehouse" and not name.startswith("parked"):
        assert play.state.waiting is not None
        assert play.state.waiting.reason.startswith("cancel unconfirmed: the warehouse did not answer")
    play.works.down, world.server.down, world.worker = False, False, True
    play.die_after = lambda _e: False
    await world.turn(30)
    assert_the_end(play, cell, way)
    assert world.server.state[0] == prefect_type(play.phase)


async def test_F10_there_is_no_button_while_the_server_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not recorded does not happen: the run goes on, and the command line still cancels it."""
    world = await stage(monkeypatch, "awaiting_approval")
    world.server.down = True
    with pytest.raises(Unreachable):
        world.server.press_cancel()
    assert world.play.phase is Phase.AWAITING_APPROVAL
    assert cancel(world, "command line").startswith("cancelled by ana (0 bytes billed)")
