"""The history of a run as a person wants it: one walk over its events, through the same functions that moved it.

A step is what `next_step` called for, and lasts until an event leads to another one; so what is shown is what was
done. Pure: it reads events and stored texts, and a text that is missing or altered is named in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.steps import Step, next_step
from bq_copilot.trace_parts import decision, jobs, plans, refs, start, stop, tried, turns
from bq_copilot.trace_types import DecisionView, EventView, PhaseView, StartView, StepView, StopView, TraceView
from bq_copilot.transitions import apply
from bq_copilot.views import spent
from bq_copilot.wording import event_words, step_words


class _Walk:
    """What is collected on the way."""

    def __init__(self, run_id: str) -> None:
        self.state = RunState(run_id=run_id)
        self.due: Step | None = None
        """What the state before the present event called for."""
        self.words = ""
        self.events: list[EventView] = []
        self.steps: list[StepView] = []
        self.decisions: list[DecisionView] = []
        self.starts: list[StartView] = []
        self.stops: list[StopView] = []
        self.stretches: list[tuple[str, datetime]] = []

    def take(self, one: Recorded, begun: datetime) -> None:
        """Take one event."""
        before = self.state
        self.state = state = apply(before, one)
        self.events.append(_event(one, state, begun))
        if not self.stretches or self.stretches[-1][0] != state.phase:
            self.stretches.append((str(state.phase), one.at))
        self._step(before, one)
        self._people(before, one)
        self.due = next_step(state)

    def _step(self, before: RunState, one: Recorded) -> None:
        if self.due is None or before.at is None:
            return
        words = step_words(self.due)
        if not self.steps or self.words != words:
            self.steps.append(_new_step(self.due, words, before, one))
            self.words = words
        _add(self.steps[-1], before, one)

    def _people(self, before: RunState, one: Recorded) -> None:
        match one.event:
            case ev.ApprovalDecided() | ev.DecisionRefused():
                self.decisions.append(decision(before, one, one.event))
            case ev.RunStarted():
                self.starts.append(start(before, one, one.event))
            case ev.CancelRequested():
                self.stops.append(stop(one, one.event))
            case _:
                pass


def trace(run_id: str, events: Sequence[Recorded], shelf: Shelf | None = None) -> TraceView:
    """Return the run's history; without a shelf, texts that are not in the events themselves are left out."""
    walk = _Walk(run_id)
    for one in events:
        walk.take(one, events[0].at)
    state = walk.state
    received = state.received
    begun, last = events[0].at, events[-1].at
    return TraceView(
        run_id=run_id,
        phase=str(state.phase),
        question=state.question,
        requester=state.requester,
        received_at=begun.isoformat(),
        ended_at=state.ended_at.isoformat() if state.ended_at else None,
        seconds=_seconds(begun, last),
        parent_run=(received.parent_run or None) if received else None,
        parent_seq=(received.parent_seq or None) if received else None,
        sandbox=state.pinned.sandbox if state.pinned else None,
        phases=_phases(walk.stretches, last),
        steps=walk.steps,
        turns=turns(events, shelf),
        plans=plans(events),
        decisions=walk.decisions,
        jobs=jobs(events),
        starts=walk.starts,
        stops=walk.stops,
        events=walk.events,
        spent=spent(state),
    )


def _phases(stretches: Sequence[tuple[str, datetime]], last: datetime) -> list[PhaseView]:
    ends = [at for _, at in stretches[1:]] + [last]
    return [
        PhaseView(phase=phase, since=at.isoformat(), seconds=_seconds(at, end))
        for (phase, at), end in zip(stretches, ends, strict=True)
    ]


def _event(one: Recorded, state: RunState, begun: datetime) -> EventView:
    return EventView(
        seq=one.seq,
        at=one.at.isoformat(),
        seconds=_seconds(begun, one.at),
        kind=one.event.kind,
        phase=str(state.phase),
        text=event_words(one.event),
        body=one.event.model_dump(mode="json"),
        hash=one.hash,
    )


def _new_step(step: Step, words: str, before: RunState, one: Recorded) -> StepView:
    assert before.at is not None
    return StepView(
        seq=one.seq,
        last_seq=one.seq,
        step=type(step).__name__,
        text=words,
        phase=str(before.phase),
        since=before.at.isoformat(),
        seconds=0.0,
        attempts=1,
        inputs=[],
        results=[],
        tokens=0,
        usd=0.0,
        bytes_billed=0,
        waits=[],
    )


def _add(step: StepView, before: RunState, one: Recorded) -> None:
    event = one.event
    step["last_seq"] = one.seq
    step["seconds"] = _seconds(datetime.fromisoformat(step["since"]), one.at)
    inputs, results = refs(event)
    step["inputs"] += inputs
    step["results"] += results
    match event:
        case ev.Waited():
            step["waits"].append(tried(one, event))
        case ev.TurnTaken():
            step["tokens"] += event.usage.prompt_tokens + event.usage.completion_tokens
            step["usd"] = round(step["usd"] + event.usage.usd, 6)
        case ev.JobFinished():
            step["bytes_billed"] += event.bytes_billed
        case ev.RunStarted() if one.seq > step["seq"]:
            step["attempts"] += 1
        case _:
            pass


def _seconds(since: datetime, until: datetime) -> float:
    return round((until - since).total_seconds(), 3)
