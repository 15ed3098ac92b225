"""Traces: off they are nothing; on, only what may be said is said, and bounded."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.reporting.news import Awaited, News
from shared import logs, tracing
from shared.broker import Record
from shared.events import DonationReceived

PLACE = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Traces are on, every request is followed, and the spans that have ended are kept."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_on", tracing._Tracing(provider.get_tracer("test"), 1.0))
    return exporter


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root, out, stream = logging.getLogger(), sys.stdout, io.StringIO()
    before = (root.handlers, root.level)
    sys.stdout = stream
    logs.configure("donation", "info")
    yield stream
    sys.stdout = out
    root.handlers, root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def record(*headers: tuple[str, bytes | None]) -> Record:
    return Record("t.intake.hall", 0, 7, 0, 0, None, b"{}", -1, 2, 2, headers)


async def test_without_an_address_nothing_is_on_and_nothing_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.setattr(tracing, "_provider", lambda _: pytest.fail("the SDK is loaded"))
    async with tracing.exporting("donation"):
        made = [
            tracing.request("POST", "/", []),
            tracing.step("book"),
            tracing.publishing("intake.hall"),
            tracing.going_on([PLACE], "show totals"),
            tracing.processing([record(("traceparent", PLACE.encode()))], "worker", str),
        ]
        assert all(type(each) is nullcontext for each in made)
        assert tracing.headers() == []
        assert not tracing.is_active()


def test_a_request_that_is_not_chosen_is_not_followed(
    kept: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracing._on is not None
    monkeypatch.setattr(tracing._on, "part", 0.0)
    with tracing.request("POST", "/x", [(b"traceparent", PLACE.encode())]), tracing.publishing("intake.hall"):
        assert tracing.headers() == []
    assert kept.get_finished_spans() == ()


@pytest.mark.parametrize(
    "value",
    [
        PLACE,
        PLACE[:-2] + "03",
        PLACE[:-2] + "00",
        PLACE.upper(),
        PLACE + "-more",
        "ff" + PLACE[2:],
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        "张三丰",
        "",
    ],
)
def test_a_place_is_what_the_official_reader_takes_for_one_and_sampled(value: str) -> None:
    context = TraceContextTextMapPropagator().extract({"traceparent": value})
    official = trace.get_current_span(context).get_span_context()
    found = tracing.traces_of([("other", b"x"), ("traceparent", None), ("traceparent", value.encode())])
    assert found == ([value] if official.is_valid and official.trace_flags.sampled else [])


def test_of_an_error_a_span_says_only_that_there_was_one(kept: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="row"), tracing.request("POST", "/x", []), tracing.step("book"):
        raise ValueError("Failing row contains (张三丰)")
    spans = kept.get_finished_spans()
    assert [span.name for span in spans] == ["book", "POST /x"]
    for span in spans:
        assert not span.status.is_ok
        assert span.status.description is None
        assert span.events == ()


def test_a_batch_goes_on_with_each_of_its_traces_and_with_no_more_than_the_bound(
    kept: InMemorySpanExporter,
) -> None:
    places = [f"00-{number:032x}-{'b' * 16}-01" for number in range(1, 20)]
    batch = [record(), *(record(("traceparent", place.encode())) for place in places)]
    with tracing.processing(batch, "donation-worker", lambda topic: topic.removeprefix("t.")):
        onward = [tracing.onward(place) for place in places]
        carried = tracing.headers()
    spans = kept.get_finished_spans()
    assert {span.name for span in spans} == {"process intake.hall"}
    assert len(spans) == len(carried) == tracing.MAX_TRACES
    for place, there in zip(places, onward, strict=True):
        followed = place in places[: tracing.MAX_TRACES]
        assert there[:35] == place[:35]
        assert (there != place) == followed
    assert tracing.traces_of(carried) == onward[: tracing.MAX_TRACES]


def test_an_event_names_the_trace_of_its_record(kept: InMemorySpanExporter) -> None:
    schema = DonationReceived.model_json_schema()
    assert "traceparent" in schema["properties"]
    assert "traceparent" not in schema["required"]


def test_frames_that_are_shown_end_the_traces_that_wait_for_them_once(kept: InMemorySpanExporter) -> None:
    frames = Awaited()
    frames.expect("gala", News(None, (PLACE,)))
    frames.expect("gala", News(None, tuple(f"00-{number:032x}-{'b' * 16}-01" for number in range(1, 30))))
    frames.expect("other", News())
    frames.shown("other", 1)
    frames.shown("gala", 3)
    frames.shown("gala", 3)
    spans = kept.get_finished_spans()
    assert len(spans) == tracing.MAX_TRACES
    assert not frames
    assert spans[0].attributes == {"shanliu.streams": 3}


def test_a_log_line_says_which_traces_it_belongs_to(kept: InMemorySpanExporter, log: io.StringIO) -> None:
    logger = structlog.get_logger("here")
    logger.info("outside")
    with tracing.going_on([PLACE], "one"):
        logger.info("of one")
        logging.getLogger("library").warning("of one too")
    with tracing.going_on([PLACE, PLACE.replace("a" * 32, "c" * 32)], "two"):
        logger.info("of two")
    outside, one, too, two = map(json.loads, log.getvalue().splitlines())
    assert not {"trace_id", "span_id", "trace_ids"} & outside.keys()
    assert one["trace_id"] == too["trace_id"] == "a" * 32
    assert len(one["span_id"]) == 16
    assert two["trace_ids"] == ["a" * 32, "c" * 32]
