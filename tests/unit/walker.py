"""Random walks through the life of a run: whatever the steps allow, chosen by a seeded generator."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import get_args

from bq_copilot import events as ev
from bq_copilot import following_up, steps
from bq_copilot.approval import Decision, digest_of
from bq_copilot.errors import Refused
from bq_copilot.follow_up_events import PriorResult
from bq_copilot.gate.verdict import Ruling
from bq_copilot.journal import Journal, begin
from bq_copilot.notice_events import NoticeKind
from bq_copilot.phases import tools_in
from bq_copilot.state import RunState
from bq_copilot.table_export import statement
from bq_copilot.testing import MemoryLedger
from bq_copilot.values import Estimate, Failure, Query, ResultColumn, ToolCall
from tests.unit.samples import (
    ARGUMENTS,
    ORIGIN,
    SHELF,
    TABLE,
    briefed,
    ended,
    pinned,
    received,
    request_for,
    two_queries,
    verdict,
)


class Walker:
    """Takes one legal step after the other."""

    def __init__(self, seed: int, ledger: MemoryLedger | None = None, run_id: str = "r-walk") -> None:
        self.random = random.Random(seed)
        self.tells = random.Random(seed)
        """Chooses notices, apart: they change nothing about the walk."""
        self.ledger = ledger or MemoryLedger()
        self.retries = 0
        origin = ORIGIN if seed % 4 == 3 else None
        self.journal: Journal = begin(self.ledger, run_id, received(origin=origin))[0]

    def walk(self, most: int = 120) -> RunState:
        """Walk until the run has ended, or `most` steps."""
        for _ in range(most):
            step = steps.next_step(self.journal.state)
            if isinstance(step, steps.Done):
                if not self.taken_up():
                    break
                continue
            self.ledger.advance(self.random.choice([0.0, 0.5, 30.0]))
            self.journal.append(self.event_for(step))
            self.tell()
            if self.random.random() < 0.02 and self.journal.state.cancel is None:
                self.interrupt()
        return self.journal.state

    def tell(self) -> None:
        """Claim a notice about anything, now and then, and let it be given, fail, or be left open."""
        if self.tells.random() > 0.1:
            return
        state = self.journal.state
        before = self.tells.choice([None, *state.notices])
        try:
            self._tell(before.key if before else f"approval {state.seq}", before.attempt + 1 if before else 1)
        except Refused:
            return

    def _tell(self, key: str, attempt: int) -> None:
        about = {"key": key, "about": self.journal.state.seq, "attempt": attempt, "channel": "webhook"}
        self.journal.append(ev.NoticeIntended(notice=self.tells.choice(get_args(NoticeKind)), **about))
        chance = self.tells.random()
        if chance < 0.4:
            self.journal.append(ev.NoticeGiven(**about))
        elif chance < 0.8:
            self.journal.append(ev.NoticeFailed(**about, error="HTTP 500"))

    def taken_up(self) -> bool:
        """Ask to try the rest again, or to undo what is left, now and then, where something is."""
        if self.retries and self.random.random() < 0.5:
            return False
        self.retries += 1
        wishes = [ev.RetryRequested(by="ana", via="test"), ev.UndoRequested(by="ana", via="test"), *self._export()]
        self.random.shuffle(wishes)
        return any(self._accepted(wish) for wish in wishes)

    def _accepted(self, wish: ev.Event) -> bool:
        try:
            self.journal.append(wish)
        except Refused:
            return False
        return True

    def interrupt(self) -> None:
        """Cancel, where that is still possible."""
        try:
            self.journal.append(ev.CancelRequested(by="ana", via="test"))
        except Refused:
            return

    def event_for(self, step: steps.Step) -> ev.Event:  # noqa: PLR0912 - one arm a step
        """Return a legal event that this step could lead to."""
        state, chance = self.journal.state, self.random.random()
        match step:
            case steps.Pin():
                return pinned()
            case steps.Brief():
                return briefed()
            case steps.TakeTurn(turn=turn, requested=False):
                tools = tools_in(state.phase, follow_up=state.is_follow_up)
                return ev.TurnRequested(turn=turn, prompt_digest="d", prompt_bytes=1, tools=tools)
            case steps.TakeTurn(turn=turn):
                return self._reply(turn, state)
            case steps.AnswerCall(turn=turn, problem=problem):
                return self._answer(turn, problem, state)
            case steps.AskQuestion(turn=turn, call=call):
                expires = self.ledger.now() + timedelta(hours=1)
                return ev.QuestionAsked(
                    turn=turn.number, question=call.question, options=call.options, expires_at=expires
                )
            case steps.AwaitAnswer(asked=asked):
                if chance < 0.1:
                    return ended("expired")
                return ev.QuestionAnswered(turn=asked.turn, answer="revenue", by="ana", via="test")
            case steps.PlanProfile(turn=turn):
                query = Query(id=f"profile{turn.number}", purpose="p", sql="SELECT 1")
                return ev.ProfilePlanned(turn=turn.number, query=query, verdict=verdict(), maximum_bytes=10)
            case steps.ProposePlan(revision=revision, queries=queries, rationale=words, by=by, note=note):
                how = {"side_by_side": step.side_by_side, "keeps": step.keeps}
                return ev.PlanProposed(revision=revision, queries=queries, rationale=words, by=by, note=note, **how)
            case steps.RulePlan(plan=plan):
                ruling = Ruling.DENY if chance < 0.2 else Ruling.ALLOW
                rest = tuple(verdict() for _ in plan.queries[1:])
                return ev.PlanRuled(revision=plan.revision, verdicts=(verdict(ruling), *rest))
            case steps.EstimatePlan(plan=plan):
                return self._estimate(plan, chance)
            case steps.RequestApproval(plan=plan):
                request = request_for(state, plan, self.ledger.now(), needed=1 + (chance < 0.3))
                return ev.ApprovalRequested(request=request, digest=digest_of(request))
            case steps.AwaitDecision(plan=plan):
                return self._decision(plan, chance)
            case steps.ConsumeApproval(plan=plan):
                assert plan.request
                if chance < 0.15:
                    return ev.ApprovalVoided(request_id=plan.request.request_id, reason="drift")
                return ev.ApprovalConsumed(request_id=plan.request.request_id, digest=plan.digest)
            case _:
                return self._job_event(step, chance)

    def _reply(self, turn: int, state: RunState) -> ev.Event:
        assert state.turn
        offered = [*state.turn.tools, "no_such_tool", ""]
        weights = [6.0 if t in {"propose_plan", "write_answer"} else 1.0 for t in offered]
        name = self.random.choices(offered, weights)[0]
        arguments = json.dumps(ARGUMENTS.get(name, {}))
        if name == "propose_plan" and self.random.random() < 0.5:
            arguments = two_queries(side_by_side=self.random.random() < 0.5)
        if self.random.random() < 0.05:
            arguments = '{"broken'
        call = ToolCall(id=f"c{turn}", name=name, arguments=arguments) if name else None
        return ev.TurnTaken(turn=turn, model="m", call=call)

    def _answer(self, turn, problem, state: RunState) -> ev.Event:
        name = turn.taken.call.name if turn.taken.call else ""
        done = True
        if name == "propose_plan" and problem is None:
            plan = state.plan
            done = bool(plan and plan.consumed and {q.id for q in plan.all_queries} <= set(state.results))
        code = problem.code if problem else ("" if done else "query_failed")
        return ev.CallAnswered(
            turn=turn.number, tool=name, ok=done and problem is None, code=code, content=SHELF.put("{}")
        )

    def _estimate(self, plan, chance: float) -> ev.Event:
        if chance < 0.15:
            failure = Failure(code="invalidQuery", message="no such column")
            return ev.EstimateRefused(revision=plan.revision, query="q1", failure=failure)
        said = {"statement_type": "SELECT", "bytes": 1, "accuracy": "PRECISE", "tables": (TABLE,), "usd": 0}
        estimates = tuple(Estimate(query=q.id, columns=(), **said) for q in plan.queries)
        return ev.PlanEstimated(revision=plan.revision, estimates=estimates)

    def _decision(self, plan, chance: float) -> ev.Event:
        words = "reject" if chance < 0.1 else ("edit" if chance < 0.25 else "approve")
        if chance > 0.95:
            return ended("expired")
        decision = Decision(
            request_id=plan.request.request_id,
            digest=plan.digest,
            verdict=words,
            by=f"person{len(plan.approvals)}",
            via="test",
            sql=((plan.queries[0].id, "SELECT a FROM `p.d.t` LIMIT 1"),) if words == "edit" else (),
        )
        return ev.ApprovalDecided(decision=decision)

    def _job_event(self, step: steps.Step, chance: float) -> ev.Event:  # noqa: PLR0912 - one arm a step
        match step:
            case steps.SubmitJob(query=query, attempt=attempt, intended=False):
                return ev.JobIntended(
                    query=query.id,
                    job_id=f"j-{query.id}-{attempt}-{self.journal.state.seq}",
                    attempt=attempt,
                    project="p",
                    location="US",
                    fingerprint="f",
                    destination=f"p.s.{query.id}_{self.journal.state.seq}",
                    maximum_bytes_billed=10,
                )
            case steps.SubmitJob(query=query, attempt=attempt):
                kind = ev.JobAdopted if chance < 0.3 else ev.JobSubmitted
                known = _of(self.journal.state.jobs[query.id])
                if chance > 0.97:
                    refused = Failure(code="quotaExceeded", message="not today")
                    return ev.JobFinished(**known, ok=False, failure=refused, retryable=False)
                return kind(**known, state="PENDING")
            case steps.PollJob(job=job):
                if job.cancel_requested and chance < 0.2:
                    until = self.ledger.now() + timedelta(seconds=5)
                    jobs = tuple(j.intent.job_id for j in self.journal.state.live_jobs)
                    return ev.CancelUnconfirmed(tries=1, jobs=jobs, reason="it does not answer", until=until)
                if not job.cancel_requested and chance > 0.97:
                    return ev.JobCancelRequested(**_of(job), reason="timed out after 10 min in the job (run clock)")
                ok = chance < 0.8
                failure = None if ok else Failure(code="backendError", message="try again")
                return ev.JobFinished(**_of(job), ok=ok, bytes_billed=10, failure=failure, retryable=chance < 0.95)
            case steps.CancelJob() | steps.UndoEffect():
                return self._stop_event(step)
            case steps.ReadResult(job=job):
                column = ResultColumn(name="a", type="INT64")
                known = {"query": job.intent.query, "job_id": job.intent.job_id, "destination": "p.s.t"}
                return ev.ResultRead(
                    **known, columns=(column,), page=SHELF.put('{"rows":[[7]]}'), row_count=1, rows_kept=1
                )
            case steps.WriteAnswer():
                return ev.AnswerWritten(summary="It is 7.", chart={}, citations=(), unsupported=(), model="m")
            case steps.RecordFollowUp(turn=turn, call=call):
                return ev.FollowUpProposed(turn=turn.number, when=call.when, question=call.question)
            case steps.ExportTable():
                return self._exported(step, chance)
            case steps.ReusePlan() | steps.CheckReuse():
                return self._reuse(step, chance)
            case steps.RequestFollowUp() | steps.AwaitFollowUp() | steps.ScheduleSeries():
                return self._follow_up(step, chance)
            case steps.End(phase=phase, failure=failure):
                return ev.RunEnded(phase=phase, failure=failure)
            case _:
                raise AssertionError(step)

    def _stop_event(self, step: steps.CancelJob | steps.UndoEffect) -> ev.Event:
        match step:
            case steps.CancelJob(job=job):
                return ev.JobCancelRequested(**_of(job))
            case steps.UndoEffect(undo=undo, intended=False):
                return ev.UndoIntended(action=undo.action, target=undo.target, job_id=undo.job_id)
            case steps.UndoEffect(undo=undo):
                outcome = self.random.choice(["done", "absent", "not_ours", "failed"])
                return ev.UndoDone(action=undo.action, target=undo.target, outcome=outcome)

    def _export(self) -> list[ev.Event]:
        """A wish to have a result as a table, where there is one."""
        until = self.ledger.now() + timedelta(days=1)
        return [
            ev.ExportRequested(by="ana", via="test", query=q, source=r.destination, target="p.out.t", expires_at=until)
            for q, r in list(self.journal.state.results.items())[:1]
        ]

    def _exported(self, step: steps.ExportTable, chance: float) -> ev.Event:
        wanted, job_id = step.wanted, step.job_id if step.intended else ""
        if chance < 0.2:
            failure = Failure(code="export_not_allowed", message="no")
            return ev.ExportDone(target=wanted.target, job_id=job_id, failure=failure)
        if not step.intended:
            sql = statement(self.journal.state.run_id, wanted)
            return ev.ExportIntended(job_id=step.job_id, sql=sql, fingerprint="f", maximum_bytes_billed=1)
        return ev.ExportDone(target=wanted.target, job_id=job_id, bytes_billed=7)

    def _reuse(self, step: steps.ReusePlan | steps.CheckReuse, chance: float) -> ev.Event:
        if isinstance(step, steps.CheckReuse):
            if chance < 0.5:
                return ev.ReuseDeclined(query=step.query.id, reason="a table changed")
            return ev.ResultReused(query=step.query.id, result=step.prior)
        call = ToolCall(id="reused", name="propose_plan", arguments=json.dumps(ARGUMENTS["propose_plan"]))
        query = Query(id="q1", purpose="p", sql="SELECT a FROM `p.d.t`")
        prior = PriorResult(
            query="q1",
            sql_digest="sha256:1",
            run="r-parent",
            job_id="j-parent",
            columns=(ResultColumn(name="a", type="INT64"),),
            page=SHELF.put('{"rows":[[7]]}'),
            row_count=1,
            rows_kept=1,
            destination="p.s.t",
        )
        missing = (TABLE,) if chance < 0.1 else ()
        return ev.PlanReused(
            turn=1, run="r-parent", revision=1, queries=(query,), call=call, missing=missing, results=(prior,)
        )

    def _follow_up(
        self, step: steps.RequestFollowUp | steps.AwaitFollowUp | steps.ScheduleSeries, chance: float
    ) -> ev.Event:
        state, now = self.journal.state, self.ledger.now()
        match step:
            case steps.RequestFollowUp(number=number, proposed=proposed):
                return following_up.request_of(state, number, proposed, now, 3_600)
            case steps.AwaitFollowUp(series=series):
                if chance < 0.2:
                    self.ledger.advance(3_700)
                    return following_up.lapsed(state)
                asked, verdict = series.requested, "accept" if chance < 0.7 else "decline"
                decided = {"number": asked.number, "series": asked.series, "verdict": verdict, "by": "ana"}
                return ev.FollowUpDecided(**decided, via="test", rhythm=asked.rhythm, until=asked.until)
            case steps.ScheduleSeries(series=series):
                return ev.FollowUpScheduled(series=series.id, deployment=f"follow-up/{series.id}", deployment_id="d")


def _of(job) -> dict[str, object]:
    return {"query": job.intent.query, "job_id": job.intent.job_id, "attempt": job.intent.attempt}
