"""What each event must have been, given the state before it: the checks of a replay, one function a kind.

An event that the core chose is compared with the step that the core chooses now. An event that somebody else
contributed (a person, the model, the warehouse, the clock) has no check here; `apply` says whether it was legal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from bq_copilot import conversation, identity, steps
from bq_copilot import events as ev
from bq_copilot.approval import digest_of
from bq_copilot.gate.verdict import Verdict
from bq_copilot.grounding import check
from bq_copilot.phases import Phase, tools_in
from bq_copilot.prompt_bytes import PromptBytes
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.steps import Step
from bq_copilot.table_export import statement
from bq_copilot.values import Failure

if TYPE_CHECKING:
    from bq_copilot.replaying import Counts, Judge


class Mismatch(NamedTuple):
    """What was expected, and what was recorded."""

    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Bench:
    """What the checks work with."""

    shelf: Shelf
    prompts: PromptBytes
    judge: Judge
    counts: Counts


Check = Callable[[Bench, RunState, Any, Any], Mismatch | None]


def compare(bench: Bench, state: RunState, step: Step | None, event: ev.Event) -> Mismatch | None:
    """Return how `event` differs from what `state` called for, None when it does not."""
    wanted, look = CHECKS.get(event.kind, (None, None))
    if wanted is None or step is None or _is_of_a_person(event):
        return None
    bench.counts.steps += 1
    if not isinstance(step, wanted):
        return Mismatch(_name(step), event.kind)
    return look(bench, state, step, event) if look else None


def _is_of_a_person(event: ev.Event) -> bool:
    """True for a follow-up that somebody proposed, whenever they liked: no step led to it."""
    return isinstance(event, ev.FollowUpProposed) and event.turn == 0


def _name(step: Step) -> str:
    return f"the step {type(step).__name__}"


def _same(**pairs: tuple[object, object]) -> Mismatch | None:
    for name, (expected, got) in pairs.items():
        if expected != got:
            return Mismatch(f"{name} {_short(expected)}", _short(got))
    return None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _turn_requested(bench: Bench, state: RunState, step: steps.TakeTurn, e: ev.TurnRequested) -> Mismatch | None:
    found = _same(turn=(step.turn, e.turn), tools=(tools_in(state.phase), e.tools))
    if found or state.pinned is None:
        return found
    if not conversation.is_ours(state.pinned.prompt_fingerprint):
        bench.counts.other_prompts += 1
        return None
    bench.counts.prompts += 1
    digest, size = bench.prompts.of_next_turn(state, e.tools)
    return _same(prompt=(f"{digest} ({size} bytes)", f"{e.prompt_digest} ({e.prompt_bytes} bytes)"))


def _call_answered(bench: Bench, state: RunState, step: Step, e: ev.CallAnswered) -> Mismatch | None:
    if not isinstance(step, steps.AnswerCall):
        return None
    call = step.turn.taken.call if step.turn.taken else None
    found = _same(turn=(step.turn.number, e.turn), tool=(call.name if call else "", e.tool))
    return found or (_same(code=(step.problem.code, e.code), ok=(False, e.ok)) if step.problem else None)


def _question(bench: Bench, state: RunState, step: steps.AskQuestion, e: ev.QuestionAsked) -> Mismatch | None:
    return _same(question=(step.call.question, e.question), options=(step.call.options, e.options))


def _proposed(bench: Bench, state: RunState, step: steps.ProposePlan, e: ev.PlanProposed) -> Mismatch | None:
    same = _same(revision=(step.revision, e.revision), by=(step.by, e.by))
    return same or _same(queries=(step.queries, e.queries), rationale=(step.rationale, e.rationale))


def _ruled(bench: Bench, state: RunState, step: steps.RulePlan, e: ev.PlanRuled) -> Mismatch | None:
    pairs = zip(step.plan.queries, e.verdicts, strict=False)
    found = _same(revision=(step.plan.revision, e.revision))
    return found or next((m for q, v in pairs if (m := _verdict(bench, state, q.sql, v))), None)


def _profile(bench: Bench, state: RunState, step: steps.PlanProfile, e: ev.ProfilePlanned) -> Mismatch | None:
    found = _same(turn=(step.turn.number, e.turn))
    return found or _verdict(bench, state, e.query.sql, e.verdict)


def _verdict(bench: Bench, state: RunState, sql: str, recorded: Verdict) -> Mismatch | None:
    now = bench.judge(state.pinned, sql) if state.pinned else None
    if now is None or (now.gate_fingerprint, now.engines) != (recorded.gate_fingerprint, recorded.engines):
        bench.counts.other_gate += 1
        return None
    bench.counts.verdicts += 1
    if now == recorded:
        return None
    name = next(n for n in type(now).model_fields if getattr(now, n) != getattr(recorded, n))
    return Mismatch(f"verdict {name} {_short(getattr(now, name))}", _short(getattr(recorded, name)))


def _requested(bench: Bench, state: RunState, step: steps.RequestApproval, e: ev.ApprovalRequested) -> Mismatch | None:
    found = _same(revision=(step.plan.revision, e.request.revision))
    return found or _same(digest=(digest_of(e.request), e.digest))


def _intended(bench: Bench, state: RunState, step: steps.SubmitJob, e: ev.JobIntended) -> Mismatch | None:
    profile, plan = state.profile, state.plan
    of_profile = profile is not None and profile.query.id == step.query.id
    revision = profile.turn if profile and of_profile else (plan.revision if plan else 0)
    job_id = identity.job_id(state.run_id, step.query.id, revision, step.attempt)
    return _same(query=(step.query.id, e.query), attempt=(step.attempt, e.attempt), job=(job_id, e.job_id))


def _job(bench: Bench, state: RunState, step: Step, e: Any) -> Mismatch | None:
    live = [j.intent.job_id for j in state.live_jobs]
    return None if e.job_id in live else Mismatch(f"one of the live jobs {_short(live)}", f"job {e.job_id}")


def _bound(bench: Bench, state: RunState, step: steps.SubmitJob, e: Any) -> Mismatch | None:
    return _same(query=(step.query.id, e.query), attempt=(step.attempt, e.attempt), intended=(step.intended, True))


def _finished(
    bench: Bench, state: RunState, step: steps.PollJob | steps.SubmitJob, e: ev.JobFinished
) -> Mismatch | None:
    """A job is over when the warehouse says so, or when it was intended and could not be sent."""
    if not isinstance(step, steps.SubmitJob):
        return _job(bench, state, step, e)
    return _bound(bench, state, step, e) or _same(ok=(False, e.ok))


def _answer(bench: Bench, state: RunState, step: steps.WriteAnswer, e: ev.AnswerWritten) -> Mismatch | None:
    tables: dict[str, tuple[tuple[str, ...], list[list[Any]]]] = {}
    for query, result in state.results.items():
        rows = json.loads(bench.shelf.get(result.page))["rows"]
        tables[query] = (tuple(c.name for c in result.columns), rows)
    cells, loose = check(step.call.summary, step.call.citations, tables, state.question)
    bench.counts.answers += 1
    found = _same(summary=(step.call.summary, e.summary), chart=(step.call.chart, e.chart))
    return found or _same(citations=(cells, e.citations), unsupported=(loose, e.unsupported))


_BY_STEP_ONLY = frozenset({Phase.COMPLETED, Phase.PARTIAL, Phase.REFUSED, Phase.REJECTED, Phase.CANCELLED})
"""Ends that only a step leads to; a run fails, expires and is parked by what happens around it as well."""


def _ended(bench: Bench, state: RunState, step: Step, e: ev.RunEnded) -> Mismatch | None:
    if isinstance(step, steps.End) and (e.phase == step.phase or e.phase in _BY_STEP_ONLY):
        return _same(phase=(str(step.phase), e.phase), failure=(_code(step.failure), _code(e.failure)))
    return Mismatch(_name(step), f"the end {e.phase}") if e.phase in _BY_STEP_ONLY else None


def _code(failure: Failure | None) -> str:
    """A failure is its code; how it is worded may get better from release to release."""
    return failure.code if failure else "none"


def _undo(bench: Bench, state: RunState, step: steps.UndoEffect, e: Any) -> Mismatch | None:
    return _same(target=(step.undo.target, e.target))


def _export(bench: Bench, state: RunState, step: steps.ExportTable, e: ev.ExportIntended) -> Mismatch | None:
    return _same(job=(step.job_id, e.job_id), sql=(statement(state.run_id, step.wanted), e.sql))


def _turn(bench: Bench, state: RunState, step: steps.TakeTurn, e: ev.TurnTaken) -> Mismatch | None:
    return _same(turn=(step.turn, e.turn), requested=(step.requested, True))


CHECKS: dict[str, tuple[Any, Check | None]] = {
    "run_pinned": (steps.Pin, None),
    "context_pinned": (steps.Brief, None),
    "turn_requested": (steps.TakeTurn, _turn_requested),
    "turn_taken": (steps.TakeTurn, _turn),
    "call_answered": ((steps.AnswerCall, steps.PlanProfile), _call_answered),
    "question_asked": (steps.AskQuestion, _question),
    "plan_proposed": (steps.ProposePlan, _proposed),
    "plan_ruled": (steps.RulePlan, _ruled),
    "plan_estimated": (steps.EstimatePlan, None),
    "estimate_refused": (steps.EstimatePlan, None),
    "approval_requested": (steps.RequestApproval, _requested),
    "approval_consumed": (steps.ConsumeApproval, None),
    "approval_voided": (steps.ConsumeApproval, None),
    "profile_planned": (steps.PlanProfile, _profile),
    "job_intended": (steps.SubmitJob, _intended),
    "job_submitted": (steps.SubmitJob, _bound),
    "job_adopted": (steps.SubmitJob, _bound),
    "job_cancel_requested": (steps.CancelJob, _job),
    "job_finished": ((steps.PollJob, steps.SubmitJob), _finished),
    "undo_intended": (steps.UndoEffect, _undo),
    "undo_done": (steps.UndoEffect, _undo),
    "export_intended": (steps.ExportTable, _export),
    "export_done": (steps.ExportTable, None),
    "result_read": (steps.ReadResult, None),
    "answer_written": (steps.WriteAnswer, _answer),
    "follow_up_proposed": (steps.RecordFollowUp, None),
    "run_ended": (object, _ended),
}
"""Which step leads to each event that the core chooses, and what is compared beyond that."""
