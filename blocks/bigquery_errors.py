"""What each error of BigQuery means for us, decided by its `reason`, never by HTTP code or exception class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests
from google.api_core import exceptions as google
from google.auth import exceptions as auth

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
    if isinstance(error, auth.GoogleAuthError):
        return signing_in(error, what)
    if isinstance(error, CopilotError):
        return error  # said before anything was sent: there are no credentials
    if isinstance(error, (requests.ConnectionError, requests.Timeout, google.RetryError, ConnectionError)):
        return _unsure(f"{what}: the warehouse did not answer", submitting=submitting)
    return Refused(f"{what}: {_line(str(error))}", code="warehouse_error")


def signing_in(error: auth.GoogleAuthError, what: str) -> CopilotError:
    """Return our error where no token was to be had; nothing was sent then, so there is nothing to look for."""
    status, said = _iam_answer(error)
    passes = isinstance(error, auth.TransportError) or error.retryable or status == 429 or status >= 500
    if passes:
        return Transient(f"{what}: Google gave no token ({said})", code="token_unavailable")
    if "impersonat" not in str(error):
        return Refused(f"{what}: Google does not take the credentials ({said})", code="no_credentials", next=SIGN_IN)
    return Refused(f"{what}: {said}", code="not_impersonated", next=IMPERSONATE)


SIGN_IN = "Renew the credentials of this process, or those of the Warehouse block."
IMPERSONATE = (
    "Give the worker's account roles/iam.serviceAccountTokenCreator on that service account, and enable "
    "iamcredentials.googleapis.com; `bq-copilot init-gcp --check` says what is missing."
)


def _iam_answer(error: auth.GoogleAuthError) -> tuple[int, str]:
    """Return status and sentence of the IAM Credentials API; google-auth keeps its answer as text."""
    for text in error.args[1:]:
        try:
            told = json.loads(text)["error"]
            return int(told["code"]), _line(str(told["message"]))
        except (TypeError, ValueError, KeyError):
            continue
    return 0, _line(str(error.args[0] if error.args else error))


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
