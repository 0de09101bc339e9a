"""Waiting for a condition, with a deadline.

Decides: how often to look. Never does: wait without an end. Why this shape: every wait of the stack is the same
sentence, `wait_until(condition, seconds)`, and none of them guesses how long something takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], seconds: float, *, every: float = 0.05) -> bool:
    """Whether the condition came true within `seconds`; it is looked at once more at the deadline."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause.wait(every)
    return True
