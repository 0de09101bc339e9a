"""Open a run: record the question once, take the lease, record who runs it and why."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.exceptions import Abort

from blocks.environment import Environment
from bq_copilot import identity, operating
from bq_copilot.errors import LedgerUnavailable
from bq_copilot.events import Recorded, RunReceived, RunStarted
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger import HeadMoved, Ledger
from bq_copilot.ledger_reader import UnknownEvent
from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from bq_copilot.version import __version__
from tasks.announcing import Announcer
from tasks.lease import kept, take
from tasks.run import Run
from tasks.tagging import PhaseTag

PROMPTS = frozenset({"question_asked", "approval_requested", "follow_up_requested"})
"""Kinds of events after which a process may give the run back and leave the rest to whoever is woken."""

PATIENCE = 60.0
"""Seconds that a process waits for a ledger that does not answer before the run has begun."""


@asynccontextmanager
async def open_run(
    env: Environment, question: str, requester: str, request_key: str, flow_run_id: str
) -> AsyncGenerator[Run]:
    """Yield the run of this question in the one process that may run it; see `open_received`."""
    first = RunReceived(
        question=question,
        requester=requester,
        via="prefect",
        request_key=request_key or flow_run_id,
        code_version=__version__,
        environment=env.name,
    )
    async with open_received(env, first, flow_run_id) as run:
        yield run


@asynccontextmanager
async def open_received(env: Environment, first: RunReceived, flow_run_id: str) -> AsyncGenerator[Run]:
    """Yield the run that begins with `first` in the one process that may run it.

    Raises Prefect's Abort, which leaves the flow run's state alone, when another live process has it, and
    UnknownEvent, after parking the run, when its history needs a newer version.
    """
    run_id = identity.run_id(first.requester, first.request_key)
    journal, began = await _begin(env.ledger, run_id, first)
    if journal.state.phase.is_terminal:
        announcer, tag = announce(journal, flow_run_id), follow(journal, flow_run_id)
        yield Run(env, journal)
        announcer.close()
        await tag.close()
        return
    lease, died = await take(env.ledger, run_id)
    if lease is None:
        raise Abort(f"another live process runs {run_id}")
    announcer, tag = announce(journal, flow_run_id, died=died), follow(journal, flow_run_id)
    run = Run(env, journal)
    with kept(env.ledger, lease, fit=lambda: run.clock.in_time):
        journal.fence = lease.token
        journal.refresh()
        if not journal.state.phase.is_terminal:
            _started(journal, flow_run_id, died=died and not began)
        try:
            yield run
        finally:
            announcer.close()
            await tag.close()


def announce(journal: Journal, flow_run_id: str, *, died: bool = True) -> Announcer:
    """Tell about what is recorded from now on, and about what may not have been told by the process before.

    One that died may have told nothing since its start; one that gave the run back was heard up to its last prompt.
    """
    announcer, state = Announcer(journal.run_id, flow_run_id), RunState(run_id=journal.run_id)
    events = journal.ledger.read(journal.run_id)[: journal.state.seq]
    marks = {"run_started"} if died else {"run_started", *PROMPTS}
    since = max((e.seq for e in events if e.event.kind in marks), default=1)
    for one in events:
        before, state = state, apply(state, one)
        announcer.hear(before, one, state, told=one.seq < since)
    journal.heard = announcer.hear
    return announcer


def follow(journal: Journal, flow_run_id: str) -> PhaseTag:
    """Keep the flow run's tag up with the run, from now on."""
    tag, told = PhaseTag(flow_run_id), journal.heard

    def hear(before: RunState, one: Recorded, after: RunState) -> None:
        if told is not None:
            told(before, one, after)
        tag.hear(after)

    tag.hear(journal.state)
    journal.heard = hear
    return tag


async def _begin(ledger: Ledger, run_id: str, first: RunReceived) -> tuple[Journal, bool]:
    """Begin or find the run; a ledger that does not answer now is asked again for a while."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return begin(ledger, run_id, first)
        except UnknownEvent as error:
            operating.park_unread(ledger, run_id, error)
            raise
        except LedgerUnavailable:
            if time.monotonic() > give_up:
                raise
        await asyncio.sleep(0.5)


def _started(journal: Journal, flow_run_id: str, *, died: bool) -> None:
    """Record the start; a decision that arrives at the same moment comes first."""
    while True:
        before = journal.state.started
        failed = journal.ledger.read(journal.run_id, after=journal.state.seq - 1)
        died = died or any(e.event.kind == "step_failed" for e in failed)
        reason = "recovered" if died else ("resumed" if before else "started")
        event = RunStarted(
            attempt=(before.attempt if before else 0) + 1,
            flow_run_id=flow_run_id,
            host=socket.gethostname(),
            reason=reason,
            why="the process before it died without giving the run back" if died else "",
            code_version=__version__,
        )
        try:
            journal.append(event)
            return
        except HeadMoved:
            continue
