"""A whole run with a planner and an executor apart: who is asked what, and what a changed account does."""

from __future__ import annotations

from typing import Any

import pytest

from bq_copilot.errors import Refused
from bq_copilot.events import ApprovalConsumed
from bq_copilot.phases import Phase
from bq_copilot.ports import JobSpec, JobView
from tests.approvals.stage import ORDERS
from tests.cancel.play import DESCRIBE, Play, play_of
from tests.cancel.works import Works

PROFILE = ("profile_column", {"table": ORDERS, "column": "region"})
PLANNING = {"list_tables", "describe_table", "modified_ms", "dry_run"}


class Office(Works):
    """Two doubles over the same jobs: this one plans, `runner` executes; each call is kept with its account."""

    principal, writes = "reader@p", False

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.account = "runner@p"
        self.hold = False

    def acting_for(self, requester: str) -> Any:
        if requester == "eve":
            raise Refused("No service account runs the jobs of eve.", code="unknown_requester")
        return Acting(self, self.account)

    def insert(self, spec: JobSpec) -> JobView:
        assert bool(spec.destination) == (self.calls[-1] == (self.account, "insert"))
        return super().insert(spec)

    def __getattribute__(self, name: str) -> Any:
        if name in PLANNING | {"insert", "job", "cancel", "page", "drop", "prepare"}:
            self.calls.append((self.principal, name))
        return super().__getattribute__(name)


class Acting:
    """The office under another account."""

    writes = True

    def __init__(self, office: Office, principal: str) -> None:
        self._office, self.principal = office, principal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._office, name)
        if name not in {"scratch", "project", "location"}:
            self._office.calls[-1] = (self.principal, name)
        return found


def asked(play: Play, principal: str) -> set[str]:
    """What this account was used for."""
    return {call for who, call in play.works.calls if who == principal}


async def test_executor_is_not_used_before_the_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the consumed approval only the planner is asked; afterwards the job is the executor's."""
    play = play_of(monkeypatch, warehouse=Office())
    await play.to(Phase.AWAITING_APPROVAL)
    assert asked(play, "runner@p") == set() and asked(play, "reader@p") <= PLANNING
    play.approve()
    play.works.calls.clear()
    await play.process()
    assert play.phase is Phase.COMPLETED, play.said
    assert {"prepare", "insert", "job", "page"} <= asked(play, "runner@p")
    assert asked(play, "reader@p") <= PLANNING


async def test_look_at_a_column_is_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile is run and read by the reading account, and leaves no table."""
    play = play_of(monkeypatch, DESCRIBE, PROFILE, warehouse=Office())
    await play.process(until=lambda s: "profile2" in s.results)
    assert asked(play, "reader@p") >= {"insert", "job", "page"} and asked(play, "runner@p") == set()
    assert play.state.results["profile2"].destination == "" and play.works.made <= {""}


async def test_card_names_the_account_and_another_one_voids_the_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs as somebody else than was approved is asked again, with both names."""
    play = play_of(monkeypatch, warehouse=Office())
    await play.to(Phase.AWAITING_APPROVAL)
    assert play.state.plan.request.runs_as == "runner@p"
    play.approve()
    play.works.account = "other@p"
    await play.process()
    [voided] = play.events("approval_voided")
    assert any("runner@p" in line and "other@p" in line for line in voided.changes)
    assert play.phase is Phase.AWAITING_APPROVAL and play.works.executions == {}
    assert play.state.plan.request.runs_as == "other@p"


async def test_account_that_changes_after_the_last_check_parks_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the consumed approval and the job nothing may be swapped either."""
    play = play_of(monkeypatch, warehouse=Office())
    await play.to(Phase.AWAITING_APPROVAL)
    play.approve()
    play.die_after = lambda event: isinstance(event, ApprovalConsumed)
    assert await play.process() == "died"
    play.die_after, play.works.account = lambda _event: False, "other@p"
    await play.process()
    assert play.phase is Phase.PARKED and "runner@p was approved" in play.said
    assert play.works.executions == {}


async def test_unknown_requester_is_told_before_anything_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with the reason at once: no table was listed, no token of the model spent."""
    office = Office()
    monkeypatch.setattr(office, "acting_for", lambda _requester: Office.acting_for(office, "eve"))
    play = play_of(monkeypatch, warehouse=office)
    await play.process()
    assert play.phase is Phase.FAILED and play.state.failure.code == "unknown_requester"
    assert asked(play, "reader@p") == set()


async def test_cancelled_job_is_stopped_and_its_table_dropped_by_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made under an account is removed under it."""
    play = play_of(monkeypatch, warehouse=Office())
    play.works.hold = True
    await play.to(Phase.EXECUTING)
    await play.process(until=lambda s: "q1" in s.jobs)
    play.cancel()
    await play.process()
    assert play.phase is Phase.CANCELLED, play.said
    assert {"cancel", "drop"} <= asked(play, "runner@p") and not {"cancel", "drop"} & asked(play, "reader@p")
