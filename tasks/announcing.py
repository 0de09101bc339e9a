"""What a process tells others about each event of its run: a log line, a Prefect event, spans.

Decides when an event is told: at once when this process recorded it or read it, and after a restart from where the
process before it began, because that one may have died before it could. Every id is computed, so telling twice is
telling once. Never decides anything about the run, and a listener that fails never fails the run.
"""

from __future__ import annotations

import logging
import uuid

from prefect.events import emit_event
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from bq_copilot.events import Recorded
from bq_copilot.safe_text import safe
from bq_copilot.spans import Spans
from bq_copilot.state import RunState
from bq_copilot.wording import event_words
from tasks.telemetry import Exporter, exporter

SPACE = uuid.UUID("5f0c8a64-6c0d-5a2e-9d39-6a2f6f0b1c11")
"""Namespace of the ids of our Prefect events."""

log = logging.getLogger("bq_copilot.run")


def event_id(run_id: str, seq: int) -> uuid.UUID:
    """Return the id of the Prefect event for one event of a run."""
    return uuid.uuid5(SPACE, f"{run_id} {seq}")


class Announcer:
    """Tells about the events of one run in the flow's process."""

    def __init__(self, run_id: str, flow_run_id: str, spans_to: Exporter | None = None) -> None:
        self._flow_run_id = flow_run_id
        self._spans = Spans(run_id)
        self._spans_to = spans_to or exporter()

    def hear(self, before: RunState, one: Recorded, after: RunState, *, told: bool = False) -> None:
        """Take one event in; with `told` an earlier process has told about it."""
        ended = self._spans.hear(before, one, after) if self._spans_to is not None else []
        if told:
            return
        words = safe(event_words(one.event))[:1_000]
        self._log(one, after, words)
        self._emit(one, after, words)
        if self._spans_to is not None:
            self._spans_to.send(ended)

    def close(self) -> None:
        """Let what is on its way arrive."""
        if self._spans_to is not None:
            self._spans_to.flush()

    def _log(self, one: Recorded, after: RunState, words: str) -> None:
        fields = {"action": one.event.kind, "run_id": one.run_id, "seq": one.seq, "phase": str(after.phase)}
        log.info("%s", words, extra=fields)
        try:
            get_run_logger().info("%s: %s", one.event.kind, words, extra=fields)
        except MissingContextError:
            return  # not inside a flow run: the line above is all

    def _emit(self, one: Recorded, after: RunState, words: str) -> None:
        resource = {
            "prefect.resource.id": f"bq-copilot.run.{one.run_id}",
            "prefect.resource.name": after.question[:200],
            "bq-copilot.phase": str(after.phase),
            "bq-copilot.requester": after.requester,
        }
        related = [
            {"prefect.resource.id": f"prefect.flow-run.{self._flow_run_id}", "prefect.resource.role": "flow-run"}
        ]
        payload = {"run_id": one.run_id, "seq": one.seq, "phase": str(after.phase), "text": words}
        emit_event(
            f"bq-copilot.{one.event.kind}",
            resource,
            occurred=one.at,
            related=related if self._flow_run_id else None,
            payload=payload,
            id=event_id(one.run_id, one.seq),
        )
