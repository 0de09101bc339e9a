"""Where races are run: many contested runs in one ledger, and processes that meet at a barrier before each.

Decides: how a ledger is filled quickly on any database. Why this shape: the runs are recorded in memory by the real
core and copied row by row, so that a thousand of them cost seconds and not minutes.
"""

from __future__ import annotations

import multiprocessing as mp
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import sqlalchemy as sa

from bq_copilot.errors import CopilotError
from bq_copilot.ledger_sql import SqlLedger
from bq_copilot.testing import MemoryLedger
from tests.approvals.stage import Stage, policy

FORK = mp.get_context("fork")
SECONDS = 120
EXPIRES_AFTER = 3_600
TOGETHER = 10
"""Runs between two meetings: the contenders stay close to each other without meeting for every run."""

Contender = Callable[[SqlLedger, Stage], str]
"""Does one thing to one run and returns what it was told: `won …`, or the code of the error."""


def contested(count: int, url: str, *, expire_in: Callable[[int], float] | None = None) -> list[Stage]:
    """Record `count` runs that wait for approval into the ledger at `url`; run i expires in `expire_in(i)` seconds."""
    rules, now, stages = policy(expire_after_seconds=EXPIRES_AFTER), datetime.now(UTC), list[Stage]()
    SqlLedger(url).close()
    for i in range(count):
        start = now if expire_in is None else now + timedelta(seconds=expire_in(i) - EXPIRES_AFTER)
        stages.append(Stage(rules, sandbox=True, ledger=MemoryLedger(start=start), run_id=f"r-{i}"))
    engine = sa.create_engine(url)
    insert = sa.text("INSERT INTO events VALUES (:run_id, :seq, :kind, :body, :at, :prev_hash, :hash)")
    names = ("run_id", "seq", "kind", "body", "at", "prev_hash", "hash")
    with engine.begin() as c:
        for stage in stages:
            c.execute(insert, [{n: getattr(r, n) for n in names} for r in stage.ledger.rows(stage.state.run_id)])
    engine.dispose()
    return stages


def seconds_to_record() -> float:
    """Return how long recording one contested run takes on this machine now."""
    began = time.monotonic()
    for number in range(20):
        Stage(policy(expire_after_seconds=EXPIRES_AFTER), sandbox=True, run_id=f"r-{number}")
    return (time.monotonic() - began) / 20


def race(url: str, stages: Sequence[Stage], contenders: Sequence[Contender]) -> list[list[str]]:
    """Let each contender loose on every run in a process of its own; return what each was told, run by run."""
    barrier, queue = FORK.Barrier(len(contenders)), FORK.SimpleQueue()
    children = [
        FORK.Process(target=_child, args=(place, url, stages, contender, barrier, queue))
        for place, contender in enumerate(contenders)
    ]
    for child in children:
        child.start()
    told = dict(queue.get() for _ in children)
    for child in children:
        child.join(SECONDS)
    return [[told[place][i] for place in range(len(contenders))] for i in range(len(stages))]


def _child(place: int, url: str, stages: Sequence[Stage], contender: Contender, barrier: Barrier, queue: Any) -> None:
    ledger = SqlLedger(url, busy_seconds=SECONDS)
    said: list[str] = []
    for i, stage in enumerate(stages):
        if i % TOGETHER == 0:
            barrier.wait(SECONDS)
        try:
            said.append(contender(ledger, stage))
        except CopilotError as error:
            more = (str(getattr(error, name, "")) for name in ("winner", "verdict", "at"))
            said.append(" ".join((error.code, *more)))
    queue.put((place, said))


def submit_together(url: str, processes: int, each: int, question: Callable[[int], str]) -> list[str]:
    """Begin one run `processes * each` times under one key; return what each submission was told."""
    from bq_copilot import events as ev
    from bq_copilot import identity
    from bq_copilot.journal import begin

    run_id = identity.run_id("ana", "one key")

    def submit(ledger: SqlLedger, number: int) -> str:
        first = ev.RunReceived(
            question=question(number), requester="ana", via="test", request_key="one key", code_version="0"
        )
        return "began" if begin(ledger, run_id, first)[1] else "found"

    def child(place: int, barrier: Barrier, queue: Any) -> None:
        ledger, said = SqlLedger(url, busy_seconds=SECONDS), list[str]()
        barrier.wait(SECONDS)
        for i in range(each):
            try:
                said.append(submit(ledger, place * each + i))
            except CopilotError as error:
                said.append(error.code)
        queue.put(said)

    SqlLedger(url).close()
    barrier, queue = FORK.Barrier(processes), FORK.SimpleQueue()
    children = [FORK.Process(target=child, args=(place, barrier, queue)) for place in range(processes)]
    for one in children:
        one.start()
    told = [said for _ in children for said in queue.get()]
    for one in children:
        one.join(SECONDS)
    return told
