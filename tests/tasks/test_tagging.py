"""The phase of a run as a tag in Prefect's list: written beside the work, and in the end what the run ended in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from tasks.tagging import PhaseTag
from tests import recorded_runs as rr

FLOW_RUN = "11111111-1111-4111-8111-111111111111"


class Written:
    """Tags as they would be sent; the first calls may fail."""

    def __init__(self, failures: int = 0) -> None:
        self.tags: list[list[str]] = []
        self.names: list[str] = []
        self._failures = failures

    async def __call__(self, flow_run_id: str, tags: list[str], name: str) -> None:
        assert flow_run_id == FLOW_RUN
        await asyncio.sleep(0)
        self.tags.append(tags)
        self.names.append(name)
        if len(self.tags) <= self._failures:
            raise httpx.ConnectError("down")


def states(run: rr.Recording) -> list[RunState]:
    found = [RunState(run_id=run.run_id)]
    for one in run.ledger.read(run.run_id):
        found.append(apply(found[-1], one))
    return found[1:]


async def test_phases_that_pass_at_once_cost_no_call_and_the_last_one_is_written(tmp_path: Path) -> None:
    """A whole run in a moment is one call, with its question, the phase that it ended in and who asked."""
    written = Written()
    tag = PhaseTag(FLOW_RUN, written, settled=60)
    for state in states(rr.finished(tmp_path)):
        tag.hear(state)
    await tag.close()
    assert written.tags == [["phase:completed", "by:ann"]]
    assert written.names == ["Which countries have the most orders?"]


async def test_a_phase_that_lasts_is_written_while_it_lasts(tmp_path: Path) -> None:
    """A waiting run shows that it waits before anything else happens; the end follows."""
    written, run = Written(), states(rr.finished(tmp_path))
    tag = PhaseTag(FLOW_RUN, written, settled=0)
    waiting = next(s for s in run if s.phase == "awaiting_approval")
    tag.hear(waiting)
    while not written.tags:  # noqa: ASYNC110 - until the task that writes has had its turn
        await asyncio.sleep(0)
    tag.hear(run[-1])
    await tag.close()
    assert [tags[0] for tags in written.tags] == ["phase:awaiting_approval", "phase:completed"]


async def test_a_server_that_does_not_answer_costs_the_tag_and_nothing_else(tmp_path: Path) -> None:
    """The run goes on; the next phase is written when the server is there again."""
    written, run = Written(failures=1), states(rr.finished(tmp_path))
    tag = PhaseTag(FLOW_RUN, written, settled=0)
    tag.hear(run[0])
    while not written.tags:  # noqa: ASYNC110 - see above
        await asyncio.sleep(0)
    tag.hear(run[-1])
    await tag.close()
    assert written.tags[-1][0] == "phase:completed"


async def test_without_a_flow_run_nothing_is_written(tmp_path: Path) -> None:
    """In a process that Prefect did not start there is nothing to tag."""
    written = Written()
    tag = PhaseTag("", written, settled=0)
    tag.hear(states(rr.finished(tmp_path))[-1])
    await tag.close()
    assert written.tags == []
