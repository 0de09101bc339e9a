"""Warehouse jobs: the one safe submit, the poll, the cancel.

The intent is recorded before the job is sent, under an id that any later process computes again. Whatever answer
is missing, the job is looked up by that id before it is sent once more, so it is billed once.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from bq_copilot import identity
from bq_copilot.amounts import size
from bq_copilot.approval import QueryFacts
from bq_copilot.errors import Conflict, Damaged, Refused, Transient, Unfinished
from bq_copilot.events import JobAdopted, JobCancelRequested, JobFinished, JobIntended, JobSubmitted, Waited
from bq_copilot.gate import Parameter
from bq_copilot.ports import JobSpec, JobView, Warehouse
from bq_copilot.state import Job
from bq_copilot.steps import PollJob, SubmitJob
from bq_copilot.values import Failure
from tasks import acting, budgeting, places
from tasks.deadlines import timed_out
from tasks.durable import Place, effect, look
from tasks.plans import ceiling, inputs_of
from tasks.run import Run, failure_of

POLL_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
"""Pauses between two looks at a running job; the last one is repeated."""

LOST_LOOKS = 4
"""Looks that may answer `no such job` before a submitted job counts as lost."""


LOST_WORDS = "the warehouse does not know the job any more"

LOST_STOPPED = 3
"""Looks more at a job that shall stop: a process that died may have sent it a moment ago."""

LOST, LOST_TIMES = "lost job", 3
"""What a run waits for while a lost job is sent again, and how often it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a job is allowed to be: from an approved query, or from a bounded profile."""

    revision: int
    sql: str
    maximum_bytes: int
    destination: str = ""
    """The approved result table without its attempt; empty where any scratch table will do."""
    parameters: tuple[tuple[str, str, str], ...] = ()
    runs_as: str = ""
    """The approved account; empty where none was named."""


def target_of(run: Run, query_id: str) -> Target:
    """Return what was approved for this query; nothing else may be sent."""
    plan, profile = run.state.plan, run.state.profile
    if profile is not None and profile.query.id == query_id:
        return Target(profile.turn, profile.verdict.sql, profile.maximum_bytes)
    assert plan is not None and plan.request is not None and plan.consumed
    facts: QueryFacts = next(q for q in plan.request.queries if q.id == query_id)
    return Target(plan.revision, facts.sql, ceiling(facts), facts.destination, facts.parameters, plan.request.runs_as)


def spec_of(run: Run, query_id: str, attempt: int) -> JobSpec:
    """Return the job exactly as it will be sent."""
    target = target_of(run, query_id)
    warehouse = acting.warehouse_of(run, query_id)
    table = identity.result_table(run.id, query_id, target.revision, attempt)
    destination = f"{warehouse.scratch}.{table}" if warehouse.writes else ""
    if target.destination and destination != f"{target.destination}_a{attempt}":
        raise Damaged(f"{query_id} would write to {destination}; {target.destination} was approved")
    if target.runs_as and warehouse.principal != target.runs_as:
        raise Damaged(
            f"{query_id} would run as {warehouse.principal}; {target.runs_as} was approved",
            next="Give the requester the approved account back in the Warehouse block and resume, or abandon the run.",
        )
    fingerprint = inputs_of(target.sql, target.parameters, destination, warehouse.principal)
    return JobSpec(
        job_id=identity.job_id(run.id, query_id, target.revision, attempt),
        sql=target.sql,
        parameters=tuple(Parameter(name=n, type=t, value=v) for n, t, v in target.parameters),
        destination=destination,
        maximum_bytes_billed=target.maximum_bytes,
        timeout_ms=_timeout_ms(run),
        labels=(
            ("app", "bq-copilot"),
            ("run", identity.label(run.id)),
            ("step", identity.label(query_id)),
            ("attempt", str(attempt)),
            ("requester", identity.requester_label(run.state.requester)),
        ),
        fingerprint=identity.short_hash(fingerprint, length=32),
    )


def _timeout_ms(run: Run) -> int:
    """Return how long the warehouse lets the job run: what policy and block both allow."""
    running = run.rules.clocks.of("job").running_seconds
    assert running is not None
    return int(min(run.env.warehouse_block.job_timeout_seconds, running) * 1000)


@effect(name="submit job")
async def submit_job(place: Place, warehouse: Warehouse, spec: JobSpec, *, look_first: bool) -> dict[str, Any]:
    """Submit once, or bind to the job that is there: {"state", "adopted"}, or {"refused"} when it was not taken.

    Raises Damaged for a stranger.
    """
    if look_first:
        found = await asyncio.to_thread(warehouse.job, spec.job_id)
        if found is not None:
            return _adopt(found, spec)
    try:
        if spec.destination:
            await asyncio.to_thread(warehouse.prepare)
        view = await asyncio.to_thread(warehouse.insert, spec)
        return {"state": view.state, "adopted": False}
    except Refused as error:
        return {"refused": failure_of(error).model_dump()}
    except (Unfinished, Conflict) as doubt:
        return await _look_again(warehouse, spec, doubt)


async def _look_again(warehouse: Warehouse, spec: JobSpec, doubt: Exception) -> dict[str, Any]:
    for pause in POLL_SECONDS[:LOST_LOOKS]:
        found = await asyncio.to_thread(warehouse.job, spec.job_id)
        if found is not None:
            return _adopt(found, spec)
        await asyncio.sleep(pause)
    raise Transient(f"job {spec.job_id} is not there ({doubt}); it is sent again under the same id") from doubt


def _adopt(found: JobView, spec: JobSpec) -> dict[str, Any]:
    if found.fingerprint != spec.fingerprint:
        raise Damaged(
            f"job {spec.job_id} exists with another fingerprint than was approved",
            next="Look at the job in the warehouse; nothing was sent.",
        )
    return {"state": found.state, "adopted": True}


async def submit(run: Run, step: SubmitJob) -> None:
    """Record the intent, submit or adopt, record the outcome."""
    spec = spec_of(run, step.query.id, step.attempt)
    if not step.intended:
        await places.for_job(run, step.query.id)
        run.append(_intent(run, step, spec))
    spent = None if await _is_there(run, step, spec) else budgeting.broken(run)
    if spent is not None:
        known = {"query": step.query.id, "job_id": spec.job_id, "attempt": step.attempt}
        run.append(JobFinished(**known, ok=False, failure=spent, retryable=False))
        return
    place = Place(run_id=run.id, seq=step.attempt, kind="submit", inputs=spec.job_id + spec.fingerprint)
    outcome = await submit_job(place, acting.warehouse_of(run, step.query.id), spec, look_first=step.intended)
    if "refused" in outcome:
        known = {"query": step.query.id, "job_id": spec.job_id, "attempt": step.attempt}
        run.append(JobFinished(**known, ok=False, failure=Failure(**outcome["refused"]), retryable=False))
        return
    kind = JobAdopted if outcome["adopted"] else JobSubmitted
    run.append(kind(query=step.query.id, job_id=spec.job_id, attempt=step.attempt, state=outcome["state"]))


async def _is_there(run: Run, step: SubmitJob, spec: JobSpec) -> bool:
    """True when a process before this one has sent the job: what is spent is spent."""
    warehouse = acting.warehouse_of(run, step.query.id)
    return step.intended and await asyncio.to_thread(warehouse.job, spec.job_id) is not None


def _intent(run: Run, step: SubmitJob, spec: JobSpec) -> JobIntended:
    return JobIntended(
        query=step.query.id,
        job_id=spec.job_id,
        attempt=step.attempt,
        project=run.env.warehouse.project,
        location=run.env.warehouse.location,
        fingerprint=spec.fingerprint,
        destination=spec.destination,
        maximum_bytes_billed=spec.maximum_bytes_billed,
    )


@look(name="poll job")
async def poll_job(run: Run, job: Job) -> dict[str, Any] | None:
    """Look until the job is DONE and return it as JSON; None when something else was recorded meanwhile."""
    warehouse = acting.warehouse_of(run, job.intent.query)
    missing, looks = 0, LOST_LOOKS + (LOST_STOPPED if job.cancel_requested else 0)
    for turn in range(1_000_000):
        view = await asyncio.to_thread(warehouse.job, job.intent.job_id)
        run.clock.touch()
        await places.keep(run, job.intent.query)
        missing = 0 if view else missing + 1
        if view is not None and view.state == "DONE":
            return asdict(view) | {"failure": view.failure.model_dump() if view.failure else None}
        if missing >= looks:
            return {"lost": True}
        if view is not None and view.state == "PENDING":
            _check_queue(run, job)
        if run.journal.refresh():
            return None
        await asyncio.sleep(POLL_SECONDS[min(turn, len(POLL_SECONDS) - 1)])
    return None


def _check_queue(run: Run, job: Job) -> None:
    """Raises StepTimedOut for a job that has stood in the warehouse's queue for too long."""
    if job.sent_at is None or job.cancel_requested:
        return
    limit = run.rules.clocks.of("job").queued_seconds
    assert limit is not None
    if (run.journal.ledger.now() - job.sent_at).total_seconds() > limit:
        raise timed_out(PollJob(job), limit, "queue")


