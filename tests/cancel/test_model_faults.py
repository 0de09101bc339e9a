"""F07, F21: every fault of the offline model against the real executor and client; what user and operator read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.language_model import LanguageModel
from bq_copilot.phases import Phase
from bq_copilot.views import show
from bq_copilot.wording import event_words
from deployments.local.offline_model.faults import FaultKind
from tests.cancel.conftest import ModelProcess
from tests.cancel.play import Play, play_of, quick

ATTEMPTS = 6
ENDLESS = 5
"""Turns that the run may take against a model that never comes to an end."""
LAST = "Ask again later; `bq-copilot doctor` says what answers."
UNUSABLE = "model output unusable: more than 3 repairs, the last one for {}"
OTHER = "Ask again in other words, or try another model."


@dataclass(frozen=True)
class Fault:
    """One fault of the model, and what is read of it."""

    kind: str
    operator: tuple[str, ...]
    """The lines of waits and of answered calls that were at fault."""
    times: int = 1
    phase: Phase = Phase.AWAITING_APPROVAL
    user: str = ""
    next: str = ""
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def waits(reason: str, times: int = 1) -> tuple[str, ...]:
    """The lines of waits in a row."""
    return tuple(f"waits (TakeTurn, attempt {n}): {reason}" for n in range(1, times + 1))


def for_ever(kind: str, reason: str, **settings: Any) -> Fault:
    """A fault that does not pass."""
    said = f"{reason}; gave up after {ATTEMPTS} tries in {{span}}"
    lines = waits(reason, ATTEMPTS)
    return Fault(kind, lines, times=50, phase=Phase.FAILED, user=said, next=LAST, settings=settings)


FAULTS = {
    "F07_429": Fault("rate_limit", waits("model rate limit"), settings={"retry_after": 2}),
    "F07_429_for_ever": for_ever("rate_limit", "model rate limit", retry_after=2),
    "F07_500": Fault("error", waits("the model's server failed (500)")),
    "F07_500_for_ever": for_ever("error", "the model's server failed (500)"),
    "F07_timeout": Fault("timeout", waits("the model did not answer in time"), settings={"seconds": 2}),
    "F07_cut": Fault("cut_stream", waits("the model cannot be reached")),
    "F07_cut_for_ever": for_ever("cut_stream", "the model cannot be reached"),
    "F21_malformed": Fault("malformed_call", ("turn 1: {tool} answered, error bad_arguments",)),
    "F21_unknown_tool": Fault("unknown_tool", ("turn 1: run_shell answered, error unknown_tool",)),
    "F21_malformed_for_ever": Fault(
        "malformed_call",
        tuple(f"turn {n}: {{tool}} answered, error bad_arguments" for n in range(1, 5)),
        times=50,
        phase=Phase.FAILED,
        user=UNUSABLE.format("bad_arguments"),
        next=OTHER,
    ),
    "F21_unknown_tool_for_ever": Fault(
        "unknown_tool",
        tuple(f"turn {n}: run_shell answered, error unknown_tool" for n in range(1, 5)),
        times=50,
        phase=Phase.FAILED,
        user=UNUSABLE.format("unknown_tool"),
        next=OTHER,
    ),
    "F21_endless": Fault(
        "endless_loop",
        tuple(f"turn {n}: list_tables answered, ok" for n in range(1, 6)),
        times=50,
        phase=Phase.FAILED,
        user="the run's budget of 5 model turns is spent",
        next="Ask a narrower question, or raise the budget in the policy.",
    ),
}


def played(monkeypatch: pytest.MonkeyPatch, model: ModelProcess, name: str) -> Play:
    """Return a run that the offline model plans."""
    block = LanguageModel(
        base_url=f"{model.url}/v1", model="offline-planner-1", api_key=SecretStr("none"), timeout_seconds=0.8
    )
    rules = quick(budgets={"turns": ENDLESS if "endless" in name else 40})
    play = play_of(monkeypatch, model=block.open(), rules=rules, run_id=f"r-{name.lower().replace('_', '-')}")
    play.question = "How many orders per region?"
    return play


def lines(play: Play) -> tuple[str, ...]:
    """Return what the operator reads of waits and of calls that were at fault; of an endless loop, every call."""
    events = [one.event for one in play.env.ledger.read(play.run_id)]
    endless = len(play.state.turns) == ENDLESS
    told = (e for e in events if e.kind == "waited" or (e.kind == "call_answered" and (endless or not e.ok)))
    return tuple(event_words(e) for e in told)


@pytest.mark.parametrize("name", FAULTS)
async def test_F07_what_is_read_of_a_fault_of_the_model(
    monkeypatch: pytest.MonkeyPatch, offline_model: ModelProcess, name: str
) -> None:
    """The user's words, the operator's lines; a passing fault leads to the same plan."""
    fault, play = FAULTS[name], played(monkeypatch, offline_model, name)
    offline_model.arm(fault.kind, times=fault.times, **fault.settings)
    await play.process()
    waited = play.events("waited")
    span = f"{int((waited[-1].until - waited[0].since).total_seconds())} s" if waited else ""
    first = play.state.turns[0].taken
    tool = first.call.name if first and first.call else ""
    error = show(play.state, {})["error"] or {"message": "", "next": ""}
    assert (play.phase, error["message"]) == (fault.phase, fault.user.format(span=span))
    assert error["next"] == fault.next
    assert lines(play) == tuple(line.format(tool=tool) for line in fault.operator)
    assert play.verified()


def test_F07_no_fault_that_the_offline_model_can_play_is_without_its_words() -> None:
    """A fault that is added there needs its row here."""
    assert {f.kind for f in FAULTS.values()} == {kind.value for kind in FaultKind}


async def test_F07_retry_after_is_honoured(monkeypatch: pytest.MonkeyPatch, offline_model: ModelProcess) -> None:
    """The next try is when the model said, not when our own backoff would have been."""
    play = played(monkeypatch, offline_model, "F07_after")
    offline_model.arm("rate_limit", times=1, retry_after=37)
    await play.process()
    (waited,) = play.events("waited")
    assert (waited.until - waited.since).total_seconds() == 37
    assert play.told[0] == f"waiting: model rate limit, next try {waited.until:%H:%M:%S} UTC"


async def test_F07_a_retry_after_beyond_the_budget_of_time_fails_at_once(
    monkeypatch: pytest.MonkeyPatch, offline_model: ModelProcess
) -> None:
    """Nobody waits for an hour to be told that it was in vain."""
    play = played(monkeypatch, offline_model, "F07_hour")
    offline_model.arm("rate_limit", times=1, retry_after=3_600)
    await play.process()
    said = "model rate limit; gave up: the next try would be later than 15 min after the first"
    assert (play.phase, play.said, play.events("waited")) == (Phase.FAILED, said, [])


async def test_F07_a_circuit_that_is_open_keeps_every_run_from_asking(
    monkeypatch: pytest.MonkeyPatch, offline_model: ModelProcess
) -> None:
    """After enough failures in a row, over all runs, nobody asks; one tries first, and its success closes it."""
    first = played(monkeypatch, offline_model, "F07_open")
    offline_model.arm("error", times=8)
    await first.process()
    assert first.phase is Phase.FAILED
    second = played(monkeypatch, offline_model, "F07_second")
    second.env.ledger, second.env.circuits = first.env.ledger, first.env.circuits
    await second.process()
    waited = [(w.reason, w.tried) for w in second.events("waited")]
    assert waited == [
        ("the model's server failed (500)", True),
        ("the model failed 8 times in a row; nobody asks it for a while", False),
    ]
    assert second.phase is Phase.AWAITING_APPROVAL
    assert second.env.circuits.ask("model") is None
