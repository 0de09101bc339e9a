"""`undo_steps`: what has to be undone of a run, as a pure function of its receipts.

Decides: what to undo, and in which order: jobs that may be alive first, then what was made, the newest first. Names
only what the receipts name; whether what stands there is really the run's own is checked where it is removed.
Idempotent: what a receipt says is undone is not undone again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bq_copilot import events as ev
from bq_copilot.undo_events import UndoAction

EFFECTS = frozenset({"job_intended", "job_finished", "undo_done"})
"""Kinds of events that say what was made or is gone."""


@dataclass(frozen=True, slots=True)
class Undo:
    """One thing to undo."""

    action: Literal["cancel_job"] | UndoAction
    target: str
    """Job id, table, or name of what was made."""
    job_id: str = ""
    """The job that made it."""
    fingerprint: str = ""
    """The label that this job must carry."""


def undo_steps(receipts: Iterable[ev.Event]) -> tuple[Undo, ...]:
    """Return what is left to undo: live jobs first, then what was made, each newest first."""
    known = tuple(receipts)
    over = {e.job_id for e in known if isinstance(e, ev.JobFinished)}
    gone = {(e.action, e.target) for e in known if isinstance(e, ev.UndoDone)}
    jobs = [e for e in reversed(known) if isinstance(e, ev.JobIntended)]
    live = [Undo("cancel_job", e.job_id, e.job_id, e.fingerprint) for e in jobs if e.job_id not in over]
    drops = [Undo("drop_table", e.destination, e.job_id, e.fingerprint) for e in jobs]
    return (*live, *(d for d in drops if (d.action, d.target) not in gone))
