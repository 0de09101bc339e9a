"""What a check of `doctor` gives back, of the local stack and of an installation in production.

Decides: the words of a verdict, and what several of them come to. Never does: look at anything. Why this shape: checks,
runner and command line share this type and nothing else; a check that could not be made is a verdict of its own, so
that nothing unseen counts as good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    """As it should be."""
    WARNING = "warning"
    """It works, but slower, less safely, or not as somebody may expect."""
    BAD = "bad"
    """Something does not work until this is mended."""
    SKIPPED = "skipped"
    """Cannot be judged now, and why."""


@dataclass(frozen=True)
class Verdict:
    """One check's finding."""

    check: str
    severity: Severity
    found: str
    mend: str = ""


def good(check: str, found: str) -> Verdict:
    return Verdict(check, Severity.GOOD, found)


def warning(check: str, found: str, mend: str) -> Verdict:
    return Verdict(check, Severity.WARNING, found, mend)


def bad(check: str, found: str, mend: str) -> Verdict:
    return Verdict(check, Severity.BAD, found, mend)


def skipped(check: str, found: str, mend: str = "") -> Verdict:
    return Verdict(check, Severity.SKIPPED, found, mend)


def is_well(verdicts: Iterable[Verdict]) -> bool:
    """Whether nothing keeps the installation from working."""
    return not any(verdict.severity is Severity.BAD for verdict in verdicts)


def by_severity(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return how many verdicts there are of each severity, all four named."""
    found = [verdict.severity for verdict in verdicts]
    return {str(severity): found.count(severity) for severity in Severity}
