"""One sweep of the recovery service over a ledger in memory and a Prefect that only remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bq_copilot import events as ev
from bq_copilot import steps
from bq_copilot.errors import Refused, Unreachable
from bq_copilot.journal import begin
from bq_copilot.phases import Phase
from bq_copilot.prefect_api import FlowRun
from bq_copilot.recovering import Remedy
from bq_copilot.testing import MemoryLedger
from bq_copilot.values import Failure
from deployments.local.home import HOME_VARIABLE, Home
from deployments.recovery import Recovery
from tasks.lease import holder
from tests.unit.samples import received
from tests.unit.walker import Walker
from tests.waiting import Clock


@dataclass
class Prefect:
    """Flow runs by id, and what was asked of it."""

    ledger: MemoryLedger
    runs: dict[str, FlowRun] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    down: bool = False
    refuses: set[str] = field(default_factory=set)
    pressed: set[str] = field(default_factory=set)
    """Flow runs that somebody cancels just when they are put back in their queue."""
    over_a_cancel: set[str] = field(default_factory=set)

    @property
    def clock(self) -> datetime:
        """The server's clock is the ledger's here."""
        return self.ledger.now()

    def add(
        self, flow_run: str, kind: str, name: str = "", *, key: str = "", age: float = 60, **parameters: Any
    ) -> None:
        """There is a flow run in this state."""
        since = self.ledger.now() - timedelta(seconds=age)
        self.runs[flow_run] = FlowRun(flow_run, "n", kind, name or kind.title(), since, key, "", parameters)

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.down:
            raise Unreachable("the server does not answer")

    def active(self, _flow: str) -> list[FlowRun]:
        self._called("active")
        kinds = {"RUNNING", "PENDING", "PAUSED", "CANCELLING", "CRASHED"}
        return [f for f in self.runs.values() if f.state_type in kinds and f.state_name != "Suspended"]

    def suspended(self, _flow: str, offset: int, limit: int) -> list[FlowRun]:
        self._called("suspended")
        return [f for f in self.runs.values() if f.state_name == "Suspended"][offset : offset + limit]

    def ended(self, _flows: object, offset: int, limit: int) -> list[FlowRun]:
        self._called("ended")
        kinds = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
        return [f for f in self.runs.values() if f.state_type in kinds][offset : offset + limit]

    def settle(self, flow_run: str, kind: str, name: str, why: str) -> None:
        self._called(f"settle {flow_run}: {why}")
        self.add(flow_run, kind, name, age=0)

    def flow_runs(self, ids: Iterable[str]) -> Mapping[str, FlowRun]:
        wanted = list(ids)
        self._called(f"by id {len(wanted)}")
        return {i: self.runs[i] for i in wanted if i in self.runs}

    def flow_runs_of(self, keys: Iterable[str]) -> Mapping[str, FlowRun]:
        self._called("by key")
        return {f.key: f for f in self.runs.values() if f.key in set(keys)}

    def create_run(self, _deployment: str, _parameters: object, _name: str, key: str, _queue: object) -> FlowRun:
        self._called(f"create {key}")
        self.add("new", "SCHEDULED", key=key)
        return self.runs["new"]

    def restart(self, flow_run: str, _why: str) -> str:
        self._called(f"restart {flow_run}")
        if flow_run in self.refuses:
            raise Refused("no")
        self.over_a_cancel |= {flow_run} & self.pressed
        self.add(flow_run, "SCHEDULED", "Restarting", age=0)
        return ""

    def lost_a_cancel(self, flow_run: str) -> bool:
        return flow_run in self.over_a_cancel

    def schedule(self, flow_run: str) -> str:
        self._called(f"wake {flow_run}")
        return ""


@dataclass
class Place:
    """What the recovery service needs of an installation."""

    ledger: MemoryLedger
    api: Prefect
    api_url: str = "http://prefect"
    environment: str = "default"


@pytest.fixture
def place() -> Place:
    """An empty ledger and an empty Prefect."""
    ledger = MemoryLedger()
    return Place(ledger, Prefect(ledger))


LED_TO: dict[Phase, int] = {}
"""The seed of a walk, by the phase that it comes to."""


def run_at(place: Place, run_id: str, phase: Phase) -> Walker:
    """Record a run that has started, and walk it to this phase."""
    if phase not in LED_TO:
        seeds = range(300)
        LED_TO[phase] = next(s for s in seeds if _phase_of(_walked(s, MemoryLedger(), run_id, phase)) is phase)
    walker = _walked(LED_TO[phase], place.ledger, run_id, phase)
    assert _phase_of(walker) is phase
    return walker


def _walked(seed: int, ledger: MemoryLedger, run_id: str, phase: Phase) -> Walker:
    """Walk on until the run is at this phase, has ended, or forty steps were taken."""
    walker = Walker(seed, ledger, run_id)
    start = ev.RunStarted(attempt=1, flow_run_id=f"f-{run_id}", host="h", reason="started", code_version="0")
    walker.journal.append(start)
    for _ in range(40):
        step = steps.next_step(walker.journal.state)
        if _phase_of(walker) is phase or isinstance(step, steps.Done):
            break
        walker.journal.append(walker.event_for(step))
    return walker


def _phase_of(walker: Walker) -> Phase:
    return walker.journal.state.phase


def test_runs_that_sleep_cost_the_same_however_many_they_are(place: Place) -> None:
    """Seventy runs wait: two requests, the second one about a slice of them; the next look takes the others."""
    for number in range(70):
        run_at(place, f"r-{number}", Phase.AWAITING_ANSWER)
        place.api.add(f"f-r-{number}", "PAUSED", "Suspended")
    place.ledger.advance(10)
    recovery = Recovery(place)  # type: ignore[arg-type]
    assert recovery.sweep() == recovery.sweep() == []
    assert place.api.calls == ["active", "by id 50", "active", "by id 20"]


def test_F03_a_run_whose_worker_died_with_it_in_hand_is_put_back(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this host's worker left behind tells; another run, as long Pending, may still be starting."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    for run_id in ("r-1", "r-2"):
        run_at(place, run_id, Phase.INSPECTING)
        place.api.add(f"f-{run_id}", "PENDING", age=3)
    claims = Home(tmp_path).claims
    claims.mkdir()
    (claims / "f-r-1").write_text(f"{holder().partition(':')[0]}:999999999:1")
    assert Recovery(place).sweep() == [("r-1", Remedy.RESTART)]  # type: ignore[arg-type]


def test_a_question_whose_client_died_gets_its_flow_run(place: Place) -> None:
    """After a moment in which the client may still be doing it, and once."""
    begin(place.ledger, "r-1", received())
    recovery = Recovery(place)  # type: ignore[arg-type]
    assert recovery.sweep() == []
    place.ledger.advance(10)
    assert recovery.sweep() == [("r-1", Remedy.CREATE)]
    assert recovery.sweep() == []
    assert place.api.calls.count("create r-1") == 1


def test_what_is_due_expires_though_no_server_answers(place: Place) -> None:
    """Expiry takes the ledger alone; the flow run is woken when the server is back."""
    walker = run_at(place, "r-1", Phase.AWAITING_APPROVAL)
    place.api.add("f-r-1", "PAUSED", "Suspended", key="r-1")
    place.api.down = True
    place.ledger.advance(7_200)
    recovery = Recovery(place)  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        recovery.sweep()
    walker.journal.refresh()
    assert walker.journal.state.phase is Phase.EXPIRED
    place.api.down = False
    done = [one for _ in range(10) for one in recovery.sweep()]
    assert ("r-1", Remedy.WAKE) in done


def test_a_run_that_ended_while_prefect_believes_in_it_is_closed(place: Place) -> None:
    """Its process died after the last event."""
    walker = run_at(place, "r-1", Phase.AWAITING_APPROVAL)
    walker.journal.append(ev.RunEnded(phase="failed"))
    place.api.add("f-r-1", "RUNNING", key="r-1")
    place.ledger.advance(10)
    recovery = Recovery(place)  # type: ignore[arg-type]
    assert [one for _ in range(5) for one in recovery.sweep()] == [("r-1", Remedy.RESTART)]


def test_a_cancel_that_a_restart_wrote_over_is_carried_out(place: Place) -> None:
    """Pressed in Prefect between the look at a dead run and its restart: it becomes a cancel of the ledger."""
    walker = run_at(place, "r-1", Phase.EXECUTING)
    place.api.add("f-r-1", "RUNNING", key="r-1", age=900)
    place.api.pressed.add("f-r-1")
    place.ledger.advance(900)
    recovery = Recovery(place)  # type: ignore[arg-type]
    assert ("r-1", Remedy.RESTART) in looks(recovery, place, 2)
    walker.journal.refresh()
    cancel = walker.journal.state.cancel
    assert cancel is not None
    assert (cancel.by, cancel.via) == ("somebody in the Prefect UI", "prefect-ui")


def looks(recovery: Recovery, place: Place, times: int = 5) -> list[tuple[str, Remedy]]:
    """Look so often, a while apart."""
    done: list[tuple[str, Remedy]] = []
    for _ in range(times):
        place.ledger.advance(10)
        done += recovery.sweep()
    return done


@pytest.mark.parametrize("kind", ["FAILED", "COMPLETED", "CRASHED"])
def test_F11_an_ended_run_that_ended_otherwise_in_prefect_is_put_right(place: Place, kind: str) -> None:
    """A process says so; where two could not, it is said without one, in the run's own words, and then left alone."""
    walker = run_at(place, "r-1", Phase.AWAITING_APPROVAL)
    walker.journal.append(ev.CancelRequested(by="ana", via="cli"))
    failure = Failure(code="cancelled", message="cancelled by ana (0 bytes billed)")
    walker.journal.append(ev.RunEnded(phase="cancelled", failure=failure))
    recovery, clock = Recovery(place), Clock()  # type: ignore[arg-type]
    recovery._tries.clock = clock  # type: ignore[assignment] - the pause between two tries
    found: list[Remedy] = []
    for _ in range(3):
        place.api.add("f-r-1", kind, key="r-1")
        clock.now += 60
        found += [remedy for run, remedy in looks(recovery, place) if run == "r-1"]
    assert found == [Remedy.RESTART, Remedy.RESTART, Remedy.SETTLE]
    why = "cancelled by ana (0 bytes billed); put right by the recovery service: the run has ended as cancelled"
    assert place.api.calls.count(f"settle f-r-1: {why}") == 1
    assert (place.api.runs["f-r-1"].state_type, place.api.runs["f-r-1"].state_name) == ("CANCELLED", "Cancelled")
    clock.now += 60
    assert looks(recovery, place, 10) == []


