"""What a check of `doctor` is given, and what it gives back.

Decides: the words of a verdict. Never does: look at anything. Why this shape: the two files of checks and the command
line share these three types and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from deployments.local.home import Home
from deployments.local.records import StackRecord
from deployments.local.stack import StackStatus


class Severity(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    """As it should be."""
    WARNING = "warning"
    """The stack works, but slower or not as somebody may expect."""
    BAD = "bad"
    """Something does not work until this is mended."""
    SKIPPED = "skipped"
    """Cannot be judged now, because the stack does not run or does not have this part."""


@dataclass(frozen=True)
class Verdict:
    """One check's finding."""

    check: str
    severity: Severity
    found: str
    mend: str = ""


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


def good(check: str, found: str) -> Verdict:
    return Verdict(check, Severity.GOOD, found)


def warning(check: str, found: str, mend: str) -> Verdict:
    return Verdict(check, Severity.WARNING, found, mend)


def bad(check: str, found: str, mend: str) -> Verdict:
    return Verdict(check, Severity.BAD, found, mend)


def skipped(check: str, found: str = "the stack does not run") -> Verdict:
    return Verdict(check, Severity.SKIPPED, found)
