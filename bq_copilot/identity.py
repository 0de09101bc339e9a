"""Every id of the project, as a pure function of what it identifies.

The same inputs give the same id on every host and in every attempt: that is what lets a second process find
what a first one began. Nothing here reads a clock, a random source or the environment.
"""

from __future__ import annotations

import base64
import hashlib
import re

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")
LABEL = re.compile(r"[^a-z0-9_-]")


def short_hash(*parts: str, length: int = 16) -> str:
    """Return `length` lower-case base32 characters over the parts; a unit separator keeps them apart."""
    raw = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return base64.b32encode(raw).decode().lower()[:length]


def run_id(requester: str, request_key: str) -> str:
    """Return the id of the run that answers this request key of this requester, e.g. `r-k3jq…`."""
    return "r-" + short_hash("run", requester, request_key)


def fork_id(parent: str, seq: int, edits: str) -> str:
    """Return the id of the fork of `parent` after event `seq` with these edits (a digest)."""
    return "r-" + short_hash("fork", parent, str(seq), edits)


def series_id(run: str, number: int) -> str:
    """Return the id of the follow-up series that the run's proposal of this number becomes, e.g. `f-k3jq…`."""
    return "f-" + short_hash("series", run, str(number))


def occurrence_key(series: str, flow_run: str) -> str:
    """Return the request key of the run that one flow run of a series carries out."""
    return f"{series} {flow_run}"


def step_key(run: str, seq: int, kind: str, inputs: str) -> str:
    """Return the cache key of one step: where in the run it stands and what went into it."""
    return f"{run}-{seq}-{kind}-{short_hash(inputs, length=24)}"


def job_id(run: str, query: str, revision: int, attempt: int) -> str:
    """Return the BigQuery job id of one attempt at one query of one plan revision."""
    made = f"bqc-{run}-{_safe(query)}-v{revision}-a{attempt}"
    if not JOB_ID.fullmatch(made):
        raise ValueError(f"{made!r} is not a legal BigQuery job id")
    return made


def result_table(run: str, query: str, revision: int, attempt: int) -> str:
    """Return the name of the scratch table that holds this attempt's result."""
    return f"{run}_{_safe(query)}_v{revision}_a{attempt}".replace("-", "_")


def request_id(run: str, revision: int) -> str:
    """Return the id of the approval request for this plan revision of the run, e.g. `r-k3jq….2`."""
    return f"{run}.{revision}"


def wait_key(run: str, what: str, generation: int) -> str:
    """Return the key under which one durable wait is known to Prefect."""
    return f"{what}-{run}-{generation}"


def requester_label(requester: str) -> str:
    """Return a job-label-safe pseudonym of the requester: labels are visible to everyone in a project."""
    return short_hash("requester", requester, length=12)


def label(value: str) -> str:
    """Return `value` made fit for a BigQuery label: lower case, at most 63 of `[a-z0-9_-]`."""
    return LABEL.sub("-", value.lower())[:63]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name)[:40]
