"""Open a run: record the question once, take the lease, record who runs it and why."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager

from prefect.exceptions import Abort

from blocks.environment import Environment
from bq_copilot import identity
from bq_copilot.events import RunReceived, RunStarted
from bq_copilot.journal import Journal, begin
from bq_copilot.ledger import HeadMoved
from bq_copilot.version import __version__
from tasks.lease import kept, take
from tasks.run import Run


@contextmanager
def open_run(env: Environment, question: str, requester: str, request_key: str, flow_run_id: str) -> Generator[Run]:
    """Yield the run of this question in the one process that may run it.

    Raises Prefect's Abort, which leaves the flow run's state alone, when another live process has it.
    """
    key = request_key or flow_run_id
    run_id = identity.run_id(requester, key)
    first = RunReceived(
        question=question, requester=requester, via="prefect", request_key=key, code_version=__version__
    )
    journal, began = begin(env.ledger, run_id, first)
    if journal.state.phase.is_terminal:
        yield Run(env, journal)
        return
    lease, died = take(env.ledger, run_id)
    if lease is None:
        raise Abort(f"another live process runs {run_id}")
    with kept(env.ledger, lease):
        journal.fence = lease.token
        _started(journal, flow_run_id, died=died and not began)
        yield Run(env, journal)


def _started(journal: Journal, flow_run_id: str, *, died: bool) -> None:
    """Record the start; a decision that arrives at the same moment comes first."""
    while True:
        before = journal.state.started
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
