"""Sending spans where OpenTelemetry's own variables say; nothing is loaded or sent when they say nothing.

Decides: whether spans are wanted. OTEL_TRACES_EXPORTER is `otlp`, `console` or `none`; without it an OTLP endpoint is
enough; OTEL_SDK_DISABLED turns all off. Endpoint, headers, service name and resource are the SDK's own variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from bq_copilot.spans import SpanData
from bq_copilot.version import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_MILLISECONDS = 3_000


class Exporter(Protocol):
    """Takes finished spans."""

    def send(self, spans: Sequence[SpanData]) -> None:
        """Queue them; never waits and never fails."""
        ...

    def flush(self) -> None:
        """Wait a moment until they are sent."""
        ...


def kind_of(environ: Mapping[str, str]) -> str:
    """Return `otlp`, `console`, or empty when no spans are wanted."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if named:
        return named if named in {"otlp", "console"} else ""
    return "otlp" if any(environ.get(name) for name in ENDPOINTS) else ""


_kept: dict[str, SdkExporter] = {}


def exporter() -> Exporter | None:
    """Return where this process sends its spans, None when nobody wants them."""
    kind = kind_of(os.environ)
    if kind and kind not in _kept:
        _kept[kind] = SdkExporter(_sdk(kind))
    return _kept.get(kind)


def _sdk(kind: str) -> SpanExporter:
    if kind == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - only when wanted

        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only when wanted

    return OTLPSpanExporter()


class SdkExporter:
    """The SDK's batch processor in front of one of its exporters."""

    def __init__(self, target: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only when wanted
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - only when wanted

        self._batch = BatchSpanProcessor(target)
        name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "bq-copilot"}
        self._resource = Resource.create({**name, "service.version": __version__})

    def send(self, spans: Sequence[SpanData]) -> None:
        """Queue them."""
        for span in spans:
            self._batch.on_end(self._readable(span))

    def flush(self) -> None:
        """Wait a moment until they are sent."""
        self._batch.force_flush(FLUSH_MILLISECONDS)

    def _readable(self, span: SpanData) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - only when wanted
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - only when wanted
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags  # noqa: PLC0415

        def context(span_id: int) -> SpanContext:
            return SpanContext(span.trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

        return ReadableSpan(
            name=span.name,
            context=context(span.span_id),
            parent=None if span.parent_id is None else context(span.parent_id),
            resource=self._resource,
            attributes=span.attributes,
            kind=SpanKind.CLIENT if span.calls_out else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=InstrumentationScope("bq_copilot", __version__),
        )


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6) * 1_000
