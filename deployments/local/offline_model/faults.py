"""Faults that a test arms over HTTP: which one the next request gets, and how often each was hit.

Decides nothing about the reply's content; `server` acts on what is taken here. One fault is used up per request, in the
order of arming. Lives in the server's memory: a restart disarms everything.
"""

from dataclasses import dataclass
from enum import StrEnum

from deployments.local.offline_model.conversation import Json


class FaultKind(StrEnum):
    """What goes wrong with a request."""

    RATE_LIMIT = "rate_limit"
    """429 with Retry-After."""
    ERROR = "error"
    """500."""
    TIMEOUT = "timeout"
    """The reply comes only after `seconds`."""
    CUT_STREAM = "cut_stream"
    """The connection closes in the middle of the reply."""
    MALFORMED_CALL = "malformed_call"
    """The tool call's arguments are not JSON."""
    UNKNOWN_TOOL = "unknown_tool"
    """The call names a tool that nobody offered."""
    ENDLESS_LOOP = "endless_loop"
    """Always asks for the list of tables."""


@dataclass
class Fault:
    """An armed fault; `times` counts down, `hits` counts up."""

    kind: FaultKind
    times: int = 1
    retry_after: float = 1.0
    seconds: float = 60.0
    hits: int = 0

    def shown(self) -> Json:
        return {
            "kind": self.kind.value, "times": self.times, "retry_after": self.retry_after,
            "seconds": self.seconds, "hits": self.hits,
        }  # fmt: skip


class Armed:
    """The armed faults, in order of arming."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def arm(self, body: Json) -> Fault:
        """Arm a fault from a request body. Raises ValueError for an unknown kind or a bad number."""
        seconds = float(body.get("seconds", body.get("retry_after", 60.0)))
        fault = Fault(
            FaultKind(body.get("kind")), int(body.get("times", 1)), float(body.get("retry_after", 1.0)), seconds
        )
        if fault.times < 1 or fault.retry_after < 0 or fault.seconds < 0:
            raise ValueError("times must be at least 1; retry_after and seconds at least 0")
        self._faults.append(fault)
        return fault

    def take(self) -> Fault | None:
        """The fault of the next request; None when nothing is armed."""
        for fault in self._faults:
            if fault.times > 0:
                fault.times -= 1
                fault.hits += 1
                return fault
        return None

    def clear(self) -> None:
        self._faults.clear()

    def shown(self) -> list[Json]:
        return [f.shown() for f in self._faults]
