"""What a run looks like to a tracing system: spans as a pure function of its events.

One trace a run, its id computed from the run's; a span for each step, each call of the model (GenAI semantic
conventions), each warehouse job, and the run itself. Because ids and times come from the ledger, processes that follow
each other add to one trace, and a span that is sent twice is the same span. No prompt, SQL or result is in a span.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from bq_copilot import events as ev
from bq_copilot.events import Recorded
from bq_copilot.state import RunState
from bq_copilot.steps import next_step

Attribute = str | int | float | bool


@dataclass(frozen=True, slots=True)
class SpanData:
    """One finished span."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start: datetime
    end: datetime
    calls_out: bool = False
    """True for a call to another system."""
    error: str = ""
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])


class Spans:
    """Hears a run's events in order and says which spans each of them ends."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._since: dict[str, datetime] = {}

    def hear(self, before: RunState, one: Recorded, after: RunState) -> list[SpanData]:
        """Return the spans that this event ends."""
        self._begin(one)
        found = [self._step(before, one)] if before.at is not None else []
        match one.event:
            case ev.TurnTaken() as e:
                found.append(self._model(before, one, e))
            case ev.JobFinished() as e:
                found.append(self._job(one, e))
            case ev.RunEnded() as e if after.received_at is not None:
                found.append(self._run(after.received_at, one, e, after))
            case _:
                pass
        return found

    def _begin(self, one: Recorded) -> None:
        match one.event:
            case ev.TurnRequested() as e:
                self._since[f"turn {e.turn}"] = one.at
            case ev.JobIntended() as e:
                self._since[f"job {e.job_id}"] = one.at
            case _:
                pass

    def _span(self, key: str, name: str, start: datetime, end: datetime, **more: Attribute) -> SpanData:
        attributes = {"bq_copilot.run_id": self._run_id, **{k.replace("__", "."): v for k, v in more.items()}}
        parent = None if key == "run" else _id(self._run_id, "run", 8)
        return SpanData(
            name, _id(self._run_id, "trace", 16), _id(self._run_id, key, 8), parent, start, end, attributes=attributes
        )

    def _step(self, before: RunState, one: Recorded) -> SpanData:
        assert before.at is not None
        more = {"bq_copilot__seq": one.seq, "bq_copilot__event": one.event.kind, "bq_copilot__phase": str(before.phase)}
        return self._span(f"step {one.seq}", type(next_step(before)).__name__, before.at, one.at, **more)

    def _model(self, before: RunState, one: Recorded, e: ev.TurnTaken) -> SpanData:
        asked = before.pinned.model if before.pinned else e.model
        span = self._span(
            f"turn {e.turn}",
            f"chat {asked}",
            self._since.get(f"turn {e.turn}", one.at),
            one.at,
            gen_ai__operation__name="chat",
            gen_ai__provider__name="openai",
            gen_ai__request__model=asked,
            gen_ai__response__model=e.model,
            gen_ai__usage__input_tokens=e.usage.prompt_tokens,
            gen_ai__usage__output_tokens=e.usage.completion_tokens,
            bq_copilot__turn=e.turn,
            bq_copilot__call=e.call.name if e.call else "",
        )
        return _calls_out(span)

    def _job(self, one: Recorded, e: ev.JobFinished) -> SpanData:
        span = self._span(
            f"job {e.job_id}",
            f"query {e.query}",
            self._since.get(f"job {e.job_id}", one.at),
            one.at,
            db__system__name="gcp.bigquery",
            db__operation__name="query",
            bq_copilot__job_id=e.job_id,
            bq_copilot__attempt=e.attempt,
            bq_copilot__bytes_billed=e.bytes_billed,
        )
        return _calls_out(span, "" if e.ok else (e.failure.code if e.failure else "failed"))

    def _run(self, since: datetime, one: Recorded, e: ev.RunEnded, after: RunState) -> SpanData:
        more = {"bq_copilot__phase": e.phase, "bq_copilot__turns": len(after.turns), "bq_copilot__tokens": after.tokens}
        span = self._span("run", "analyze", since, one.at, **more, bq_copilot__bytes_billed=after.bytes_billed)
        failed = e.failure.code if e.failure and e.phase in {"failed", "parked"} else ""
        return SpanData(
            span.name, span.trace_id, span.span_id, None, span.start, span.end, False, failed, span.attributes
        )


def _calls_out(span: SpanData, error: str = "") -> SpanData:
    return SpanData(
        span.name,
        span.trace_id,
        span.span_id,
        span.parent_id,
        span.start,
        span.end,
        True,
        error,
        {**span.attributes, **({"error.type": error} if error else {})},
    )


def _id(run_id: str, key: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{run_id}\x1f{key}".encode()).digest()[:size], "big") or 1
