"""What each error of BigQuery means for us, decided by its `reason`, never by HTTP code or exception class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from google.api_core import exceptions as google

from bq_copilot.errors import Conflict, CopilotError, Refused, Transient, Unfinished
from bq_copilot.retry_after import seconds_of
from bq_copilot.values import Failure

RETRYABLE = frozenset({"backendError", "internalError", "jobBackendError", "jobInternalError", "tableUnavailable"})
"""Reasons after which the same statement may be tried again (BigQuery's error table)."""

SLOW_DOWN = frozenset({"rateLimitExceeded", "jobRateLimitExceeded"})

NEXT: Mapping[str, str] = {
    "quotaExceeded": "Wait for the quota to reset, or ask its owner for more.",
    "accessDenied": "Ask the data owner for access; the runner's account is named in `bq-copilot doctor`.",
    "bytesBilledLimitExceeded": "Read less: filter on the partition column, or ask for a new approval.",
    "invalidQuery": "Correct the SQL.",
    "notFound": "Check the name of the table.",
    "stopped": "The job was cancelled; ask again to start over.",
    "timeout": "Read less, or raise the job timeout of the Warehouse block.",
}


def translate(error: Exception, what: str, *, submitting: bool = False) -> CopilotError:
    """Return our error for a failed call; `submitting` says that the effect may have happened all the same."""
    if isinstance(error, google.GoogleAPICallError):
        return _api(error, what, submitting=submitting)
    if isinstance(error, (requests.ConnectionError, requests.Timeout, google.RetryError, ConnectionError)):
        return _unsure(f"{what}: the warehouse did not answer", submitting=submitting)
    return Refused(f"{what}: {_line(str(error))}", code="warehouse_error")


def _unsure(message: str, *, submitting: bool) -> CopilotError:
    if submitting:
        return Unfinished(message, code="submit_unanswered", next="The job is looked up by its id.")
    return Transient(message, code="warehouse_unreachable", next="Look at the warehouse's status, then try again.")


def _api(error: google.GoogleAPICallError, what: str, *, submitting: bool) -> CopilotError:
    reason, said = _detail(error)
    if reason == "duplicate":
        return Conflict(f"{what}: the id exists already", code="job_exists")
    if reason in SLOW_DOWN or (error.code == 429):
        return Transient(f"warehouse rate limit ({said})", code="warehouse_rate_limit", retry_after=_retry_after(error))
    if reason in RETRYABLE or (error.code or 0) >= 500:
        named = " ".join(filter(None, (str(error.code), reason)))
        return _unsure(f"{what}: the warehouse failed ({named})", submitting=submitting)
    return Refused(said, code=reason or "warehouse_error", next=NEXT.get(reason, ""))


def _detail(error: google.GoogleAPICallError) -> tuple[str, str]:
    """Return the reason and BigQuery's own sentence; the client puts addresses and ids of its own around it."""
    for detail in error.errors or []:
        if isinstance(detail, Mapping) and detail.get("reason"):
            return str(detail["reason"]), _line(str(detail.get("message") or error.message))
    return "duplicate" if error.code == 409 else "", _line(str(error.message))


def _line(text: str) -> str:
    return " ".join(text.split())


def _retry_after(error: google.GoogleAPICallError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    return seconds_of(headers.get("Retry-After"), headers.get("Date"))


def job_failure(error_result: Mapping[str, Any] | None) -> tuple[Failure | None, bool]:
    """Return why a finished job failed, and whether another attempt may help."""
    if not error_result:
        return None, False
    reason = str(error_result.get("reason", "unknown"))
    failure = Failure(code=reason, message=str(error_result.get("message", reason)), next=NEXT.get(reason, ""))
    return failure, reason in RETRYABLE | SLOW_DOWN
