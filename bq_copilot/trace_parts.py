"""The parts of a trace: turns, plan revisions, jobs, decisions, starts; each a pure function of the events.

The part of `trace_view` that reads single events. Texts are given as they were recorded; whoever prints them makes
them safe.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import datetime

from bq_copilot import events as ev
from bq_copilot.errors import Damaged
from bq_copilot.events import Recorded
from bq_copilot.fork_events import CopiedTurn
from bq_copilot.gate.verdict import Verdict
from bq_copilot.shelf import Shelf
from bq_copilot.state import RunState
from bq_copilot.trace_types import (
    DecisionView,
    FindingView,
    PlanView,
    StartView,
    StopView,
    TimedJobView,
    TriedView,
    TurnView,
    VersionView,
)
from bq_copilot.values import Stored
from bq_copilot.view_types import ErrorView

SHOWN = 4_000
"""Characters of a stored text that are shown."""


def refs(event: ev.Event) -> tuple[list[str], list[str]]:
    """Return what went into an event's step and what came out of it, as names that can be looked up."""
    match event:
        case ev.RunPinned():
            inputs = [f"policy {_short(event.policy_fingerprint)}", f"schemas {_short(event.schema_fingerprint)}"]
            return inputs, [f"model {event.model}"]
        case ev.TurnRequested():
            return [f"prompt {_short(event.prompt_digest)}, {event.prompt_bytes:,} bytes"], []
        case ev.TurnTaken():
            return [], [f"call {event.call.name}" if event.call else "no call"]
        case ev.CallAnswered():
            return [], [f"text {_short(event.content.sha256)}, {event.content.size:,} bytes"]
        case ev.PlanProposed():
            return [], [f"revision {event.revision}"]
        case ev.PlanRuled():
            return [f"revision {event.revision}"], [f"{v.ruling} {_short(v.digest)}" for v in event.verdicts]
        case ev.PlanEstimated():
            return [f"revision {event.revision}"], [f"{e.query}: {e.bytes:,} bytes" for e in event.estimates]
        case ev.ApprovalRequested():
            return [f"revision {event.request.revision}"], [f"request {_short(event.digest)}"]
        case ev.ApprovalConsumed():
            return [f"request {_short(event.digest)}"], []
        case ev.JobIntended():
            return [f"fingerprint {event.fingerprint[:12]}"], [f"job {event.job_id}"]
        case ev.ResultRead():
            return [f"job {event.job_id}"], [f"page {_short(event.page.sha256)}, {event.row_count:,} rows"]
        case _:
            return [], []


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _text(stored: Stored | None, shelf: Shelf | None) -> str:
    if stored is None:
        return ""
    if stored.text is None and shelf is None:
        return ""
    try:
        text = stored.text if stored.text is not None else (shelf.get(stored) if shelf else "")
    except Damaged as error:
        return f"[{error.message}]"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def turns(events: Sequence[Recorded], shelf: Shelf | None) -> list[TurnView]:
    """Return the exchanges with the model."""
    found: list[TurnView] = []
    for one in events:
        match one.event:
            case ev.RunForked() as e:
                found += [_copied(one, n, t, shelf) for n, t in enumerate(e.turns, start=1)]
            case ev.TurnRequested() as e:
                found.append(_asked(one, e.turn, e.prompt_digest, e.prompt_bytes, e.tools))
            case ev.TurnTaken() as e:
                _took(found[-1], one, e, shelf)
            case ev.CallAnswered() as e:
                _told(found[-1], e, shelf)
            case _:
                pass
    return found


def _copied(one: Recorded, number: int, turn: CopiedTurn, shelf: Shelf | None) -> TurnView:
    """A turn that was taken over cost nothing here."""
    view = _asked(one, number, turn.prompt_digest, 0, turn.tools)
    _took(view, one, turn.taken, shelf)
    view["tokens"], view["usd"] = 0, 0.0
    if turn.answered is not None:
        _told(view, turn.answered, shelf)
    return view


def _told(turn: TurnView, e: ev.CallAnswered, shelf: Shelf | None) -> None:
    turn["ok"], turn["code"], turn["untrusted"] = e.ok, e.code, e.untrusted
    turn["content"] = _text(e.content, shelf)
    turn["content_digest"], turn["content_bytes"] = e.content.sha256, e.content.size


def _asked(one: Recorded, number: int, digest: str, size: int, tools: tuple[str, ...]) -> TurnView:
    return TurnView(
        turn=number,
        seq=one.seq,
        since=one.at.isoformat(),
        seconds=0.0,
        model="",
        tools=list(tools),
        prompt_digest=digest,
        prompt_bytes=size,
        call=None,
        arguments="",
        said="",
        ok=None,
        code="",
        untrusted=False,
        content="",
        content_digest="",
        content_bytes=0,
        tokens=0,
        usd=0.0,
    )


def _took(turn: TurnView, one: Recorded, e: ev.TurnTaken, shelf: Shelf | None) -> None:
    since = datetime.fromisoformat(turn["since"])
    turn["seconds"] = round((one.at - since).total_seconds(), 3)
    turn["model"], turn["said"] = e.model, _text(e.text, shelf)
    turn["call"], turn["arguments"] = (e.call.name, e.call.arguments[:SHOWN]) if e.call else (None, "")
    turn["tokens"], turn["usd"] = e.usage.prompt_tokens + e.usage.completion_tokens, e.usage.usd


