"""Tell the model what its call came to, and record the answer with every figure checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bq_copilot import repairs, replies, rhythm, toolbox
from bq_copilot.bounded import clip
from bq_copilot.errors import Refused
from bq_copilot.events import (
    AnswerWritten,
    CallAnswered,
    FollowUpProposed,
    ProfilePlanned,
    QuestionAsked,
)
from bq_copilot.grounding import check
from bq_copilot.profile import profile_query, profile_row
from bq_copilot.state import Job, Plan, Turn
from bq_copilot.steps import AnswerCall, AskQuestion, PlanProfile, RecordFollowUp, WriteAnswer
from bq_copilot.values import Failure, Query
from tasks.run import Run


@dataclass(frozen=True, slots=True)
class Content:
    """The content of one tool result."""

    text: str
    ok: bool = True
    code: str = ""
    untrusted: bool = False


def _failed(code: str, text: str) -> Content:
    return Content(text, ok=False, code=code, untrusted='"untrusted":true' in text)


def answer_call(run: Run, step: AnswerCall) -> None:
    """Record the content of the tool result for the open call."""
    call = step.turn.taken.call if step.turn.taken else None
    content = _content(run, step)
    run.append(
        CallAnswered(
            turn=step.turn.number,
            tool=call.name if call else "",
            ok=content.ok,
            code=content.code,
            content=run.env.shelf.put(content.text),
            untrusted=content.untrusted,
        )
    )


def _content(run: Run, step: AnswerCall) -> Content:
    if step.problem is not None:
        return _failed(step.problem.code, replies.failure(step.problem.code, step.problem.message))
    assert step.turn.taken is not None
    match toolbox.parse(step.turn.taken.call, step.turn.tools):
        case toolbox.ListTables(search=search):
            units = run.tables_for(search or run.state.question, replies.MAX_TABLES)
            return Content(replies.table_list(run.catalog, run.policy, units), untrusted=True)
        case toolbox.DescribeTable(table=table, search=search):
            return _described(run, table, search or run.state.question)
        case toolbox.AskUser():
            assert run.state.answered is not None
            return Content(replies.ok({"answer": run.state.answered.answer}, untrusted=False))
        case toolbox.ProfileColumn() as call:
            return _profiled(run, call)
        case toolbox.ProposePlan():
            return _plan_outcome(run)
        case toolbox.ScheduleFollowUp():
            return Content(replies.ok({"status": "proposed"}, untrusted=False))
        case other:
            raise Refused(f"{type(other).__name__} has no answer here")


def _described(run: Run, table: str, search: str) -> Content:
    text = replies.table_description(run.catalog, run.policy, table, search)
    known = text.startswith('{"ok":true')
    return Content(text, ok=known, code="" if known else "unknown_table", untrusted=known)


def _profiled(run: Run, call: toolbox.ProfileColumn) -> Content:
    profile = run.state.profile
    assert profile is not None
    result = run.state.results.get(profile.query.id)
    if result is None:
        return _failed(
            "profile_failed",
            replies.failure("profile_failed", clip(_job_failure(run.state.jobs, profile.query.id).message, 600)),
        )
    rows = json.loads(run.env.shelf.get(result.page))["rows"]
    bound = run.policy.profile.value_characters
    row = profile_row([c.name for c in result.columns], rows, bound)
    return Content(replies.profile(call.table, call.column, row), untrusted=True)


def _job_failure(jobs: Any, query_id: str) -> Failure:
    job: Job | None = jobs.get(query_id)
    why = job.finished.failure if job and job.finished else None
    return why or Failure(code="unfinished", message="the query did not finish")


def _plan_outcome(run: Run) -> Content:
    plan = run.state.plan
    assert plan is not None
    if plan.denied:
        names = [q.id for q in plan.queries]
        findings = repairs.gate_findings(plan.verdicts, names, run.catalog, run.policy)
        return _failed("gate_denied", replies.gate_denied(findings))
    if plan.refusal:
        return _refused("dry_run_failed", run, plan, *plan.refusal)
    missing = [q.id for q in plan.all_queries if q.id not in run.state.results]
    if missing:
        return _refused("query_failed", run, plan, missing[0], _job_failure(run.state.jobs, missing[0]))
    parts = [_part(run, q.id) for q in plan.all_queries]
    return Content(replies.results(parts, _changed(run, plan)), untrusted=True)


def _changed(run: Run, plan: Plan) -> dict[str, str]:
    """The SQL that is another one than the model proposed: it must not describe its own."""
    turn = next((t for t in reversed(run.state.turns) if t.taken is not None), None)
    call = toolbox.parse(turn.taken.call, turn.tools) if turn and turn.taken else None
    own = {q.id: q.sql for q in call.queries} if isinstance(call, toolbox.ProposePlan) else {}
    return {q.id: q.sql for q in plan.all_queries if own.get(q.id, q.sql).split() != q.sql.split()}


def _refused(code: str, run: Run, plan: Plan, query: str, why: Failure) -> Content:
    """Give the warehouse's error back as data; what it quotes is marked untrusted."""
    verdicts = dict(zip((q.id for q in plan.queries), plan.verdicts, strict=False))
    details = repairs.warehouse_error(why, verdicts.get(query), run.catalog, run.policy)
    left = max(run.state.limits.repairs - run.state.repairs, 0)
    return _failed(code, replies.query_failed(code, query, details, left))


