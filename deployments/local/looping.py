"""The supervising loop and its parts: wake on a signal or after a moment, stop all children, bury strangers.

Decides: the order of goodbye, SIGTERM before SIGKILL. Never does: start anything. Why this shape: the local stack and
a worker host run the same loop over different children.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from deployments.local.child import Child
from deployments.local.waiting import wait_until


def supervise(children: Sequence[Child], seconds: float, after_each: Callable[[], None]) -> None:
    """Let each child take one step, and again after `seconds` or a signal, until SIGTERM or SIGINT."""
    asked_to_stop = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    wake = _wake_on_signals(stop)
    while not asked_to_stop:
        settled = {child.plan.name for child in children if child.record().is_settled}
        for child in children:
            child.step(settled)
        after_each()
        _drain(wake, seconds)


def stop_all(children: Sequence[Child]) -> None:
    """SIGTERM to all at once, SIGKILL to those that are still there when their time is over."""
    for child in children:
        child.signal(signal.SIGTERM)
    started = time.monotonic()
    for child in sorted(children, key=lambda c: c.plan.stop_seconds):
        left = child.plan.stop_seconds - (time.monotonic() - started)
        if not wait_until(child.has_ended, max(left, 0)):
            child.signal(signal.SIGKILL)
            wait_until(child.has_ended, 5)
        child.stopped()


def _wake_on_signals(stop: Callable[[int, object], None]) -> int:
    """Signals interrupt the pause of the loop at once: a dead child is seen in milliseconds."""
    wake, tell = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wake


def _drain(wake: int, seconds: float) -> None:
    ready, _, _ = select.select([wake], [], [], seconds)
    if ready:
        os.read(wake, 4096)


def bury_strangers(own: Collection[int]) -> None:
    """Reap dead children that nobody of ours started: the first process of a container inherits every orphan."""
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in own:
            os.waitpid(dead.si_pid, 0)