async def poll(run: Run, job: Job) -> None:
    """Wait until the warehouse says DONE and record what became of the job; one that shall stop is told so first."""
    if job.cancel_requested:
        await cancel_job(acting.warehouse_of(run, job.intent.query), job.intent.job_id)
    found = await poll_job(run, job)
    if found is None:
        return
    intent = job.intent
    known = {"query": intent.query, "job_id": intent.job_id, "attempt": intent.attempt}
    if "lost" in found:
        await _send_again(run, job)
        return
    failure = _mismatch(run, intent.query, found) or found["failure"]
    run.append(
        JobFinished(
            **known,
            ok=found["ok"] and failure is None,
            bytes_processed=found["bytes_processed"],
            bytes_billed=found["bytes_billed"],
            cache_hit=found["cache_hit"],
            milliseconds=found["milliseconds"],
            failure=_why(run, job, found, Failure.model_validate(failure) if failure else None),
            retryable=found["retryable"] and not job.cancel_requested,
        )
    )


def _why(run: Run, job: Job, found: dict[str, Any], failure: Failure | None) -> Failure | None:
    """A job that was stopped because its time or its tries were over says so, and what it cost."""
    if failure is None or not job.timed_out:
        return failure
    cost = f"{size(found['bytes_billed'])} billed" if found["bytes_billed"] else "0 bytes billed"
    code = "timed_out" if job.timed_out.startswith("timed out") else "gave_up"
    return Failure(code=code, message=f"{job.timed_out} ({cost})", next="Ask for less, or try it again later.")


