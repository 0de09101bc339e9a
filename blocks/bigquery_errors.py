"""What each error of BigQuery means for us, decided by its `reason`, never by HTTP code or exception class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from google.api_core import exceptions as google

from bq_copilot.errors import Conflict, CopilotError, Refused, Transient, Unfinished
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
        return _unanswered(f"the warehouse did not answer {what}", submitting=submitting)
    return Refused(f"{what}: {error}", code="warehouse_error")


def _unanswered(message: str, *, submitting: bool) -> CopilotError:
    if submitting:
        return Unfinished(message, code="submit_unanswered", next="The job is looked up by its id.")
    return Transient(message, code="warehouse_unreachable", next="It is tried again.")


def _api(error: google.GoogleAPICallError, what: str, *, submitting: bool) -> CopilotError:
    reason = _reason(error)
    message = f"{error.message}"
    if reason == "duplicate":
        return Conflict(f"{what}: the id exists already", code="job_exists")
    if reason in SLOW_DOWN or (error.code == 429):
        return Transient(message, code="warehouse_rate_limit", retry_after=_retry_after(error))
    if reason in RETRYABLE or (error.code or 0) >= 500:
        return _unanswered(f"{what}: {message}", submitting=submitting)
    return Refused(message, code=reason or "warehouse_error", next=NEXT.get(reason, ""))


def _reason(error: google.GoogleAPICallError) -> str:
    for detail in error.errors or []:
        if isinstance(detail, Mapping) and detail.get("reason"):
            return str(detail["reason"])
    return "duplicate" if error.code == 409 else ""


def _retry_after(error: google.GoogleAPICallError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    value = headers.get("Retry-After", "")
    return float(value) if str(value).replace(".", "", 1).isdigit() else 5.0


def job_failure(error_result: Mapping[str, Any] | None) -> tuple[Failure | None, bool]:
    """Return why a finished job failed, and whether another attempt may help."""
    if not error_result:
        return None, False
    reason = str(error_result.get("reason", "unknown"))
    failure = Failure(code=reason, message=str(error_result.get("message", reason)), next=NEXT.get(reason, ""))
    return failure, reason in RETRYABLE | SLOW_DOWN
