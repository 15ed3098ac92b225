"""The way of one donation, as a collector of OpenTelemetry sees it: from the intake to the screen, through
real processes, Kafka and databases.
"""

import asyncio
import base64
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from deploy.bench.ground import Ground, prepared
from deploy.evening import signature_headers
from deploy.screen import Screen
from tests.grounds import Base
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PROCESSES = ("donation", "donation-worker", "campaign", "reporting-worker", "reporting")
CAMPAIGN = "traced-gala"
CHANNEL = "traced"
DONOR = {"name": "张三丰", "contact": {"email": "sanfeng@wudang.example"}, "message": "愿山河无恙"}
WAY = [
    ("donation", "POST /v1/channels/{channel}/donations"),
    ("donation", f"publish intake.{CHANNEL}"),
    ("donation-worker", f"process intake.{CHANNEL}"),
    ("donation-worker", "publish donation.events"),
    ("reporting-worker", "process donation.events"),
    ("reporting-worker", "publish totals"),
    ("reporting", "show totals"),
]
"""Each is the child of the one before it."""


class Collector:
    """What came from all processes, by its trace."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.spans: defaultdict[str, list[tuple[str, Span]]] = defaultdict(list)
        """(process, span) of each trace."""

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = _attributes(resource.resource.attributes)["service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.spans[span.trace_id.hex()].append((process, span))

    def named(self, trace_id: str) -> dict[tuple[str, str], Span]:
        return {(process, span.name): span for process, span in self.spans[trace_id]}

    def of(self, transaction: dict[str, str]) -> str | None:
        """The trace whose first span is of this donation."""
        for trace_id, spans in list(self.spans.items()):
            if any(
                _attributes(s.attributes).get("shanliu.donation_id") == transaction["id"] for _, s in spans
            ):
                return trace_id
        return None


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """An OTLP/HTTP collector, and its address."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            assert self.headers["content-type"] == "application/x-protobuf"
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Traced:
    ground: Ground
    collector: Collector
    secret: str

    async def give(self, transaction_id: str, *, traceparent: str | None = None) -> dict[str, str]:
        body = json.dumps(donation(transaction_id), ensure_ascii=False).encode()
        headers = signature_headers(self.secret, body, transaction_id, datetime.now(UTC))
        headers |= {"traceparent": traceparent} if traceparent else {}
        async with httpx.AsyncClient(base_url=self.ground.wiring.url("donation"), timeout=20) as http:
            answer = await http.post(f"/v1/channels/{CHANNEL}/donations", content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return {"id": answer.json()["donation_id"]}

    async def publish(self, transaction_id: str, traceparent: str) -> None:
        """As a channel that writes to Kafka itself."""
        producer = AIOKafkaProducer(bootstrap_servers=self.ground.kafka.servers)
        await producer.start()
        try:
            await producer.send_and_wait(
                self.ground.kafka.topic(f"intake.{CHANNEL}"),
                json.dumps(donation(transaction_id)).encode(),
                key=transaction_id.encode(),
                headers=[("traceparent", traceparent.encode())],
            )
        finally:
            await producer.stop()

    async def whole(self, trace_id: str) -> dict[tuple[str, str], Span]:
        """The spans of a trace when those of every reader are there."""

        async def arrived() -> bool:
            return {*WAY[2:], ("campaign", "process donation.events")} <= self.collector.named(
                trace_id
            ).keys()

        await until(arrived)
        return self.collector.named(trace_id)


def donation(transaction_id: str) -> dict[str, Any]:
    donor = {"kind": "person", "display": "name", "name": DONOR["name"], "contact": DONOR["contact"]}
    return {
        "transaction_id": transaction_id,
        "campaign_id": CAMPAIGN,
        "amount_fen": 12_345,
        "currency": "CNY",
        "occurred_at": datetime.now(UTC).isoformat(),
        "donor": donor,
        "message": DONOR["message"],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(base: Base) -> AsyncIterator[Traced]:
    with collecting() as (collector, url):
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER_ARG": "1"}
        async with prepared(base, more=more) as ground:
            await ground.start(*PROCESSES)
            await ground.launch(CAMPAIGN)
            secret = base64.b64encode(await ground.register(CHANNEL)).decode()
            yield Traced(ground, collector, secret)


async def test_a_donation_has_one_trace_from_the_intake_to_the_screen(traced: Traced) -> None:
    screen = Screen(f"{traced.ground.wiring.url('reporting')}/v1/campaigns/{CAMPAIGN}/stream")
    following = asyncio.create_task(screen.follow())
    try:
        given = await traced.give("first")
        assert await screen.until(60, net_fen=12_345, donations=1)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    async def begun() -> str | None:
        return traced.collector.of(given)

    trace_id = await until(begun)
    assert trace_id is not None
    spans = await traced.whole(trace_id)

    assert spans[WAY[0]].parent_span_id == b""
    for before, after in itertools.pairwise(WAY):
        assert spans[after].parent_span_id == spans[before].span_id, f"{before} → {after}"
        assert spans[after].start_time_unix_nano >= spans[before].start_time_unix_nano
    booked = spans["donation-worker", "book"]
    assert booked.parent_span_id == spans["donation-worker", f"process intake.{CHANNEL}"].span_id
    assert _attributes(spans[WAY[0]].attributes)["http.response.status_code"] == 202
    assert {process for process, _ in spans} == set(PROCESSES)


async def test_who_calls_is_linked_to_and_not_gone_on_with(traced: Traced) -> None:
    theirs = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    given = await traced.give("linked", traceparent=theirs)

    async def begun() -> str | None:
        return traced.collector.of(given)

    trace_id = await until(begun)
    assert trace_id is not None
    assert trace_id != "a" * 32
    (link,) = traced.collector.named(trace_id)[WAY[0]].links
    assert (link.trace_id.hex(), link.span_id.hex()) == ("a" * 32, "b" * 16)


async def test_a_record_is_followed_only_where_its_header_says_so(traced: Traced) -> None:
    unsampled, sampled = f"00-{'c' * 32}-{'d' * 16}-00", f"00-{'e' * 32}-{'f' * 16}-01"
    await traced.publish("not-followed", unsampled)
    await traced.publish("followed", sampled)
    spans = await traced.whole("e" * 32)
    assert spans[WAY[2]].parent_span_id.hex() == "f" * 16
    assert "c" * 32 not in traced.collector.spans


async def test_nothing_that_a_donor_gave_is_in_a_span_or_in_a_log(traced: Traced) -> None:
    given = await traced.give("private")

    async def begun() -> str | None:
        return traced.collector.of(given)

    trace_id = await until(begun)
    assert trace_id is not None
    await traced.whole(trace_id)
    sent = b"".join(traced.collector.bodies).decode("utf-8", "replace")
    written = "".join(path.read_text("utf-8") for path in traced.ground.folder.glob("*.log"))
    assert '"traces_on"' in written
    for private in ("张三丰", "sanfeng", "愿山河无恙"):
        assert private not in sent
        assert private not in written
        assert json.dumps(private)[1:-1] not in written
