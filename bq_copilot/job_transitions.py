"""How the events of warehouse jobs and their results change the state of a run.

Part of `transitions`, under its rules: pure, total, and an event that cannot happen here raises `IllegalTransition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.legality import need
from bq_copilot.state import Job, RunState

V = TypeVar("V")


def _with(mapping: Mapping[str, V], key: str, value: V) -> Mapping[str, V]:
    return MappingProxyType({**mapping, key: value})


def profile_planned(state: RunState, rec: Recorded, e: ev.ProfilePlanned) -> RunState:
    turn = state.open_turn
    open_ = turn is not None and turn.number == e.turn and state.profile is None
    need(open_, state, e.kind, "no profile was asked for")
    return replace(state, profile=e)


def job_intended(state: RunState, rec: Recorded, e: ev.JobIntended) -> RunState:
    need(state.cancel is None, state, e.kind, "the run is being cancelled")
    plan, profile = state.plan, state.profile
    by_plan = plan is not None and plan.consumed and e.query in {q.id for q in plan.queries}
    by_profile = profile is not None and profile.query.id == e.query
    need(by_plan or by_profile, state, e.kind, "no approval covers this query")
    before = state.jobs.get(e.query)
    if before is None:
        first = 1 + (plan.attempts.get(e.query, 0) if plan is not None and by_plan else 0)
        need(e.attempt == first, state, e.kind, f"the first attempt is {first}")
        return replace(state, jobs=_with(state.jobs, e.query, Job(e)))
    failed = before.finished is not None and not before.finished.ok and before.finished.retryable
    need(failed and e.attempt == before.intent.attempt + 1, state, e.kind, "the last attempt stands")
    past = (*state.past_jobs, before)
    return replace(state, jobs=_with(state.jobs, e.query, Job(e)), past_jobs=past)


def _live(state: RunState, kind: str, query: str, job_id: str) -> Job:
    job = state.jobs.get(query)
    need(job is not None and job.intent.job_id == job_id and job.is_live, state, kind, "no such job lives")
    assert job is not None
    return job


def job_submitted(state: RunState, rec: Recorded, e: ev.JobSubmitted) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    need(job.state == "INTENDED", state, e.kind, "it was submitted before")
    return replace(state, jobs=_with(state.jobs, e.query, replace(job, state=e.state, sent_at=rec.at)), waiting=None)


def job_adopted(state: RunState, rec: Recorded, e: ev.JobAdopted) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    need(job.state == "INTENDED", state, e.kind, "it was submitted before")
    adopted = replace(job, state=e.state, adopted=True, sent_at=rec.at)
    return replace(state, jobs=_with(state.jobs, e.query, adopted), waiting=None)


def job_cancel_requested(state: RunState, rec: Recorded, e: ev.JobCancelRequested) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    stopping = replace(job, cancel_requested=True, timed_out=job.timed_out or e.reason)
    return replace(state, jobs=_with(state.jobs, e.query, stopping))


def job_finished(state: RunState, rec: Recorded, e: ev.JobFinished) -> RunState:
    job = _live(state, e.kind, e.query, e.job_id)
    done = replace(job, state="DONE", finished=e)
    billed = state.bytes_billed + e.bytes_billed
    jobs = _with(state.jobs, e.query, done)
    return replace(state, jobs=jobs, bytes_billed=billed, waiting=None, unconfirmed=None)


def result_read(state: RunState, rec: Recorded, e: ev.ResultRead) -> RunState:
    job = state.jobs.get(e.query)
    ok = job is not None and job.finished is not None and job.finished.ok
    need(ok and job is not None and job.intent.job_id == e.job_id, state, e.kind, "its job did not finish")
    return replace(state, results=_with(state.results, e.query, e), waiting=None)
