"""What a flow's process tells about each event: log lines, Prefect events, spans; once each, whatever dies."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bq_copilot.journal import Journal
from bq_copilot.spans import SpanData, Spans
from bq_copilot.state import RunState
from bq_copilot.transitions import apply
from tasks import announcing, opening, telemetry
from tests import recorded_runs as rr


class Kept:
    """Spans in a list."""

    def __init__(self) -> None:
        self.spans: list[SpanData] = []

    def send(self, spans: list[SpanData]) -> None:
        self.spans += spans

    def flush(self) -> None: ...


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Prefect events as they would be sent."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        announcing, "emit_event", lambda event, resource, **more: found.append({"event": event, **resource, **more})
    )
    return found


def spans_of(run: rr.Recording) -> list[SpanData]:
    spans, state, found = Spans(run.run_id), RunState(run_id=run.run_id), []
    for one in run.ledger.read(run.run_id):
        before, state = state, apply(state, one)
        found += spans.hear(before, one, state)
    return found


def test_each_event_is_a_prefect_event_with_a_computed_id(tmp_path: Path, emitted: list[dict[str, Any]]) -> None:
    """Named after its kind, about the run, at the ledger's own time; the same event has the same id again."""
    run = rr.finished(tmp_path)
    journal = Journal.open(run.ledger, run.run_id)
    opening.announce(journal, "f-1")
    kinds = [e.event.kind for e in run.ledger.read(run.run_id)]
    assert [e["event"] for e in emitted] == [f"bq-copilot.{k}" for k in kinds[1:]]
    last = emitted[-1]
    assert last["prefect.resource.id"] == f"bq-copilot.run.{run.run_id}"
    assert (last["payload"]["phase"], last["id"]) == ("completed", announcing.event_id(run.run_id, len(kinds)))
    before = list(emitted)
    opening.announce(Journal.open(run.ledger, run.run_id), "f-2")
    assert [e["id"] for e in emitted[len(before) :]] == [e["id"] for e in before]


def test_after_a_process_that_gave_the_run_back_only_the_rest_is_told(
    tmp_path: Path, emitted: list[dict[str, Any]]
) -> None:
    """It was heard up to the prompt that it left behind; what was decided since is new."""
    run = rr.waiting_for_approval(tmp_path)
    run.decided()
    opening.announce(Journal.open(run.ledger, run.run_id), "f-2", died=False)
    assert [e["event"] for e in emitted] == ["bq-copilot.approval_requested", "bq-copilot.approval_decided"]


def test_what_others_record_while_a_process_runs_is_told_too(tmp_path: Path, emitted: list[dict[str, Any]]) -> None:
    """A decision from the command line reaches Prefect through the process that reads it."""
    run = rr.waiting_for_approval(tmp_path)
    journal = Journal.open(run.ledger, run.run_id)
    opening.announce(journal, "f-1")
    count = len(emitted)
    run.decided()
    journal.refresh()
    assert [e["event"] for e in emitted[count:]] == ["bq-copilot.approval_decided"]


def test_log_lines_have_the_kind_of_the_event_as_their_action(
    tmp_path: Path, emitted: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """And run, seq and phase as fields; nothing that a terminal would act on is in the words."""
    run = rr.waiting_for_answer(tmp_path, question="How\x1b[2J many?")
    with caplog.at_level(logging.INFO, "bq_copilot.run"):
        opening.announce(Journal.open(run.ledger, run.run_id), "")
    lines = [r for r in caplog.records if r.name == "bq_copilot.run"]
    assert [getattr(r, "action", "") for r in lines][-1] == "question_asked"
    assert {getattr(r, "run_id", "") for r in lines} == {run.run_id}
    assert not any("\x1b" in r.getMessage() for r in lines)


def test_a_run_is_one_trace_of_steps_model_calls_and_jobs(tmp_path: Path) -> None:
    """Ids follow from the run, so two processes tell the same spans; times are the ledger's; no text is in them."""
    run = rr.finished(tmp_path)
    found = spans_of(run)
    assert len({s.trace_id for s in found}) == 1
    root = next(s for s in found if s.parent_id is None)
    assert all(s.parent_id == root.span_id for s in found if s is not root)
    chats = [s for s in found if s.name.startswith("chat ")]
    assert len(chats) == 3 and chats[0].calls_out
    assert chats[0].attributes["gen_ai.usage.input_tokens"] == 700
    assert chats[0].attributes["gen_ai.operation.name"] == "chat"
    (job,) = [s for s in found if s.name == "query q1"]
    assert (job.attributes["bq_copilot.bytes_billed"], job.end > job.start) == (20 * 2**20, True)
    assert rr.SQL not in json.dumps([s.attributes for s in found])
    assert [s.span_id for s in spans_of(run)] == [s.span_id for s in found]


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_spans_are_sent_where_the_standard_variables_say(environ: dict[str, str], kind: str) -> None:
    """And nowhere when they say nothing."""
    assert telemetry.kind_of(environ) == kind


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector on this machine that keeps what it is sent."""
    bodies: list[bytes] = []

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Requests)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    server.shutdown()
    server.server_close()


def test_spans_arrive_at_a_collector(
    tmp_path: Path, collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch, emitted: list[dict[str, Any]]
) -> None:
    """Over the standard protocol, with the SDK's own variables and nothing else."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, bodies = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setattr(telemetry, "_kept", {})
    run = rr.finished(tmp_path)
    announcer = opening.announce(Journal.open(run.ledger, run.run_id), "f-1")
    announcer.close()
    names: list[str] = []
    for body in bodies:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            assert any(
                a.key == "service.name" and a.value.string_value == "bq-copilot" for a in resource.resource.attributes
            )
            names += [s.name for scope in resource.scope_spans for s in scope.spans]
    assert {"analyze", "query q1", "chat offline-planner-1", "TakeTurn"} <= set(names)
