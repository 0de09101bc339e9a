"""One short sentence for each step and each event, for people who watch a run.

Written from the same values that the executor acts on, so that what is said cannot drift from what is done. It
returns text as it was recorded; whoever prints it makes it safe for the terminal.
"""

from __future__ import annotations

from typing import assert_never

from bq_copilot import events as ev
from bq_copilot import steps
from bq_copilot.amounts import money, size
from bq_copilot.follow_up_wording import follow_up_words
from bq_copilot.notice_wording import notice_words
from bq_copilot.steps import Step


def step_words(step: Step) -> str:  # noqa: PLR0912 - one arm a step
    """Return what the run does next, as the end of the sentence "the run …"."""
    match step:
        case steps.Pin():
            return "reads the schemas"
        case steps.Brief():
            return "gathers what is known about the question"
        case steps.TakeTurn():
            return f"asks the model (turn {step.turn})"
        case steps.AnswerCall():
            return "answers the model"
        case steps.AskQuestion():
            return "puts a question to you"
        case steps.AwaitAnswer():
            return "waits for an answer"
        case steps.PlanProfile():
            return f"checks a look at {step.call.column}"
        case steps.ProposePlan():
            return f"records plan revision {step.revision}"
        case steps.RulePlan():
            return "puts the SQL before the gate"
        case steps.EstimatePlan():
            return "dry-runs the SQL"
        case steps.RequestApproval():
            return "prepares the approval request"
        case steps.AwaitDecision():
            return "waits for approval"
        case steps.ConsumeApproval():
            return "compares the approved facts with fresh ones"
        case steps.SubmitJob():
            return f"submits {step.query.id} (attempt {step.attempt})"
        case steps.PollJob():
            return f"waits for job {step.job.intent.query}"
        case steps.CancelJob():
            return f"stops job {step.job.intent.query}"
        case steps.UndoEffect() | steps.ExportTable():
            return _afterwards(step)
        case steps.ReadResult():
            return f"reads the result of {step.job.intent.query}"
        case steps.WriteAnswer():
            return "checks the figures of the answer"
        case steps.RecordFollowUp():
            return "records a follow-up"
        case steps.RequestFollowUp():
            return "prepares the follow-up's form"
        case steps.AwaitFollowUp():
            return "is answered, and waits for a word on its follow-up"
        case steps.ScheduleSeries():
            return f"schedules follow-up {step.series.id}"
        case steps.ReusePlan():
            return "takes over the plan that was accepted before"
        case steps.CheckReuse():
            return f"looks whether the earlier result of {step.query.id} is still right"
        case steps.End():
            return f"ends as {step.phase}"
        case steps.Done():
            return f"has ended as {step.phase}"
        case _:
            assert_never(step)


def _afterwards(step: steps.UndoEffect | steps.ExportTable) -> str:
    if isinstance(step, steps.ExportTable):
        return f"exports {step.wanted.query} to {step.wanted.target}"
    verb = {"delete_follow_up": "deletes follow-up", "revoke_grant": "revokes the grant of"}
    return f"{verb.get(step.undo.action, 'removes')} {step.undo.target}"


def event_words(event: ev.Event) -> str:  # noqa: PLR0912 - one arm an event
    """Return what happened, in one line."""
    match event:
        case ev.RunReceived():
            return f"{event.requester} asked via {event.via}: {event.question}"
        case ev.RunForked():
            edits = f": {'; '.join(event.edits)}" if event.edits else ""
            return f"{event.by} forked {event.parent_run} after event {event.parent_seq}{edits}"
        case ev.RunStarted():
            why = f" ({event.why})" if event.why else ""
            return f"{event.reason}, attempt {event.attempt} on {event.host}{why}"
        case ev.RunPinned():
            where = "sandbox, not BigQuery" if event.sandbox else event.warehouse
            return f"policy, schemas and model fixed: {event.model}; {where}"
        case ev.ContextPinned():
            return _briefed(event)
        case ev.TurnRequested():
            return f"turn {event.turn}: model asked, {size(event.prompt_bytes)} of prompt"
        case ev.TurnTaken():
            used = event.usage.prompt_tokens + event.usage.completion_tokens
            return f"turn {event.turn}: {event.call.name if event.call else 'no tool call'}, {used:,} tokens"
        case ev.CallAnswered():
            said = "ok" if event.ok else f"error {event.code}"
            return f"turn {event.turn}: {event.tool or 'no tool'} answered, {said}"
        case ev.QuestionAsked():
            return f"asked you: {event.question}"
        case ev.QuestionAnswered():
            return f"{event.by} answered: {event.answer}"
        case ev.PlanProposed():
            why = f" ({event.note})" if event.note else ""
            return f"plan revision {event.revision} by {event.by}: {_ids([q.id for q in event.queries])}{why}"
        case ev.PlanRuled():
            return f"gate ruled revision {event.revision}: {_ids([str(v.ruling) for v in event.verdicts])}"
        case ev.PlanEstimated():
            read = sum(e.bytes for e in event.estimates)
            return f"dry run of revision {event.revision}: reads {size(read)}"
        case ev.EstimateRefused():
            return f"dry run of {event.query} refused: {event.failure.message}"
        case _:
            return _later_words(event)