@pytest.mark.parametrize(("phase", "kind"), [("failed", "FAILED"), ("parked", "FAILED"), ("expired", "COMPLETED")])
def test_an_ended_run_of_which_prefect_says_the_same_is_left_alone(place: Place, phase: str, kind: str) -> None:
    """The type of the state is what must agree, and one look is enough to know."""
    run_at(place, "r-1", Phase.AWAITING_APPROVAL).journal.append(ev.RunEnded(phase=phase))
    place.api.add("f-r-1", kind, key="r-1")
    assert looks(Recovery(place), place, 15) == []  # type: ignore[arg-type]


def test_every_old_flow_run_is_compared_some_time(place: Place) -> None:
    """A page of the newest and a page of older ones at each look; what agreed is not asked about again."""
    for number in range(120):
        run_at(place, f"r-{number}", Phase.AWAITING_ANSWER).journal.append(ev.RunEnded(phase="expired"))
        place.api.add(f"f-r-{number}", "COMPLETED" if number != 110 else "FAILED", key=f"r-{number}")
    assert looks(Recovery(place), place, 10) == [("r-110", Remedy.RESTART)]  # type: ignore[arg-type]


def test_one_run_that_cannot_be_helped_does_not_keep_others_from_help(place: Place) -> None:
    """A refusal is logged, and the sweep goes on."""
    for name in ("r-1", "r-2"):
        run_at(place, name, Phase.CLARIFYING)
        place.api.add(f"f-{name}", "FAILED")
    place.api.refuses = {"f-r-1"}
    place.ledger.advance(10)
    done = Recovery(place).sweep()  # type: ignore[arg-type]
    assert {run for run, _ in done} == {"r-1", "r-2"}
    assert place.api.runs["f-r-2"].state_name == "Restarting"


def test_a_run_that_records_nothing_is_parked_after_five_processes(place: Place) -> None:
    """Five starts in a row with nothing after them."""
    walker = run_at(place, "r-1", Phase.CLARIFYING)
    for attempt in range(2, 7):
        start = ev.RunStarted(attempt=attempt, flow_run_id="f-r-1", host="h", reason="recovered", code_version="0")
        walker.journal.append(start)
    place.api.add("f-r-1", "CRASHED")
    place.ledger.advance(10)
    Recovery(place).sweep()  # type: ignore[arg-type]
    walker.journal.refresh()
    assert walker.journal.state.phase is Phase.PARKED
    assert walker.journal.state.failure is not None
    assert walker.journal.state.failure.code == "poison"


def test_a_flow_run_that_recorded_nothing_is_started_again_some_times(place: Place) -> None:
    """Started in Prefect's UI, its process died at once; another environment's runs are none of ours."""
    place.api.add("f-1", "RUNNING", question="q")
    place.api.add("f-2", "RUNNING", question="q", environment="other")
    recovery = Recovery(place)  # type: ignore[arg-type]
    for _ in range(20):
        recovery.sweep()
    assert [c for c in place.api.calls if c.startswith("restart")] == ["restart f-1"]
