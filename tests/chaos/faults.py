"""What is killed, when, and what is known afterwards about how long that held the runs up.

Decides: the list of faults and their weights. Every kill is SIGKILL. Why this shape: a fault says which runs it may
have hit and from when on they could go on, so that recovery is timed per run and not per stack.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bq_copilot.client import RunHandle
from bq_copilot.errors import CopilotError
from bq_copilot.phases import WAITING
from deployments.local import stack
from deployments.local.liveness import is_alive
from tests.live import Live

POINTS = (
    "run_started:after-append",
    "run_pinned:before-append",
    "turn_requested:after-append",
    "turn_taken:before-append",
    "turn_taken:after-append",
    "call_answered:after-append",
    "plan_proposed:after-append",
    "plan_estimated:before-append",
    "approval_requested:before-append",
    "approval_requested:after-append",
    "approval_consumed:before-append",
    "approval_consumed:after-append",
    "job_intended:before-append",
    "job_intended:after-append",
    "job_submitted:before-append",
    "job_submitted:after-append",
    "job_finished:before-append",
    "job_finished:after-append",
    "result_read:before-append",
    "result_read:after-append",
    "answer_written:after-append",
    "run_ended:before-append",
    "run_ended:after-append",
)


@dataclass(frozen=True)
class Hit:
    """One run that was on its way when something died."""

    kind: str
    run: RunHandle
    seq: int
    at: float
    """Monotonic time from which on it could recover: the kill, or the stack being healthy again."""


def moving(runs: Sequence[RunHandle]) -> list[RunHandle]:
    """Return the runs that are neither waiting for a person nor over."""
    found: list[RunHandle] = []
    for run in runs:
        with suppress(CopilotError):
            phase = run.phase
            if not phase.is_terminal and phase not in WAITING:
                found.append(run)
    return found


def kill_flow(live: Live, runs: Sequence[RunHandle]) -> list[Hit]:
    """SIGKILL the process that holds a run now."""
    leases = {lease.run_id: lease for lease in live.copilot.installation.ledger.leases()}
    held = [run for run in runs if run.run_id in leases]
    for run in random.sample(held, len(held)):
        pid = int(leases[run.run_id].holder.split(":")[1])
        on_its_way = run in moving([run])
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
            return _hits("flow process", [run] if on_its_way else [])
    return []


def _kill_part(name: str) -> Callable[[Live, Sequence[RunHandle]], list[Hit]]:
    def kill(live: Live, runs: Sequence[RunHandle]) -> list[Hit]:
        on_their_way = moving(runs)
        pid = live.record.pids.get(name, 0)
        if pid and is_alive(pid):
            os.kill(pid, signal.SIGKILL)
        return _hits(name, on_their_way if name in {"worker", "server", "sandbox"} else [])

    return kill


def kill_all(live: Live, runs: Sequence[RunHandle]) -> list[Hit]:
    """SIGKILL every process of the stack at once, and start it again as after a reboot."""
    on_their_way = moving(runs)
    stack.down(live.home, hard=True)
    stack.up(live.home, live.environ)
    return _hits("everything", on_their_way)


def _hits(kind: str, runs: Sequence[RunHandle]) -> list[Hit]:
    now = time.monotonic()
    own = [run._copilot.run(run.run_id) for run in runs]  # a handle belongs to one thread
    return [Hit(kind, run, run.state.seq, now) for run in own]


Fault = Callable[[Live, Sequence[RunHandle]], list[Hit]]

FAULTS: tuple[tuple[float, str, Fault], ...] = (
    (10, "flow process", kill_flow),
    (3, "worker", _kill_part("worker")),
    (2, "server", _kill_part("server")),
    (2, "sandbox", _kill_part("sandbox")),
    (2, "recovery", _kill_part("recovery")),
    (1, "warm", _kill_part("warm")),
    (1, "model", _kill_part("model")),
    (1, "everything", kill_all),
)


def draw(dice: random.Random) -> tuple[str, Fault]:
    """Return one of the faults, by weight."""
    _, name, fault = dice.choices(FAULTS, [weight for weight, _, _ in FAULTS])[0]
    return name, fault
