"""What programs see of a run: the documented JSON of `show`, `runs`, `pending`, `verify` and `trace`.

Pure functions from the folded state (and the stored result pages) to plain dictionaries. Keys are additive only:
none is renamed, removed or given another meaning. Times are ISO 8601 in UTC, bytes are bytes, money is US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from bq_copilot.approval import ApprovalRequest, QueryFacts
from bq_copilot.events import ResultRead
from bq_copilot.notice_views import notices
from bq_copilot.parts import Part, parts
from bq_copilot.phases import Phase
from bq_copilot.state import Job, Plan, RunState
from bq_copilot.steps import next_step
from bq_copilot.values import Cell, Chart
from bq_copilot.view_types import (
    AnswerView,
    ApprovalView,
    ChartView,
    CitationView,
    ColumnView,
    ErrorView,
    FollowUpView,
    JobView,
    PartView,
    QueryView,
    QuestionView,
    ReceiptsView,
    ResultView,
    ShowView,
    SpentView,
    WaitView,
)
from bq_copilot.wording import step_words

Rows = Sequence[Sequence[Any]]
Pages = Mapping[str, Rows]
"""Query id -> the stored rows of its result."""


def show(state: RunState, pages: Pages, receipts: ReceiptsView | None = None) -> ShowView:
    """Return everything that a reader of one run needs."""
    received, started, pinned, waiting = state.received, state.started, state.pinned, state.waiting
    return ShowView(
        run_id=state.run_id,
        phase=str(state.phase),
        step=step_words(next_step(state)),
        question=state.question,
        requester=state.requester,
        request_key=received.request_key if received else "",
        via=received.via if received else "",
        received_at=stamp(state.received_at),
        ended_at=stamp(state.ended_at),
        seq=state.seq,
        attempt=started.attempt if started else 0,
        flow_run_id=started.flow_run_id if started else None,
        parent_seq=(received.parent_seq or None) if received else None,
        forked=_forked(state),
        parent_run=_parent(state),
        follows_up=received.follow_up.series if received and received.follow_up else None,
        sandbox=pinned.sandbox if pinned else None,
        warehouse=pinned.warehouse if pinned else None,
        model=pinned.model if pinned else None,
        waiting=_waiting(state) if waiting else None,
        question_open=_question(state),
        approval=approval(state),
        jobs=[_job(job) for job in (*state.past_jobs, *state.jobs.values())],
        parts=[_part(p) for p in parts(state)],
        results=[_result(state.results[q], pages) for q in answered_queries(state)],
        answer=_answer(state, pages),
        follow_ups=_follow_ups(state),
        cancel_requested_by=state.cancel.by if state.cancel else None,
        notices=notices(state),
        error=_error(state),
        spent=spent(state),
        receipts=receipts,
    )


def _forked(state: RunState) -> list[str] | None:
    if state.forked is None:
        return None
    left = [f"not taken over: {', '.join(state.forked.dropped)}"] if state.forked.dropped else []
    return [*state.forked.edits, *left]


def _parent(state: RunState) -> str | None:
    """The run that this one was forked from, or whose answer it follows up."""
    received = state.received
    if received is None:
        return None
    return received.follow_up.parent if received.follow_up else received.parent_run or None


def _follow_ups(state: RunState) -> list[FollowUpView]:
    asked = {s.requested.number: s for s in state.series}
    return [
        FollowUpView(
            when=f.when,
            question=f.question,
            series=asked[i].id if i in asked else None,
            decided=(d.verdict if (d := asked[i].decided) else None) if i in asked else None,
        )
        for i, f in enumerate(state.follow_ups)
    ]


def spent(state: RunState) -> SpentView:
    """Return what the run has cost so far."""
    return SpentView(
        turns=len(state.turns), tokens=state.tokens, usd=round(state.usd, 6), bytes_billed=state.bytes_billed
    )


def answered_queries(state: RunState) -> list[str]:
    """Return the plan's queries whose result is stored, in the plan's order; looks at columns left out."""
    planned = [q.id for q in state.plan.all_queries] if state.plan else []
    return [q for q in planned if q in state.results]


def main_query(state: RunState) -> str | None:
    """Return the query that the answer's table shows: the chart's, else the last one with a result."""
    queries = answered_queries(state)
    named = state.answer.chart.query if state.answer else ""
    return named if named in queries else (queries[-1] if queries else None)


def newest_request(state: RunState) -> Plan | None:
    """Return the newest plan revision that a person was asked about."""
    plans = (*state.earlier, *([state.plan] if state.plan else []))
    return next((p for p in reversed(plans) if p.request is not None), None)


def approval(state: RunState) -> ApprovalView | None:
    """Return the newest approval request, None before there was one."""
    plan = newest_request(state)
    if plan is None or plan.request is None:
        return None
    request, decided = plan.request, plan.decided
    expired = state.phase is Phase.EXPIRED and decided is None
    return ApprovalView(
        request_id=request.request_id,
        digest=plan.digest,
        revision=plan.revision,
        open=state.phase is Phase.AWAITING_APPROVAL and decided is None,
        sql=[q.sql for q in request.queries],
        queries=[_query(q, plan) for q in request.queries],
        bytes=request.total_bytes,
        usd=request.total_usd,
        created_at=request.created_at.isoformat(),
        expires_at=request.expires_at.isoformat(),
        **_who(request, plan),
        decided_by=decided.by if decided else None,
        decided_at=stamp(plan.decided_at),
        verdict=decided.verdict if decided else ("expired" if expired else None),
        reason=decided.reason if decided else "",
        voided=plan.voided,
        changes=list(plan.void_changes),
        rationale=plan.rationale,
        note=plan.note,
    )


class _Who(TypedDict):
    tier: int
    approvers_needed: int
    approvers_allowed: list[str]
    approved_by: list[str]
    requester_excluded: bool
    code_required: bool


def _who(request: ApprovalRequest, plan: Plan) -> _Who:
    rule = request.approvers
    return _Who(
        tier=rule.tier,
        approvers_needed=rule.needed,
        approvers_allowed=[*rule.allowed, *plan.delegates],
        approved_by=[d.by for d in plan.approvals],
        requester_excluded=rule.exclude_requester,
        code_required=rule.require_code,
    )


def _query(facts: QueryFacts, plan: Plan) -> QueryView:
    purposes = {q.id: q.purpose for q in plan.queries}
    return QueryView(
        query=facts.id,
        purpose=purposes.get(facts.id, ""),
        sql=facts.sql,
        sql_digest=facts.sql_digest,
        tables=[t.table for t in facts.tables],
        columns=list(facts.columns),
        bytes=facts.bytes,
        accuracy=facts.accuracy,
        usd=facts.usd,
        notes=list(facts.notes),
    )


def _question(state: RunState) -> QuestionView | None:
    asked = state.asked
    if asked is None or state.phase is not Phase.AWAITING_ANSWER:
        return None
    return QuestionView(question=asked.question, options=list(asked.options), expires_at=asked.expires_at.isoformat())


def _job(job: Job) -> JobView:
    intent, done = job.intent, job.finished
    why = done.failure if done else None
    return JobView(
        query=intent.query,
        job_id=intent.job_id,
        project=intent.project,
        location=intent.location,
        attempt=intent.attempt,
        state=job.state,
        adopted=job.adopted,
        ok=done.ok if done else None,
        bytes_processed=done.bytes_processed if done else 0,
        bytes_billed=done.bytes_billed if done else 0,
        maximum_bytes_billed=intent.maximum_bytes_billed,
        cache_hit=done.cache_hit if done else False,
        milliseconds=done.milliseconds if done else 0,
        destination=intent.destination,
        error=ErrorView(code=why.code, message=why.message, next=why.next) if why else None,
    )


def _part(part: Part) -> PartView:
    why = part.failure
    return PartView(
        query=part.query,
        state=part.state,
        attempts=part.attempts,
        bytes_billed=part.bytes_billed,
        safe_to_retry=part.safe_to_retry,
        advice=part.advice,
        error=ErrorView(code=why.code, message=why.message, next=why.next) if why else None,
    )


def _result(result: ResultRead, pages: Pages) -> ResultView:
    rows = [list(row) for row in pages.get(result.query, ())]
    return ResultView(
        query=result.query,
        job_id=result.job_id,
        columns=[ColumnView(name=c.name, type=c.type) for c in result.columns],
        rows=rows,
        row_count=result.row_count,
        truncated=result.row_count > result.rows_kept,
        destination=result.destination,
    )


def _answer(state: RunState, pages: Pages) -> AnswerView | None:
    answer, query = state.answer, main_query(state)
    if answer is None:
        return None
    result = _result(state.results[query], pages) if query else None
    return AnswerView(
        summary=answer.summary,
        query=query,
        columns=result["columns"] if result else [],
        rows=result["rows"] if result else [],
        row_count=result["row_count"] if result else 0,
        truncated=result["truncated"] if result else False,
        chart=chart_view(answer.chart),
        citations=[_citation(c, state) for c in answer.citations],
        unsupported=list(answer.unsupported),
        model=answer.model,
    )


def chart_view(chart: Chart) -> ChartView | None:
    """Return what is drawn, None when nothing is."""
    if chart.kind == "none":
        return None
    return ChartView(kind=chart.kind, query=chart.query, x=chart.x, y=list(chart.y), title=chart.title)


def _citation(cell: Cell, state: RunState) -> CitationView:
    result = state.results.get(cell.query)
    return CitationView(
        figure=cell.figure,
        query=cell.query,
        job_id=result.job_id if result else None,
        row=cell.row,
        column=cell.column,
        value=cell.value,
        supported=cell.supported,
    )


def _waiting(state: RunState) -> WaitView:
    w = state.waiting
    assert w is not None
    return WaitView(what=w.what, reason=w.reason, attempt=w.attempt, until=w.until.isoformat())


def _error(state: RunState) -> ErrorView | None:
    why = state.failure
    return ErrorView(code=why.code, message=why.message, next=why.next) if why else None


def stamp(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601, None for none."""
    return moment.isoformat() if moment else None
