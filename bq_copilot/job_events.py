"""What can happen to a warehouse job of a run: the events between an approval and its result.

Part of `events`, under the same rule: additive only. A job is intended before it is sent, and its outcome is what
`jobs.get` says, never what an answer that did not come would have said.
"""

from __future__ import annotations

from typing import Literal

from bq_copilot.values import Failure, Value


class JobIntended(Value):
    """Intent: this job is about to be submitted under this id."""

    kind: Literal["job_intended"] = "job_intended"
    query: str
    job_id: str
    attempt: int
    project: str
    location: str
    fingerprint: str
    """Digest of SQL, parameters, destination and principal; also on the job as a label."""
    destination: str
    maximum_bytes_billed: int


class JobSubmitted(Value):
    """Outcome: the warehouse has the job."""

    kind: Literal["job_submitted"] = "job_submitted"
    query: str
    job_id: str
    attempt: int
    state: str


class JobAdopted(Value):
    """The job was already there under its id, with the same fingerprint; the run binds to it."""

    kind: Literal["job_adopted"] = "job_adopted"
    query: str
    job_id: str
    attempt: int
    state: str


class JobCancelRequested(Value):
    """Intent: the warehouse is being asked to stop the job."""

    kind: Literal["job_cancel_requested"] = "job_cancel_requested"
    query: str
    job_id: str
    attempt: int
    reason: str = ""
    """Which clock ran out; empty when the whole run is cancelled."""


class JobFinished(Value):
    """Outcome: `jobs.get` says DONE."""

    kind: Literal["job_finished"] = "job_finished"
    query: str
    job_id: str
    attempt: int
    ok: bool
    bytes_processed: int = 0
    bytes_billed: int = 0
    cache_hit: bool = False
    milliseconds: int = 0
    failure: Failure | None = None
    retryable: bool = False
