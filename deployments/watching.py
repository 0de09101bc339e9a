"""What one recovery process remembers between two looks: deaths, tries, troubles, and where it stopped in long lists.

Decides: how long a holder has been seen dead, when the same remedy may be tried again, and that a trouble which lasts
is said once. Never does: act, or keep anything that would be missed after a restart; all of it is found again within
seconds. Why this shape: deaths and pauses are timed by this process's own monotonic clock, so that no two clocks are
ever compared.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bq_copilot.leases_sql import SqlLeases
from bq_copilot.ledger import Lease, Ledger
from bq_copilot.version import __version__
from bq_copilot.watchers_sql import note
from deployments.claims import is_process_of
from tasks.lease import holder, is_dead

T = TypeVar("T")

SIGN_SECONDS = 15.0
"""Seconds between two signs of life."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries of the same remedy at the most."""


def is_starting(pid: str, flow_run_id: str) -> bool:
    """True when the process that the worker names runs on this host and is the flow run's own."""
    number = pid.rpartition(":")[2]
    return number.isdigit() and is_process_of(Path("/proc") / number, flow_run_id)


@dataclass
class Deaths:
    """Which holders of leases are provably gone, and since when that is known."""

    clock: Callable[[], float] = time.monotonic
    _since: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])

    def look(self, leases: Iterable[Lease]) -> bool:
        """Look at every holder; True when one is dead that was not known to be."""
        dead = {(lease.run_id, lease.token) for lease in leases if is_dead(lease.holder)}
        fresh = dead - self._since.keys()
        now = self.clock()
        self._since = {key: self._since.get(key, now) for key in dead}
        return bool(fresh)

    def seconds(self, lease: Lease | None) -> float | None:
        """Return for how long the holder has been known to be dead; None when it is not."""
        since = self._since.get((lease.run_id, lease.token)) if lease else None
        return None if since is None else self.clock() - since


@dataclass
class Tries:
    """How often each run was helped at the same place; the pause before the next try doubles."""

    clock: Callable[[], float] = time.monotonic
    _tried: dict[str, tuple[int, int, float]] = field(default_factory=dict[str, tuple[int, int, float]])

    def count(self, run_id: str, seq: int) -> int:
        """Return how often it was helped since event `seq`."""
        at, count, _ = self._tried.get(run_id, (seq, 0, 0.0))
        return count if at == seq else 0

    def may(self, run_id: str, seq: int) -> bool:
        """Say whether the pause after the last try at this place is over."""
        at, _, not_before = self._tried.get(run_id, (seq, 0, 0.0))
        return at != seq or self.clock() >= not_before

    def note(self, run_id: str, seq: int) -> None:
        """One more try."""
        count = self.count(run_id, seq) + 1
        pause = min(LONGEST_PAUSE, 1.5 * 2.0 ** (count - 1))
        self._tried[run_id] = (seq, count, self.clock() + pause)

    def keep(self, run_ids: Iterable[str]) -> None:
        """Forget all runs but these."""
        wanted = set(run_ids)
        self._tried = {k: v for k, v in self._tried.items() if k in wanted}


@dataclass
class Trouble:
    """What a loop says of what goes wrong in it: once, until something else goes wrong or nothing does."""

    log: logging.Logger
    _said: str = ""

    def tell(self, words: str) -> None:
        """Log it, unless it was the last thing that went wrong."""
        if words != self._said:
            self.log.warning("%s", words)
        self._said = words

    def over(self) -> None:
        """A look went well: the same trouble would be news again."""
        self._said = ""


@dataclass
class Sign:
    """Says in the ledger that this host's recovery service lives, now and then; `doctor` asks for it."""

    ledger: Ledger
    clock: Callable[[], float] = time.monotonic
    _next: float = float("-inf")

    def give(self) -> None:
        """Say so, unless it was said a moment ago. Raises LedgerUnavailable."""
        if self.clock() < self._next or not isinstance(self.ledger, SqlLeases):
            return
        note(self.ledger, holder().partition(":")[0], __version__)
        self._next = self.clock() + SIGN_SECONDS


@dataclass
class Slices:
    """Takes a long list some items at a time, so that one look costs the same however long it is."""

    size: int
    _next: int = 0

    def take(self, items: Sequence[T]) -> Sequence[T]:
        """Return the next items, from the beginning again after the last."""
        if len(items) <= self.size:
            self._next = 0
            return items
        begin = self._next if self._next < len(items) else 0
        self._next = begin + self.size
        return items[begin : begin + self.size]
