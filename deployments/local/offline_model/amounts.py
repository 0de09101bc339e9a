"""Thresholds in a question's wording: `at least five`, `more than 100`, `only once`.

Decides the comparison and which characters it used up; what is compared is for the callers. Whole numbers only.
"""

import re
from dataclasses import dataclass

from deployments.local.offline_model.words import number

_N = r"(?P<n>\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|fifty|hundred)"
_OPERATORS = (
    (rf"\b(?:at least|no fewer than|no less than|minimum of) {_N}\b(?: times)?", ">="),
    (rf"\b(?:more than|over|above) {_N}\b(?: times)?(?! (?:day|week|month|year|percent))", ">"),
    (rf"\b(?:fewer than|less than|under|below) {_N}\b(?: times)?", "<"),
    (rf"\b(?:at most|no more than|up to) {_N}\b(?: times)?", "<="),
    (rf"\b{_N} or more\b(?: times)?|\b{_N.replace('n>', 'm>')}\+", ">="),
    (rf"\b{_N}(?= \w+ or (?:more|over)\b)", ">="),
    (rf"\b(?:exactly|only|just) {_N}\b(?: times)?", "="),
    (r"\b(?:more than once|repeatedly)\b(?P<n>)", ">"),
    (r"\b(?:only once|exactly once|just once)\b(?P<n>)", "="),
)


@dataclass(frozen=True)
class Threshold:
    """The comparison and the characters that it used up."""

    operator: str
    number: int
    span: tuple[int, int]


def find_threshold(text: str) -> Threshold | None:
    """The first threshold in the text."""
    for rule, operator in _OPERATORS:
        found = re.search(rule, text)
        if found:
            digits = found.groupdict().get("n") or found.groupdict().get("m") or "one"
            return Threshold(operator, number(digits) or 1, found.span())
    return None
