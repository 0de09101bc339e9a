"""What a run does that ended and is to export: copy, then end as it had ended. The part of `next_step` for it."""

from __future__ import annotations

from bq_copilot import identity
from bq_copilot.state import RunState
from bq_copilot.step_types import End, ExportTable, Step


def for_export(state: RunState) -> Step:
    """Return what the export calls for now."""
    now = state.export
    assert now is not None
    if now.done is not None:
        return End(now.phase, now.failure)
    return ExportTable(now.requested, export_job(state), intended=now.intended is not None)


def export_job(state: RunState) -> str:
    """Return the id of the job that copies: a function of the run and of how many exports came before."""
    return identity.job_id(state.run_id, "export", len(state.exports) + 1, 1)
