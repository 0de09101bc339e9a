"""Fair queues: each requester has a work queue of their own, with a limit, before all that nobody waits for.

Decides: the queue's name, place and limit. Prefect counts a queue's runs by their states, Pending and Running: a run
that waits for a person takes no place, and a dead one gives its place back as soon as it is put back in the queue;
a lease on a slot would stay taken for minutes. An operator may change the limit of any queue in Prefect.
"""

from __future__ import annotations

from dataclasses import dataclass

from bq_copilot.identity import requester_label

PER_REQUESTER = 4
"""Runs of one requester that have a process at once; the others wait in their queue, the oldest first."""

FIRST = 1
"""Priority of the newest requester's queue; Prefect moves those before it one place back."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A work queue as it is first made."""

    name: str
    description: str
    priority: int
    limit: int


def queue_of(requester: str) -> Queue:
    """Return the queue of this requester; its name is a pseudonym, because everyone may read it."""
    return Queue(
        name=f"asked-by-{requester_label(requester)}",
        description="The questions of one requester, who waits for the answers.",
        priority=FIRST,
        limit=PER_REQUESTER,
    )
