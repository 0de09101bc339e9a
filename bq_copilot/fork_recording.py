"""Recording a fork: the question again, in the name of whoever forks, and what is taken over.

Edge module. Both events are recorded before anything is started; the same request key gives the same fork.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bq_copilot import identity
from bq_copilot.errors import Conflict, Refused
from bq_copilot.events import RunReceived
from bq_copilot.forking import Edits, fork_of, place_of
from bq_copilot.installation import Installation
from bq_copilot.journal import UnknownRun, begin
from bq_copilot.ledger import HeadMoved
from bq_copilot.policy_file import policy_from_yaml
from bq_copilot.version import __version__


def record_fork(
    at: Installation, parent: str, seq: int, edits: Mapping[str, Any], by: str, via: str, request_key: str
) -> str:
    """Record the fork and return its run id; with `seq` 0 it goes on from where its edits belong.

    Raises Refused, UnknownRun, or Conflict for a used request key.
    """
    events = at.reader.read(parent)
    if not events or events[0].event.kind != "run_received":
        raise UnknownRun(f"There is no run {parent}.", next="List the runs with `bq-copilot runs`.")
    policy = policy_from_yaml(edits["policy"]) if edits["policy"] else None
    wanted = Edits(edits["answer"], edits["sql"], edits["model"], policy)
    seq = seq or place_of(events, wanted)
    first = fork_of(events, seq, wanted, by, via, at.shelf)
    received = RunReceived(
        question=events[0].event.question,
        requester=by,
        via=via,
        request_key=request_key,
        code_version=__version__,
        parent_run=parent,
        parent_seq=seq,
    )
    run_id = identity.run_id(by, request_key)
    journal, _ = begin(at.ledger, run_id, received)
    mine = journal.state.received
    if mine is None or (mine.parent_run, mine.parent_seq) != (parent, seq):
        raise Conflict(f"The request key of run {run_id} was used for another run.", code="request_key_conflict")
    if journal.state.seq == 1:
        with suppress(HeadMoved):  # the same fork, recorded a moment ago
            journal.append(first)
    if journal.state.forked is None:
        raise Refused(f"{run_id} has begun without what it was to take over.", code="bad_fork", next="Fork again.")
    return run_id
