"""What became of each query of a plan: finished, failed, stopped, or never run; its bytes; whether to try it again.

Pure, from the folded state. Every job writes to a table of its own attempt, so trying one again is safe as soon as
the attempt before it is known to be over; the words say where it would only fail again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bq_copilot.amounts import size
from bq_copilot.state import Job, RunState
from bq_copilot.values import Failure

PartState = Literal["finished", "failed", "running", "unconfirmed", "not_run"]

AGAIN = frozenset({"invalidQuery", "invalid", "notFound", "accessDenied", "bytesBilledLimitExceeded"})
"""Reasons for which the same statement fails again until somebody changes something."""


@dataclass(frozen=True, slots=True)
class Part:
    """One query of the plan."""

    query: str
    state: PartState
    attempts: int
    bytes_billed: int
    safe_to_retry: bool
    advice: str
    """What a retry would do, in words."""
    failure: Failure | None = None


def failed_for_good(state: RunState, query: str) -> Failure | None:
    """Return why the query's newest job failed, None while it has not."""
    job = state.jobs.get(query)
    if job is None or job.finished is None or job.finished.ok:
        return None
    return job.finished.failure or Failure(code="unknown", message="no reason given")


def parts(state: RunState) -> tuple[Part, ...]:
    """Return what became of every query whose result would count, in the plan's order; none before it was approved."""
    plan = state.plan
    began = plan is not None and (plan.consumed or plan.attempts or plan.kept)
    return tuple(_part(state, q.id) for q in plan.all_queries) if plan and began else ()


def _part(state: RunState, query: str) -> Part:
    job = state.jobs.get(query)
    tries = [j for j in state.past_jobs if j.intent.query == query and j.finished] + ([job] if job else [])
    billed = sum(j.finished.bytes_billed for j in tries if j.finished)
    attempts = job.intent.attempt if job else (state.plan.attempts.get(query, 0) if state.plan else 0)
    if query in state.results:
        return Part(query, "finished", attempts, billed, False, "it is not run again")
    if job is None:
        return Part(query, "not_run", attempts, billed, True, "it runs for the first time" if not attempts else "again")
    if job.finished is None:
        return _living(query, job, attempts, billed)
    why = failed_for_good(state, query)
    code = why.code if why else ""
    return Part(query, "failed", attempts, billed, True, _advice(code), why)


def _living(query: str, job: Job, attempts: int, billed: int) -> Part:
    kind: PartState = "unconfirmed" if job.cancel_requested else "running"
    return Part(query, kind, attempts, billed, False, "not before its job is known to be over")


def _advice(code: str) -> str:
    if code in AGAIN:
        return "safe, but it fails again until what it says is changed"
    if code == "quotaExceeded":
        return "safe, once the quota is there again"
    return "safe: another attempt, into another table"


def partial(state: RunState) -> Failure:
    """Return the reason of a run of which only a part has finished."""
    found = parts(state)
    done = [p for p in found if p.state == "finished"]
    lines = [f"partial: {len(done)} of {len(found)} queries finished ({_cost(sum(p.bytes_billed for p in found))})"]
    lines += [f"{p.query} failed: {p.failure.message}" for p in found if p.failure is not None]
    unrun = [p.query for p in found if p.state == "not_run"]
    lines += [f"{', '.join(unrun)} did not run"] if unrun else []
    return Failure(
        code="partial",
        message="; ".join(lines),
        next=f"`bq-copilot retry {state.run_id}` runs only the rest; what finished stays readable.",
    )


def nothing_finished(state: RunState) -> Failure:
    """Return the reason of a run none of whose queries has finished: that of the first one that failed."""
    found = parts(state)
    part = next(p for p in found if p.failure is not None)
    assert part.failure is not None
    times = f" after {part.attempts} attempts" if part.attempts > 1 else ""
    cost = "" if "billed" in part.failure.message else f" ({_cost(sum(p.bytes_billed for p in found))})"
    hint = f"`bq-copilot retry {state.run_id}` tries it again."
    return Failure(
        code=part.failure.code,
        message=f"{part.query} failed{times}: {part.failure.message}{cost}",
        next=f"{part.failure.next} {hint}".strip(),
    )


def _cost(billed: int) -> str:
    return f"{size(billed)} billed" if billed else "0 bytes billed"
