"""How the events of an export change the state of a run that has ended; it ends again as it had ended.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from dataclasses import replace

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.phases import Phase
from bq_copilot.state import Exporting, RunState
from bq_copilot.values import Failure

EXPORTABLE = frozenset({Phase.COMPLETED, Phase.PARTIAL})
"""Ends after which there are results."""


def requested(state: RunState, rec: Recorded, e: ev.ExportRequested) -> RunState:
    """The run goes to work once more, only to copy; nothing of its answer changes."""
    result = state.results.get(e.query)
    need(state.phase in EXPORTABLE, state, e.kind, "it has not ended with a result")
    named = result is not None and result.destination == e.source and e.target != e.source
    need(named and bool(e.source), state, e.kind, f"{e.source} is not the table of {e.query}")
    need(e.expires_at > rec.at, state, e.kind, "it would have expired already")
    begun = Exporting(e, state.phase, state.failure)
    return replace(state, export=begun, phase=Phase.EXECUTING, ended_at=None, waiting=None)


def export_failed(export: Exporting, failure: Failure) -> ev.ExportDone:
    """Return the outcome of an export that came to nothing."""
    job_id = export.intended.job_id if export.intended else ""
    return ev.ExportDone(target=export.requested.target, job_id=job_id, failure=failure)


def intended(state: RunState, rec: Recorded, e: ev.ExportIntended) -> RunState:
    now = state.export
    need(now is not None and now.intended is None and now.done is None, state, e.kind, "nothing is to be exported")
    assert now is not None
    return replace(state, export=replace(now, intended=e), waiting=None)


def done(state: RunState, rec: Recorded, e: ev.ExportDone) -> RunState:
    now = state.export
    need(now is not None and now.done is None, state, e.kind, "nothing is being exported")
    assert now is not None
    job = now.intended.job_id if now.intended else ""
    need((e.target, e.job_id) == (now.requested.target, job), state, e.kind, "that is not being exported")
    after = replace(now, done=e)
    billed = state.bytes_billed + e.bytes_billed
    return replace(state, export=after, exports=(*state.exports, after), bytes_billed=billed, waiting=None)