def plans(events: Sequence[Recorded]) -> list[PlanView]:
    """Return the plan revisions, each with the SQL's difference to the revision before."""
    found: list[PlanView] = []
    for one in events:
        match one.event:
            case ev.PlanProposed() as e:
                found.append(_proposed(one, e, found[-1] if found else None))
            case ev.PlanRuled() as e if found:
                for query, verdict in zip(found[-1]["queries"], e.verdicts, strict=False):
                    _judge(query, verdict)
            case ev.PlanEstimated() as e if found:
                for query, estimate in zip(found[-1]["queries"], e.estimates, strict=False):
                    query["bytes"] = estimate.bytes
            case ev.EstimateRefused() as e if found:
                found[-1]["refused"] = f"{e.query}: {e.failure.message}"
            case ev.ApprovalVoided() as e if found:
                found[-1]["voided"], found[-1]["changes"] = e.reason, list(e.changes)
            case _:
                pass
    return found


def _proposed(one: Recorded, e: ev.PlanProposed, before: PlanView | None) -> PlanView:
    earlier = {q["query"]: q["sql"] for q in before["queries"]} if before else {}
    queries = [
        VersionView(
            query=q.id,
            purpose=q.purpose,
            sql=q.sql,
            diff=_diff(earlier[q.id], q.sql) if q.id in earlier else [],
            ruling=None,
            findings=[],
            engines=[],
            bytes=None,
        )
        for q in e.queries
    ]
    return PlanView(
        revision=e.revision,
        seq=one.seq,
        at=one.at.isoformat(),
        by=e.by,
        note=e.note,
        rationale=e.rationale,
        queries=queries,
        refused="",
        voided="",
        changes=[],
    )


def _diff(before: str, now: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def _judge(query: VersionView, verdict: Verdict) -> None:
    query["ruling"], query["engines"] = str(verdict.ruling), list(verdict.engines)
    query["findings"] = [
        FindingView(rule=f.rule, severity=str(f.severity), line=f.line, subject=f.subject, message=f.message)
        for f in verdict.findings
    ]


def jobs(events: Sequence[Recorded]) -> list[TimedJobView]:
    """Return the warehouse jobs, every attempt of them."""
    found: dict[str, TimedJobView] = {}
    for one in events:
        match one.event:
            case ev.JobIntended() as e:
                found[e.job_id] = _intended(one, e)
            case (ev.JobSubmitted() | ev.JobAdopted()) as e if e.job_id in found:
                found[e.job_id]["state"], found[e.job_id]["adopted"] = e.state, e.kind == "job_adopted"
            case ev.JobFinished() as e if e.job_id in found:
                _finished(found[e.job_id], one, e)
            case _:
                pass
    return list(found.values())


def _intended(one: Recorded, e: ev.JobIntended) -> TimedJobView:
    return TimedJobView(
        query=e.query,
        job_id=e.job_id,
        project=e.project,
        location=e.location,
        attempt=e.attempt,
        state="INTENDED",
        adopted=False,
        ok=None,
        bytes_processed=0,
        bytes_billed=0,
        maximum_bytes_billed=e.maximum_bytes_billed,
        cache_hit=False,
        milliseconds=0,
        destination=e.destination,
        error=None,
        seq=one.seq,
        since=one.at.isoformat(),
        seconds=0.0,
    )


def _finished(job: TimedJobView, one: Recorded, e: ev.JobFinished) -> None:
    why = e.failure
    job["state"], job["ok"], job["cache_hit"], job["milliseconds"] = "DONE", e.ok, e.cache_hit, e.milliseconds
    job["bytes_processed"], job["bytes_billed"] = e.bytes_processed, e.bytes_billed
    job["error"] = ErrorView(code=why.code, message=why.message, next=why.next) if why else None
    job["seconds"] = round((one.at - datetime.fromisoformat(job["since"])).total_seconds(), 3)


def decision(before: RunState, one: Recorded, e: ev.ApprovalDecided | ev.DecisionRefused) -> DecisionView:
    """Return who decided what, and how long after they were asked."""
    d, asked = e.decision, before.plan.requested_at if before.plan else None
    return DecisionView(
        seq=one.seq,
        at=one.at.isoformat(),
        request_id=d.request_id,
        verdict=d.verdict,
        by=d.by,
        via=d.via,
        identity=d.identity,
        reason=d.reason,
        after_seconds=round((one.at - asked).total_seconds(), 3) if asked else 0.0,
        refused=e.failure.message if isinstance(e, ev.DecisionRefused) else "",
    )


def start(before: RunState, one: Recorded, e: ev.RunStarted) -> StartView:
    """Return which process took the run, and how long it had stood still."""
    return StartView(
        seq=one.seq,
        at=one.at.isoformat(),
        attempt=e.attempt,
        reason=e.reason,
        why=e.why,
        host=e.host,
        flow_run_id=e.flow_run_id,
        idle_seconds=round((one.at - before.at).total_seconds(), 3) if before.at else 0.0,
    )


def stop(one: Recorded, e: ev.CancelRequested) -> StopView:
    """Return who asked the run to stop."""
    return StopView(seq=one.seq, at=one.at.isoformat(), by=e.by, via=e.via, reason=e.reason)


def tried(one: Recorded, e: ev.Waited) -> TriedView:
    """Return a wait before the next try."""
    return TriedView(seq=one.seq, what=e.what, reason=e.reason, attempt=e.attempt, until=e.until.isoformat())
