"""Waiting in tests: on a condition, with a deadline; or by a clock that only the test moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(predicate: Callable[[], T], seconds: float, every: float = 0.05) -> T:
    """Return the predicate's first true value. Fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {predicate}")
        threading.Event().wait(every)


class Clock:
    """A clock that moves when told to."""

    now = 1_000.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now
