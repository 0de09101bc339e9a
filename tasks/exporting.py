"""Copy a result into a table of its own: one job under a computed id, recorded before it is sent, found again by it.

Decides whether the policy of the day lets it, at the moment of sending. Whatever goes wrong for good is the export's
own outcome; the answer of the run stands as it stood.
"""

from __future__ import annotations

import asyncio

from bq_copilot import table_export
from bq_copilot.errors import Refused, Transient
from bq_copilot.events import ExportDone, ExportIntended
from bq_copilot.export_transitions import export_failed
from bq_copilot.gate.verdict import Parameter
from bq_copilot.identity import label, requester_label, short_hash
from bq_copilot.ports import JobSpec, JobView
from bq_copilot.steps import ExportTable
from bq_copilot.values import Failure
from tasks import acting
from tasks.durable import Place
from tasks.jobs import submit_job
from tasks.run import Run, failure_of

POLL_SECONDS = 0.25

ROOM = 20 * 2**20
"""Bytes that the job may bill beyond twice its price: the smallest bill is 10 MiB for each table."""

JOB_MILLISECONDS = 600_000

GONE = "The result's own table has expired: ask again, or `bq-copilot export RUN --out FILE.csv` for the stored rows."


async def export_table(run: Run, step: ExportTable) -> None:
    """Copy, and record what came of it."""
    try:
        if not step.intended:
            await _intend(run, step)
        billed = await _copy(run, step)
    except Refused as error:
        assert run.state.export is not None
        run.append(export_failed(run.state.export, failure_of(error)))
        return
    run.append(ExportDone(target=step.wanted.target, job_id=step.job_id, bytes_billed=billed))


async def _intend(run: Run, step: ExportTable) -> None:
    """The policy of the day decides, and not the one that the run was pinned to."""
    policy = await run.env.policy_now()
    table_export.check(policy, step.wanted, run.journal.ledger.now())
    sql = table_export.statement(run.id, step.wanted)
    price = await asyncio.to_thread(acting.executor(run).dry_run, table_export.reading(step.wanted.source), ())
    most = min(policy.limits.bytes_per_query, (price.bytes or 0) * 2 + ROOM)
    mark = short_hash("export", sql, acting.executor(run).principal, length=32)
    run.append(ExportIntended(job_id=step.job_id, sql=sql, fingerprint=mark, maximum_bytes_billed=most))


def _spec(run: Run) -> JobSpec:
    assert run.state.export is not None and run.state.export.intended is not None
    intent = run.state.export.intended
    none: tuple[Parameter, ...] = ()
    return JobSpec(
        job_id=intent.job_id,
        sql=intent.sql,
        parameters=none,
        destination="",
        maximum_bytes_billed=intent.maximum_bytes_billed,
        timeout_ms=JOB_MILLISECONDS,
        labels=(
            ("app", "bq-copilot"),
            ("run", label(run.id)),
            ("step", "export"),
            ("requester", requester_label(run.state.export.requested.by)),
        ),
        fingerprint=intent.fingerprint,
    )


async def _copy(run: Run, step: ExportTable) -> int:
    spec = _spec(run)
    place = Place(run_id=run.id, seq=run.state.seq, kind="export", inputs=spec.fingerprint)
    sent = await submit_job(place, acting.executor(run), spec, look_first=step.intended)
    if "refused" in sent:
        raise _refused(Failure.model_validate(sent["refused"]))
    found = await _ended(run, spec)
    if found.failure is not None:
        raise _refused(found.failure)
    return found.bytes_billed


async def _ended(run: Run, spec: JobSpec) -> JobView:
    while True:
        found = await asyncio.to_thread(acting.executor(run).job, spec.job_id)
        if found is None:
            raise Transient(f"job {spec.job_id} is not there; it is sent again under the same id")
        if found.state == "DONE":
            return found
        run.clock.touch()
        await asyncio.sleep(POLL_SECONDS)


def _refused(failure: Failure) -> Refused:
    next_ = failure.next or (GONE if failure.code == "notFound" else "Choose another table, or wait and ask again.")
    return Refused(failure.message, code=failure.code, next=next_)
