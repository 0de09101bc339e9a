"""What people say of a finished answer: good or not. One append, as often as somebody changes their mind.

A good answer's approved queries may be shown to the model as examples later; it is never a permission.
"""

from __future__ import annotations

from typing import Literal

from bq_copilot.context_events import AnswerRated
from bq_copilot.errors import Refused
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import TERMINAL
from bq_copilot.state import RunState

Verdict = Literal["up", "down"]


def rate(journal: Journal, verdict: Verdict, by: str, via: str, reason: str = "") -> RunState:
    """Record the rating. Raises Refused when the run has no finished answer."""
    while True:
        journal.refresh()
        state = journal.state
        if state.answer is None or state.phase not in TERMINAL:
            raise Refused(
                f"There is no finished answer to rate; the run is {state.phase}.",
                code="nothing_to_rate",
                next=f"Look at it with `bq-copilot show {journal.run_id}`.",
            )
        try:
            journal.append(AnswerRated(verdict=verdict, by=by, via=via, reason=reason))
            return journal.state
        except HeadMoved:
            continue


def continued(state: RunState, run_id: str, requester: str) -> str:
    """Return the id of a run that a question may continue. Raises Refused when it is not there for this requester."""
    if state.seq == 0 or state.requester != requester:
        raise Refused(
            f"There is no run {run_id} of {requester} to continue.",
            code="nothing_to_continue",
            next="List your runs with `bq-copilot runs`; only who asked a question can continue it.",
        )
    return run_id
