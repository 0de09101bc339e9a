"""What the checks of a local stack are given.

Decides: which stack is looked at. Never does: look at it; the record was read before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.local.home import Home
from deployments.local.records import StackRecord
from deployments.local.stack import StackStatus
from deployments.verdicts import Verdict, skipped


@dataclass(frozen=True)
class Scene:
    """What the checks look at."""

    home: Home
    environ: Mapping[str, str]
    status: StackStatus

    @property
    def record(self) -> StackRecord | None:
        """The record of a running stack; None when no supervisor is alive."""
        return self.status.record if self.status.running else None

    def runs(self, name: str) -> bool:
        """Whether the running stack has this process."""
        return self.record is not None and any(p.name == name for p in self.record.processes)


def not_running(check: str) -> Verdict:
    """Say that this cannot be judged while the stack is down."""
    return skipped(check, "the stack does not run")
