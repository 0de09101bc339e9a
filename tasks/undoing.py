"""Remove what a run made: only what its receipts name, only after looking whose it is. May be repeated at any time."""

from __future__ import annotations

import asyncio

from blocks.environment import Environment
from bq_copilot.errors import Refused
from bq_copilot.events import UndoDone, UndoIntended
from bq_copilot.identity import label
from bq_copilot.steps import UndoEffect
from bq_copilot.undo_events import UndoAction, UndoOutcome
from bq_copilot.undoing import Undo
from tasks.durable import look
from tasks.run import Run, failure_of


@look(name="drop scratch table")
async def drop_table(env: Environment, undo: Undo) -> UndoOutcome:
    """Drop the table if the job that is recorded for it made it."""
    job = await asyncio.to_thread(env.warehouse.job, undo.job_id)
    if job is None:
        return "absent"
    if job.fingerprint != label(undo.fingerprint) or job.destination != undo.target:
        return "not_ours"
    return "done" if await asyncio.to_thread(env.warehouse.drop, undo.target) else "absent"


async def undo(run: Run, step: UndoEffect) -> None:
    """Record the intent, remove it, record the outcome; what the warehouse refuses is told and left."""
    what = step.undo
    action: UndoAction = "drop_table"
    if not step.intended:
        run.append(UndoIntended(action=action, target=what.target, job_id=what.job_id))
    try:
        outcome = await drop_table(run.env, what)
    except Refused as error:
        run.append(UndoDone(action=action, target=what.target, outcome="failed", failure=failure_of(error)))
        return
    run.append(UndoDone(action=action, target=what.target, outcome=outcome))
