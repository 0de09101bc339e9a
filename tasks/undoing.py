"""Remove what a run made: only what its receipts name, only after looking whose it is. May be repeated at any time."""

from __future__ import annotations

import asyncio

from bq_copilot import scheduling
from bq_copilot.errors import Refused
from bq_copilot.events import FollowUpStopped, UndoDone, UndoIntended
from bq_copilot.identity import label
from bq_copilot.ports import Warehouse
from bq_copilot.steps import UndoEffect
from bq_copilot.undo_events import UndoAction, UndoOutcome
from bq_copilot.undoing import Undo
from tasks import acting
from tasks.durable import look
from tasks.prefect_server import prefect_api
from tasks.run import Run, failure_of


@look(name="drop scratch table")
async def drop_table(warehouse: Warehouse, undo: Undo) -> UndoOutcome:
    """Drop the table if the job that is recorded for it made it."""
    job = await asyncio.to_thread(warehouse.job, undo.job_id)
    if job is None:
        return "absent"
    if job.fingerprint != label(undo.fingerprint) or job.destination != undo.target:
        return "not_ours"
    return "done" if await asyncio.to_thread(warehouse.drop, undo.target) else "absent"


@look(name="delete follow-up's schedule")
async def delete_schedule(parent: str, series: str) -> UndoOutcome:
    """Delete the schedules of the deployment that this run made for the series."""

    def delete() -> UndoOutcome:
        with prefect_api() as api:
            return scheduling.delete(api, parent, series)

    return await asyncio.to_thread(delete)


async def undo(run: Run, step: UndoEffect) -> None:
    """Record the intent, remove it, record the outcome; what is refused is told and left."""
    what = step.undo
    action: UndoAction = "drop_table" if what.action == "cancel_job" else what.action
    if not step.intended:
        run.append(UndoIntended(action=action, target=what.target, job_id=what.job_id))
    try:
        outcome = await _remove(run, action, what)
    except Refused as error:
        run.append(UndoDone(action=action, target=what.target, outcome="failed", failure=failure_of(error)))
        return
    run.append(UndoDone(action=action, target=what.target, outcome=outcome))


async def _remove(run: Run, action: UndoAction, what: Undo) -> UndoOutcome:
    match action:
        case "drop_table":
            return await drop_table(acting.executor(run), what)
        case "delete_follow_up":
            _stop(run, what.target)
            return await delete_schedule(run.id, what.target)
        case "revoke_grant":  # the receipt itself takes it back: no later use of it is recorded
            series = run.state.series_of(what.target)
            return "done" if series is not None and series.grant is not None else "absent"


def _stop(run: Run, series: str) -> None:
    """From here on the ledger lets nothing of the series start, whatever Prefect still believes."""
    found, asked = run.state.series_of(series), run.state.undo.requested if run.state.undo else run.state.cancel
    if found is not None and found.stopped is None and asked is not None:
        why = "the run that proposed it is undone" if run.state.undo else "the run that proposed it was cancelled"
        run.append(FollowUpStopped(series=series, by=asked.by, via=asked.via, reason=why))
