"""`undo_steps`: what has to be undone of a run, as a pure function of its receipts.

Decides: what to undo, and in which order: jobs that may be alive first, then what was made, the newest first. Names
only what the receipts name; whether what stands there is really the run's own is checked where it is removed.
Idempotent: what a receipt says is undone is not undone again, unless it was made once more after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bq_copilot import events as ev
from bq_copilot.undo_events import UndoAction

EFFECTS = frozenset({"job_intended", "job_finished", "follow_up_decided", "follow_up_scheduled", "undo_done"})
"""Kinds of events that say what was made or is gone."""


@dataclass(frozen=True, slots=True)
class Undo:
    """One thing to undo."""

    action: Literal["cancel_job"] | UndoAction
    target: str
    """Job id, table, or id of the series."""
    job_id: str = ""
    """The job that made it."""
    fingerprint: str = ""
    """The label that this job must carry."""


def undo_steps(receipts: Iterable[ev.Event]) -> tuple[Undo, ...]:
    """Return what is left to undo: live jobs first, then what was made, each newest first."""
    live: dict[str, Undo] = {}
    made: dict[tuple[str, str], Undo] = {}
    for event in receipts:
        match event:
            case ev.JobIntended():
                live[event.job_id] = Undo("cancel_job", event.job_id, event.job_id, event.fingerprint)
            case ev.JobFinished():
                live.pop(event.job_id, None)
            case ev.UndoDone():
                made.pop((event.action, event.target), None)
            case _:
                pass
        for thing in _made_by(event):
            made.pop((thing.action, thing.target), None)
            made[(thing.action, thing.target)] = thing
    return (*reversed(live.values()), *reversed(made.values()))


def _made_by(event: ev.Event) -> tuple[Undo, ...]:
    """Return what stands in the world because of this receipt, or may stand there."""
    match event:
        case ev.JobIntended():
            table = Undo("drop_table", event.destination, event.job_id, event.fingerprint)
            return (table,) if event.destination else ()  # a table without a name is the warehouse's own to drop
        case ev.FollowUpDecided(verdict="accept"):  # its schedule may be there before anybody has recorded it
            grant = (Undo("revoke_grant", event.series),) if event.grant else ()
            return (*grant, Undo("delete_follow_up", event.series))
        case ev.FollowUpScheduled():
            return (Undo("delete_follow_up", event.series),)
        case _:
            return ()
