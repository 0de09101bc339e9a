"""Faults that tests arm over HTTP, and the points where they strike.

Decides which armed fault applies to a request or a job, and counts it. A fault strikes `times` times and is spent;
`match` narrows it to a method (`jobs.insert`) or to job ids with a prefix. Nothing is armed unless a caller armed it.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field, replace
from typing import Any

from bq_sandbox.refusals import Refusal

BEFORE = {
    "rate_limit": ("rateLimitExceeded", 429, "Exceeded rate limits: too many requests"),
    "rate_limit_403": ("rateLimitExceeded", 403, "Exceeded rate limits: too many api requests per user"),
    "quota_exceeded": ("quotaExceeded", 403, "Quota exceeded: your project exceeded quota for bytes scanned"),
    "500": ("internalError", 500, "An internal error occurred and the request could not be completed"),
    "502": ("badGateway", 502, "Bad gateway"),
    "503": ("backendError", 503, "Error encountered during execution. Retrying may solve the problem."),
}
AFTER = {"reset_after_accept", "error_after_accept"}
ACCEPTING = {"lost_job"}
ANSWERING = {"drop_field"}
RUNNING = {"slow_job", "fail_after_commit", "partial_script"}
KINDS = frozenset({*BEFORE, *AFTER, *ACCEPTING, *ANSWERING, *RUNNING})


@dataclass(frozen=True)
class Fault:
    """One armed fault. `settings` holds what its kind needs (seconds, field, value, after)."""

    fault_id: int
    kind: str
    times: int
    match: dict[str, str] = field(default_factory=dict[str, str])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    hits: int = 0

    def applies(self, method: str, job_id: str) -> bool:
        """Whether it strikes here and is not spent."""
        wanted = self.match.get("method")
        prefix = self.match.get("job_id_prefix", "")
        return self.hits < self.times and wanted in {None, method} and job_id.startswith(prefix)

    def as_json(self) -> dict[str, Any]:
        """The form that `GET /faults` answers."""
        return {
            "id": self.fault_id,
            "kind": self.kind,
            "times": self.times,
            "left": self.times - self.hits,
            "hits": self.hits,
            "match": self.match,
            **self.settings,
        }


class Faults:
    """All armed faults of one sandbox. They live in memory only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._armed: list[Fault] = []

    def arm(self, body: dict[str, Any]) -> Fault:
        """Arm one fault from its JSON form; refuses an unknown kind or match key."""
        settings = dict(body)
        kind, times = str(settings.pop("kind", "")), int(settings.pop("times", 1))
        match = dict(settings.pop("match", None) or {})
        unknown = set(match) - {"method", "job_id_prefix"}
        if kind not in KINDS or unknown:
            known = ", ".join(sorted(KINDS))
            raise Refusal("invalid", f"Unknown fault {kind!r} or match {sorted(unknown)}; kinds: {known}")
        with self._lock:
            fault = Fault(next(self._ids), kind, times, match, settings)
            self._armed.append(fault)
            return fault

    def take(self, kinds: set[str] | frozenset[str], method: str, job_id: str = "") -> Fault | None:
        """The first fault of these kinds that strikes here; it counts as struck."""
        with self._lock:
            for at, fault in enumerate(self._armed):
                if fault.kind in kinds and fault.applies(method, job_id):
                    self._armed[at] = replace(fault, hits=fault.hits + 1)
                    return fault
        return None

    def strike_before(self, method: str, job_id: str) -> None:
        """Refuse the request if a fault says so; nothing has happened yet."""
        fault = self.take(frozenset(BEFORE), method, job_id)
        if fault is not None:
            reason, code, message = BEFORE[fault.kind]
            raise Refusal(reason, message, code=code)

    def listed(self) -> list[dict[str, Any]]:
        """All faults, spent ones included."""
        with self._lock:
            return [fault.as_json() for fault in self._armed]

    def clear(self) -> int:
        """Disarm everything; answers how many there were."""
        with self._lock:
            count = len(self._armed)
            self._armed.clear()
            return count
