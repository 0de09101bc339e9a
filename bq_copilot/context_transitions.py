"""How the briefing of a run and the ratings of its answer change the state of a run.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from dataclasses import replace

from bq_copilot.context_events import AnswerRated, ContextPinned
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.phases import TERMINAL
from bq_copilot.state import RunState


def context_pinned(state: RunState, rec: Recorded, e: ContextPinned) -> RunState:
    need(state.pinned is not None, state, e.kind, "nothing is pinned yet")
    need(state.context is None and not state.turns, state, e.kind, "the run is briefed already")
    return replace(state, context=e, usd=state.usd + e.usage.usd, waiting=None)


def answer_rated(state: RunState, rec: Recorded, e: AnswerRated) -> RunState:
    need(state.answer is not None and state.phase in TERMINAL, state, e.kind, "there is no finished answer to rate")
    return replace(state, rating=e)
