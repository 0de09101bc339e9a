"""What happens on the way from a cancel to its end: stops that are not confirmed, effects that are undone, retries.

Part of `events`, under the same rule: additive only. Undoing is an effect like any other: intended, then done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bq_copilot.values import Failure, Value

UndoAction = Literal["drop_table", "delete_follow_up", "revoke_grant"]

UndoOutcome = Literal["done", "absent", "not_ours", "failed"]
"""`absent`: there was nothing (any more); `not_ours`: what is there is not what was recorded, so it was left alone."""


class CancelUnconfirmed(Value):
    """The warehouse could not be asked to stop, or did not say that it has: the run is not cancelled yet."""

    kind: Literal["cancel_unconfirmed"] = "cancel_unconfirmed"
    tries: int
    jobs: tuple[str, ...]
    """Ids of the jobs that may be alive."""
    reason: str
    until: datetime
    """When it is tried again."""


class UndoIntended(Value):
    """Intent: what the run made is about to be removed."""

    kind: Literal["undo_intended"] = "undo_intended"
    action: UndoAction
    target: str
    job_id: str = ""


class UndoDone(Value):
    """Outcome: it is removed, or why it was left."""

    kind: Literal["undo_done"] = "undo_done"
    action: UndoAction
    target: str
    outcome: UndoOutcome
    failure: Failure | None = None


class UndoRequested(Value):
    """Somebody wants what an ended run has left in the world to be removed; what it found out stays readable."""

    kind: Literal["undo_requested"] = "undo_requested"
    by: str
    via: str
    reason: str = ""


class RetryRequested(Value):
    """Somebody wants what did not finish to be tried again; what finished stays."""

    kind: Literal["retry_requested"] = "retry_requested"
    by: str
    via: str
    reason: str = ""
