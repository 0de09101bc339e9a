"""What the sandbox says when it refuses: one exception, and BigQuery's error shape for it.

Decides which HTTP code belongs to which `reason`. Callers name a reason and never a code, because clients are told
to classify by reason; the table below is the only place where the two meet.
"""

from __future__ import annotations

from typing import Any

HTTP_CODE = {
    "accessDenied": 403,
    "backendError": 503,
    "badGateway": 502,
    "bytesBilledLimitExceeded": 400,
    "duplicate": 409,
    "internalError": 500,
    "invalid": 400,
    "invalidQuery": 400,
    "jobBackendError": 400,
    "jobInternalError": 400,
    "notFound": 404,
    "notImplemented": 501,
    "quotaExceeded": 403,
    "rateLimitExceeded": 403,
    "resourceInUse": 400,
    "stopped": 400,
    "timeout": 400,
}

STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
}


class Refusal(Exception):
    """The request or the job cannot be done; carries BigQuery's `reason` and a message for a person."""

    def __init__(self, reason: str, message: str, *, location: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.location = location
        self.code = code or HTTP_CODE.get(reason, 400)

    def proto(self) -> dict[str, Any]:
        """The `ErrorProto` that a job carries in `status.errorResult`."""
        detail = {"reason": self.reason, "message": self.message}
        return {**detail, "location": self.location} if self.location else detail

    def envelope(self) -> dict[str, Any]:
        """The JSON body of a failed HTTP request."""
        detail = {**self.proto(), "domain": "global"}
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "errors": [detail],
                "status": STATUS.get(self.code, "UNKNOWN"),
            }
        }


def refusal_from_proto(proto: dict[str, Any]) -> Refusal:
    """The refusal that a request for a failed job's results must answer with."""
    return Refusal(proto["reason"], proto["message"], location=proto.get("location", ""))


def invalid_query(message: str, line: int = 0, column: int = 0) -> Refusal:
    """A statement that cannot be understood, with BigQuery's `at [line:column]` where the place is known."""
    place = f" at [{line}:{column}]" if line else ""
    return Refusal("invalidQuery", f"{message}{place}", location="query")
