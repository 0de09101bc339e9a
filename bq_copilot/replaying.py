"""Replay: the same events through the same pure functions, and the first place where something else comes out.

Decides what must repeat: the phases, every step that the core chose, every prompt byte for byte, every verdict of the
gate, every figure that was checked. What people, the model, the warehouse and dying processes contributed is taken as
recorded. It has no effects: it reads rows and stored texts, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bq_copilot import replay_checks
from bq_copilot.errors import Damaged
from bq_copilot.events import Recorded, RunPinned
from bq_copilot.gate.verdict import Verdict
from bq_copilot.ledger import RunHead
from bq_copilot.prompt_bytes import PromptBytes
from bq_copilot.replay_checks import Mismatch
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.steps import next_step
from bq_copilot.transitions import IllegalTransition, apply

Judge = Callable[[RunPinned, str], Verdict | None]
"""Puts a statement before the gate under what the run was pinned to; None when this gate is another one than then."""


def no_judge(_pinned: RunPinned, _sql: str) -> Verdict | None:
    """Judge nothing: for replays that leave the gate out."""
    return None


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event that does not repeat."""

    seq: int
    expected: str
    got: str

    def __str__(self) -> str:
        return f"nondeterminism at seq {self.seq}: expected {self.expected}, got {self.got}"


@dataclass(slots=True)
class Counts:
    """How much was compared, and what could not be."""

    steps: int = 0
    prompts: int = 0
    verdicts: int = 0
    answers: int = 0
    other_prompts: int = 0
    """Prompts that another version of the code wrote: they cannot be written again here."""
    other_gate: int = 0
    """Verdicts of another gate."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to."""

    run_id: str
    events: int
    phase: str
    counts: Counts = field(default_factory=Counts)
    difference: Difference | None = None


def replay(
    run_id: str, events: Sequence[Recorded], shelf: Shelf, judge: Judge = no_judge, head: RunHead | None = None
) -> Replayed:
    """Replay one run from its events; `head` is what the list of runs says of it."""
    state, counts = RunState(run_id=run_id), Counts()
    bench = replay_checks.Bench(shelf, PromptBytes(shelf), judge, counts)
    for one in events:
        try:
            found = replay_checks.compare(bench, state, next_step(state) if state.seq else None, one.event)
            after = state if found else apply(state, one)
        except IllegalTransition as error:
            found, after = Mismatch("an event that can happen here", f"{one.event.kind} ({error})"), state
        except Damaged as error:
            found, after = Mismatch("the stored text", str(error)), state
        if found is not None:
            return Replayed(run_id, one.seq, str(state.phase), counts, Difference(one.seq, *found))
        state = after
        if head is not None and head.seq == state.seq and head.phase != state.phase:
            said = Difference(state.seq, f"phase {state.phase}", f"{head.phase} in the list of runs")
            return Replayed(run_id, one.seq, str(state.phase), counts, said)
    if head is not None and head.seq > state.seq:
        said = Difference(state.seq + 1, f"event {head.seq}, as the list of runs says", "no more events")
        return Replayed(run_id, len(events), str(state.phase), counts, said)
    return Replayed(run_id, len(events), str(state.phase), counts)
