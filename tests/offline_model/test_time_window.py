"""Phrases of time and the days that they mean, counted back from 1 July 2026."""

from datetime import date

import pytest

from deployments.local.offline_model.cues import read_cues
from deployments.local.offline_model.time_window import find_windows

ANCHOR = date(2026, 7, 1)


@pytest.mark.parametrize(
    ("phrase", "start", "end"),
    [
        ("in 2025", "2025-01-01", "2026-01-01"),
        ("last quarter", "2026-04-01", "2026-07-01"),
        ("last 12 months", "2025-07-01", "2026-07-01"),
        ("the last two years", "2024-07-01", "2026-07-01"),
        ("between March and May 2026", "2026-03-01", "2026-06-01"),
        ("from October 2024 to June 2025", "2024-10-01", "2025-07-01"),
        ("since January", "2026-01-01", "2026-07-01"),
        ("Q1 2026", "2026-01-01", "2026-04-01"),
        ("the first half of 2025", "2025-01-01", "2025-07-01"),
        ("September last year", "2025-09-01", "2025-10-01"),
        ("from 2025-09-08 to 2025-09-14", "2025-09-08", "2025-09-15"),
        ("the week of 2025-09-10", "2025-09-08", "2025-09-15"),
        ("last 30 days", "2026-06-01", "2026-07-01"),
        ("year to date", "2026-01-01", "2026-07-01"),
        ("in March", "2026-03-01", "2026-04-01"),
        ("in November", "2025-11-01", "2025-12-01"),
    ],
)
def test_a_phrase_means_these_days(phrase: str, start: str, end: str) -> None:
    """The first day is in the window, the last one is not."""
    windows = find_windows(f"orders {phrase}", ANCHOR)
    assert [(str(w.start), str(w.end)) for w in windows] == [(start, end)]


def test_a_modal_verb_is_not_a_month() -> None:
    """`May` without a year or a preposition is no window."""
    assert find_windows("how may orders be counted", ANCHOR) == ()


def test_the_previous_quarter_beside_the_last_one_is_the_one_before() -> None:
    """Two names of one window become a comparison with the period before."""
    cues = read_cues("How did revenue last quarter compare with the previous quarter?", ANCHOR)
    assert (len(cues.windows), cues.ago) == (1, "period")
    assert str(cues.windows[0].previous().start) == "2026-01-01"
