"""What happens when a result of an ended run is copied into a table of its own, with an expiration.

Part of `events`, under the same rule: additive only. The copy is an effect like any other: asked for by a person,
intended under a job id that is computed, then done or not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bq_copilot.values import Failure, Value


class ExportRequested(Value):
    """Somebody wants a result as a table."""

    kind: Literal["export_requested"] = "export_requested"
    by: str
    via: str
    query: str
    source: str
    """Table of the result."""
    target: str
    """`project.dataset.table` that gets a copy; it must not be there yet."""
    expires_at: datetime


class ExportIntended(Value):
    """Intent: the job that copies is about to be sent."""

    kind: Literal["export_intended"] = "export_intended"
    job_id: str
    sql: str
    fingerprint: str
    maximum_bytes_billed: int


class ExportDone(Value):
    """Outcome: the table is there, or why it is not."""

    kind: Literal["export_done"] = "export_done"
    target: str
    job_id: str = ""
    bytes_billed: int = 0
    failure: Failure | None = None
