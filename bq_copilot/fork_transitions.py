"""How a fork's first own event changes the state of a run: it stands where its parent stood, with clean hands.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from bq_copilot.events import Recorded
from bq_copilot.fork_events import RunForked
from bq_copilot.legality import need
from bq_copilot.phases import TOOLS, Phase
from bq_copilot.state import Plan, RunState, Turn


def forked(state: RunState, rec: Recorded, e: RunForked) -> RunState:
    """The run takes over what its parent had read and said."""
    fresh = state.seq == 1 and state.received is not None
    need(fresh, state, e.kind, "a run is forked before anything else")
    assert state.received is not None
    parent = (state.received.parent_run, state.received.parent_seq)
    need(parent == (e.parent_run, e.parent_seq), state, e.kind, "the question names another parent")
    phase = Phase(e.phase)
    pinned = e.pinned is not None
    need((phase is Phase.RECEIVED) is not pinned, state, e.kind, "what is judged by is pinned first")
    need(not pinned or phase in TOOLS, state, e.kind, f"no run begins in {phase}")
    need(all(t.answered for t in e.turns[:-1]), state, e.kind, "only the last turn may be open")
    turns = (Turn(n, t.tools, t.prompt_digest, t.taken, t.answered) for n, t in enumerate(e.turns, start=1))
    plan = Plan(e.plan.revision, e.plan.turn, e.plan.queries, e.plan.rationale, e.plan.by) if e.plan else None
    return replace(
        state,
        forked=e,
        phase=phase,
        pinned=e.pinned,
        context=e.context,
        turns=tuple(turns),
        asked=e.asked,
        answered=e.answered,
        questions=e.questions,
        plan=plan,
        results=MappingProxyType({r.query: r for r in e.results}),
    )
