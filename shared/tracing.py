"""Traces: the way of a sampled donation through all processes, in OpenTelemetry's terms
(docs/decisions/0039-traces.md).

Off until OTEL_EXPORTER_OTLP_ENDPOINT names a collector: before that nothing here makes a span, and what the
hot paths ask costs less than a microsecond a donation. The intake chooses which donations are followed;
who reads a record follows those that its header `traceparent` names (W3C Trace Context), and nothing else. A
batch has one span for each of its sampled donations, MAX_TRACES at most: each has one trace from end to end.

Nothing personal gets into a span: its attributes are named here, and of an error only that there was one.
"""

import asyncio
import os
import random
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

log = structlog.get_logger(__name__)

HEADER: Final = "traceparent"
MAX_TRACES: Final = 10
"""Traces that one batch, one state of totals or one frame goes on with; those of the others end there."""
QUEUE: Final = 2_048
"""Spans that wait for the collector; what is more is dropped."""
EXPORT_S: Final = 2.0
END_S: Final = 3.0
"""What is left at the end is sent within this time, or not at all."""

_PLACE: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f][13579bdf]", re.ASCII)
"""A sampled place in a trace, of version 00."""
_NOTHING: Final = nullcontext()

Headers = Sequence[tuple[str, bytes | None]]


class TraceSettings(BaseSettings):
    """The standard variables; the exporter reads those of its headers and certificates itself."""

    model_config = SettingsConfigDict(extra="ignore")

    otel_exporter_otlp_endpoint: str = ""
    otel_exporter_otlp_traces_endpoint: str = ""
    otel_traces_sampler_arg: float = Field(
        default=0.01, ge=0, le=1, description="Part of the intake requests that are followed, 0 … 1"
    )
    otel_service_name: str = ""

    @property
    def wanted(self) -> bool:
        """Whether there is a collector."""
        return bool(self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint)


class _Tracing:
    """What is there while traces are on."""

    def __init__(self, tracer: trace.Tracer, part: float) -> None:
        self.tracer = tracer
        self.part = part


_on: _Tracing | None = None
_NONE: Final[Mapping[int, Span]] = MappingProxyType({})
_active: ContextVar[Mapping[int, Span]] = ContextVar("active_traces", default=_NONE)
"""The spans of what this task is at work on, by their traces."""

# ------------------------------------------------------------------------------------------- places


def traces_of(headers: Headers) -> list[str]:
    """The sampled places that a record's headers name, MAX_TRACES at most."""
    found = []
    for name, value in headers:
        if name == HEADER and value is not None and _PLACE.fullmatch(text := value.decode("latin-1")):
            found.append(text)
    return found[:MAX_TRACES]