def _part(run: Run, query_id: str) -> Any:
    result = run.state.results[query_id]
    page = json.loads(run.env.shelf.get(result.page))
    return query_id, result.job_id, result.columns, page, result.row_count


def plan_profile(run: Run, step: PlanProfile) -> None:
    """Judge a bounded look at one column; a denied one is answered at once."""
    turn, call = step.turn, step.call
    try:
        sql = profile_query(run.catalog, run.policy, call.table, call.column)
    except Refused as error:
        _refuse_profile(run, turn, replies.failure("profile_denied", str(error)))
        return
    verdict = run.rule(sql)
    if verdict.denied:
        findings = repairs.gate_findings([verdict], ["profile"], run.catalog, run.policy)
        _refuse_profile(run, turn, replies.gate_denied(findings))
        return
    query = Query(id=f"profile{turn.number}", purpose=f"values of {call.column}", sql=sql)
    run.append(ProfilePlanned(turn=turn.number, query=query, verdict=verdict, maximum_bytes=run.policy.profile.bytes))


def _refuse_profile(run: Run, turn: Turn, text: str) -> None:
    run.append(
        CallAnswered(
            turn=turn.number,
            tool="profile_column",
            ok=False,
            code="profile_denied",
            content=run.env.shelf.put(text),
        )
    )


def ask_question(run: Run, step: AskQuestion, seconds: int) -> None:
    """Record the clarifying question; it expires after `seconds` of the database's clock."""
    expires = run.journal.ledger.now() + timedelta(seconds=seconds)
    run.append(
        QuestionAsked(
            turn=step.turn.number,
            question=step.call.question,
            options=step.call.options,
            expires_at=expires,
            answer_kind=step.call.kind,
            topic=step.call.topic,
        )
    )


def record_follow_up(run: Run, step: RecordFollowUp) -> None:
    """Record a proposed follow-up; the model is told when its words do not say when."""
    try:
        rhythm.read(step.call.when, run.journal.ledger.now())
    except Refused as error:
        said = replies.failure(error.code, f"{error} {error.next}")
        content, turn = run.env.shelf.put(said), step.turn.number
        run.append(CallAnswered(turn=turn, tool=step.call.tool, ok=False, code=error.code, content=content))
        return
    run.append(FollowUpProposed(turn=step.turn.number, when=step.call.when, question=step.call.question))


def write_answer(run: Run, step: WriteAnswer) -> None:
    """Check every figure against the stored results and record the answer."""
    state = run.state
    tables = {}
    for query_id, result in state.results.items():
        rows = json.loads(run.env.shelf.get(result.page))["rows"]
        tables[query_id] = (tuple(c.name for c in result.columns), rows)
    cells, loose = check(step.call.summary, step.call.citations, tables, state.question)
    assert step.turn.taken is not None
    run.append(
        AnswerWritten(
            summary=step.call.summary,
            chart=step.call.chart,
            citations=cells,
            unsupported=loose,
            model=step.turn.taken.model,
        )
    )
