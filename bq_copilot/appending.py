"""Appending what follows from the newest state: look, decide, append; and once more when somebody was first.

The one loop under everything that people do to a run. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable

from bq_copilot.errors import Refused
from bq_copilot.events import Event
from bq_copilot.journal import Journal
from bq_copilot.ledger import HeadMoved
from bq_copilot.phases import WAITING
from bq_copilot.state import RunState
from bq_copilot.transitions import IllegalTransition


def append(journal: Journal, make: Callable[[RunState], Event]) -> RunState:
    """Append what `make` says of the newest state; when the head moves, look again and let it decide anew."""
    while True:
        journal.refresh()
        event = make(journal.state)
        try:
            journal.append(event)
            return journal.state
        except HeadMoved:
            continue
        except IllegalTransition as error:
            raise Refused(_why(error), code=_code(journal.state), next="Look at `bq-copilot show`.") from error


def _code(state: RunState) -> str:
    return "expired" if state.phase in WAITING else "too_late"


def _why(error: IllegalTransition) -> str:
    return str(error).rpartition(": ")[2] or str(error)