def _later_words(event: ev.Event) -> str:  # noqa: PLR0912 - one arm an event
    match event:
        case ev.ApprovalRequested():
            asked = event.request
            return f"approval {asked.request_id} asked: {size(asked.total_bytes)}, {money(asked.total_usd)}"
        case ev.ApprovalDecided():
            return f"{_verdict(event.decision.verdict)} by {event.decision.by} via {event.decision.via}"
        case ev.DecisionRefused():
            return f"{event.decision.verdict} by {event.decision.by} refused: {event.failure.message}"
        case ev.ApprovalVoided():
            return f"approval voided: {event.reason}"
        case ev.ApprovalConsumed():
            return f"approval {event.request_id} checked and used"
        case ev.ProfilePlanned():
            return f"bounded look planned: {event.query.purpose}"
        case ev.JobIntended():
            return f"{event.query}: job {event.job_id} intended (attempt {event.attempt})"
        case ev.JobSubmitted():
            return f"{event.query}: job submitted, {event.state}"
        case ev.JobAdopted():
            return f"{event.query}: job was there already, adopted, {event.state}"
        case ev.JobCancelRequested():
            why = f": {event.reason}" if event.reason else ""
            return f"{event.query}: warehouse asked to stop the job{why}"
        case ev.JobFinished():
            return f"{event.query}: {_finished(event)}"
        case ev.ResultRead():
            return f"{event.query}: {event.row_count:,} rows, {event.rows_kept:,} kept"
        case ev.AnswerWritten():
            loose = f", {len(event.unsupported)} figures unsupported" if event.unsupported else ""
            return f"answer written, {len(event.citations)} citations{loose}"
        case ev.AnswerRated():
            return f"{event.by} rated the answer {event.verdict}"
        case ev.FollowUpProposed():
            return f"follow-up proposed for {event.when}: {event.question}"
        case ev.Waited():
            return f"waits ({event.what}, attempt {event.attempt}): {event.reason}"
        case ev.CancelRequested():
            return f"{event.by} asked to cancel via {event.via}"
        case _:
            return _undo_words(event)


def _undo_words(event: ev.Event) -> str:
    match event:
        case ev.CancelUnconfirmed():
            return f"cancel unconfirmed (try {event.tries}): {event.reason}"
        case ev.UndoIntended():
            return f"{_UNDO[event.action]} {event.target} is to be removed"
        case ev.UndoDone():
            why = f": {event.failure.message}" if event.failure else ""
            return f"{_UNDO[event.action]} {event.target}: {_OUTCOME[event.outcome]}{why}"
        case ev.UndoRequested():
            return f"{event.by} asked to remove what it left via {event.via}"
        case ev.ExportRequested():
            until = f"{event.expires_at:%Y-%m-%d %H:%M} UTC"
            return f"{event.by} asked to export {event.query} to {event.target} until {until} via {event.via}"
        case ev.ExportIntended():
            return f"job {event.job_id} is about to export"
        case ev.ExportDone():
            billed = f"{size(event.bytes_billed)} billed" if event.failure is None else event.failure.message
            return f"export to {event.target}: {billed}"
        case ev.RetryRequested():
            return f"{event.by} asked to try the rest again via {event.via}"
        case ev.NoticeIntended() | ev.NoticeGiven() | ev.NoticeFailed():
            return notice_words(event)
        case ev.RunEnded():
            return f"{event.phase}: {event.failure.message}" if event.failure else event.phase
        case _:
            return follow_up_words(event) or event.kind.replace("_", " ")


_UNDO = {"drop_table": "scratch table", "delete_follow_up": "follow-up", "revoke_grant": "grant of"}

_OUTCOME = {
    "done": "removed",
    "absent": "not there",
    "not_ours": "left alone, it is not this run's",
    "failed": "not removed",
}


def _briefed(event: ev.ContextPinned) -> str:
    parts = [f"{len(event.tables)} tables found"]
    if event.notes_name:
        parts.append(f"notes {event.notes_name} v{event.notes_version}")
    if event.examples:
        parts.append(f"{len(event.examples)} accepted queries")
    if event.after_run:
        parts.append(f"after {event.after_run}")
    return f"briefed: {', '.join(parts)}"


def _finished(event: ev.JobFinished) -> str:
    if event.ok:
        return f"job done in {event.milliseconds / 1000:.1f} s, {size(event.bytes_billed)} billed"
    return f"job failed: {event.failure.message if event.failure else 'no reason given'}"


def _verdict(verdict: str) -> str:
    words = {"approve": "approved", "reject": "rejected", "edit": "edited", "delegate": "delegated"}
    return words.get(verdict, verdict)


def _ids(names: list[str]) -> str:
    return ", ".join(names)