def _place(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context(place: str) -> SpanContext:
    _, trace_id, span_id, _ = place.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


# ------------------------------------------------------------------------------------------- what is active


def headers() -> list[tuple[str, bytes | None]]:
    """The headers of a record that goes on with what is active."""
    return [(HEADER, _place(span).encode()) for span in _active.get().values()]


def onward(place: str) -> str:
    """Where a trace goes on from here: at its active span, else where it was."""
    spans = _active.get()
    span = spans.get(int(place[3:35], 16)) if spans else None
    return _place(span) if span else place


def is_on() -> bool:
    """Whether this process makes spans."""
    return _on is not None


def is_active() -> bool:
    """Whether anything that is followed is being worked on."""
    return _on is not None and bool(_active.get())


def identifiers() -> Mapping[str, Any]:
    """What a log line says of the traces it belongs to."""
    contexts = [span.get_span_context() for span in _active.get().values()]
    if len(contexts) == 1:
        return {"trace_id": f"{contexts[0].trace_id:032x}", "span_id": f"{contexts[0].span_id:016x}"}
    return {"trace_ids": [f"{context.trace_id:032x}" for context in contexts]} if contexts else {}


def note(name: str, value: object) -> None:
    """Add an attribute to what is active: never a text that a person wrote."""
    if _on is None:
        return
    for span in _active.get().values():
        span.set_attribute(name, value if isinstance(value, int) else str(value))


# ------------------------------------------------------------------------------------------- spans


def request(
    method: str, route: str, raw_headers: Iterable[tuple[bytes, bytes]]
) -> AbstractContextManager[None]:
    """A new trace for a request, if it is chosen. What its sender calls it is linked to, not gone on with:
    what is sampled here is not for others to say.
    """
    if _on is None or random.random() >= _on.part:  # noqa: S311 - a sample, not a secret
        return _NOTHING
    named = traces_of([(name.decode("latin-1"), value) for name, value in raw_headers])
    span = _on.tracer.start_span(
        f"{method} {route}",
        trace.set_span_in_context(trace.INVALID_SPAN),
        SpanKind.SERVER,
        {"http.request.method": method, "http.route": route},
        [Link(_context(place)) for place in named],
    )
    return _within([span])


def step(name: str, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[None]:
    """A part of what is active."""
    if _on is None or not (spans := _active.get()):
        return _NOTHING
    parents = [trace.set_span_in_context(span) for span in spans.values()]
    return _within([_on.tracer.start_span(name, parent, kind) for parent in parents])


def publishing(topic: str) -> AbstractContextManager[None]:
    """The step of publishing what is active to a topic; the record takes `headers()` along."""
    return step(f"publish {topic}", SpanKind.PRODUCER) if is_active() else _NOTHING


def going_on(
    places: Iterable[str],
    name: str,
    kind: SpanKind = SpanKind.CONSUMER,
    attributes: Mapping[str, str | int] = MappingProxyType({}),
    begun_ns: int | None = None,
) -> AbstractContextManager[None]:
    """One span for each trace of these places, which may be in other processes. `begun_ns`: since 1970."""
    if _on is None:
        return _NOTHING
    tracer = _on.tracer
    spans: dict[int, Span] = {}
    for context in map(_context, places):
        if len(spans) == MAX_TRACES:
            break
        if context.trace_id not in spans:
            parent = trace.set_span_in_context(NonRecordingSpan(context))
            spans[context.trace_id] = tracer.start_span(
                name, parent, kind, dict(attributes), start_time=begun_ns
            )
    return _within(list(spans.values())) if spans else _NOTHING


def processing(
    records: Sequence[Any], group: str, plain: Callable[[str], str]
) -> AbstractContextManager[None]:
    """A batch that a consumer group works on. `plain` takes the namespace from a topic's name."""
    if _on is None:
        return _NOTHING
    traced = [
        (place, record) for record in records if record.headers for place in traces_of(record.headers)[:1]
    ]
    if not traced:
        return _NOTHING
    topic = plain(traced[0][1].topic)
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": len(records),
    }
    return going_on((place for place, _ in traced), f"process {topic}", attributes=attributes)


@contextmanager
def _within(spans: list[Span]) -> Iterator[None]:
    """These spans are active, and end with it."""
    before = _active.set({span.get_span_context().trace_id: span for span in spans})
    try:
        yield
    except BaseException:
        for span in spans:
            span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        _active.reset(before)
        for span in spans:
            span.end()


# ------------------------------------------------------------------------------------------- on and off


@asynccontextmanager
async def exporting(service: str) -> AsyncIterator[None]:
    """While entered, spans go to the collector that the environment names; without one nothing is on."""
    global _on  # noqa: PLW0603 - one for the process, as the collector is
    settings = TraceSettings()
    if not settings.wanted:
        yield
        return
    provider = _provider(settings.otel_service_name or _process_name(service))
    before, _on = _on, _Tracing(provider.get_tracer("shanliu"), settings.otel_traces_sampler_arg)
    log.info("traces_on", part=settings.otel_traces_sampler_arg)
    try:
        yield
    finally:
        _on = before
        await _ended(provider)


def _provider(name: str) -> Any:
    """The official SDK and exporter: 0.8 s to import, which only who wants traces pays."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    resource = Resource.create({"service.name": name, "service.namespace": "shanliu"})
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(timeout=EXPORT_S)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=QUEUE, schedule_delay_millis=1_000, max_export_batch_size=512
        )
    )
    return provider


def _process_name(service: str) -> str:
    """As Prometheus calls the process."""
    return f"{service}-worker" if os.environ.get("ROLES") == "worker" else service


async def _ended(provider: Any) -> None:
    """Send what is left, without holding up the end of the process."""
    ending = threading.Thread(target=provider.shutdown, name="traces' end", daemon=True)
    ending.start()
    await asyncio.to_thread(ending.join, END_S)
