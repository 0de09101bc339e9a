"""What it means that an event cannot happen to a run in its state.

Decides nothing: it is the one way in which the transitions say no.
"""

from __future__ import annotations

from bq_copilot.errors import Refused
from bq_copilot.state import RunState


class IllegalTransition(Refused):
    """This event cannot happen to a run in this state."""

    code = "illegal_transition"


def illegal(state: RunState, kind: str, why: str) -> IllegalTransition:
    """Return the error that names the event, where the run stands, and why."""
    return IllegalTransition(f"{kind} cannot follow seq {state.seq} of {state.run_id} ({state.phase}): {why}")


def need(ok: bool, state: RunState, kind: str, why: str) -> None:
    """Raise IllegalTransition unless `ok`."""
    if not ok:
        raise illegal(state, kind, why)