async def _send_again(run: Run, job: Job) -> None:
    """Send a job that the warehouse does not know under the id that it had: should it be there after all, it is found.

    Another id is for a confirmed failure only. After some times, or when it was to be stopped, it is over.
    """
    intent, before = job.intent, run.state.waiting
    times = before.attempt + 1 if before and before.what == LOST else 1
    if job.cancel_requested or times > LOST_TIMES:
        lost = _why(run, job, {"bytes_billed": 0}, Failure(code="job_lost", message=LOST_WORDS))
        known = {"query": intent.query, "job_id": intent.job_id, "attempt": intent.attempt}
        run.append(JobFinished(**known, ok=False, failure=lost, retryable=False))
        return
    spec = spec_of(run, intent.query, intent.attempt)
    why = f"the warehouse does not know {intent.job_id} any more; it is sent again under the same id"
    run.append(Waited(what=LOST, reason=why, attempt=times, until=run.journal.ledger.now()))
    place = Place(
        run_id=run.id, seq=intent.attempt, kind=f"submit-again-{times}", inputs=spec.job_id + spec.fingerprint
    )
    await submit_job(place, acting.warehouse_of(run, intent.query), spec, look_first=True)


def _mismatch(run: Run, query_id: str, found: dict[str, Any]) -> dict[str, Any] | None:
    """A finished job whose statistics contradict what was approved keeps its result to itself."""
    plan = run.state.plan
    if not found["ok"] or plan is None or query_id not in {e.query for e in plan.estimates}:
        return None
    expected = next(e for e in plan.estimates if e.query == query_id)
    strange = sorted(set(found["tables"]) - set(expected.tables))
    if found["statement_type"] == "SELECT" and not strange:
        return None
    what = f"it read {', '.join(strange)}" if strange else f"it was a {found['statement_type'] or 'nameless'} job"
    return {
        "code": "statistics_mismatch",
        "message": f"the finished job is not what was approved: {what}; its result is withheld",
        "next": "Tell the operator.",
    }


@look(name="cancel job")
async def cancel_job(warehouse: Warehouse, job_id: str) -> None:
    """Ask the warehouse to stop the job."""
    await asyncio.to_thread(warehouse.cancel, job_id)


def cancel(run: Run, job: Job) -> None:
    """Record that the job shall stop; the poll that follows asks the warehouse, as often as it must."""
    intent = job.intent
    run.append(JobCancelRequested(query=intent.query, job_id=intent.job_id, attempt=intent.attempt))
