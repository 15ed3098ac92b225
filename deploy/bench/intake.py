"""HTTP intake in one process, against a bare route in one process that checks the same signature only: both
wait for the same broker's acknowledgement, side by side.

Closed loop over a few connections. The load generator and the broker have the other core.
"""

import asyncio
import secrets
import statistics
import uuid
from dataclasses import dataclass, field
from typing import Final

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.bench import bare_http, meters
from deploy.bench.donations import Series, signed_requests
from deploy.bench.ground import Base, Ground, prepared
from deploy.bench.http_load import Load
from deploy.bench.report import Figure, Result, percentile, ratio_with_spread
from deploy.local.layout import LOOPBACK, unused_ports
from shared.broker import ensure_topic

GOAL: Final = 0.60
REQUESTS: Final = 20_000
ROUNDS: Final = 3
CONNECTIONS: Final = 64
CHANNEL: Final = "bench"
START_S: Final = 20.0


@dataclass(slots=True)
class Side:
    """One of the two that are compared."""

    name: str
    url: str
    key: bytes
    pids: dict[str, int | None]
    rates: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    accepted: int = 0
    wrong: list[str] = field(default_factory=list)

    async def round(self, count: int) -> None:
        """Send `count` signed donations, each once, as fast as they are answered."""
        series = Series.of(uuid.uuid4().hex[:8], "bench")
        load = Load(self.url, signed_requests(series, count, CHANNEL, self.key))
        meter = meters.CpuMeter(self.pids)
        meter.begin()
        answers = await load.at_once(CONNECTIONS)
        self.cpu.append(meter.end())
        self.rates.append(answers.accepted / answers.seconds)
        took = zip(answers.sent_ns, answers.answered_ns, strict=True)
        self.p99_ms.append(percentile(sorted((done - sent) / 1e6 for sent, done in took), 0.99))
        self.accepted += answers.accepted
        if answers.others:
            self.wrong.append(f"{self.name}: not accepted, by status: {answers.others}")


async def measure(base: Base, requests: int = REQUESTS, rounds: int = ROUNDS) -> Result:
    """Both in turns, the service's process with the whole way to the broker's acknowledgement."""
    result = Result("http")
    async with prepared(base) as ground:
        await ground.start("donation")
        service = Side(
            "service",
            ground.wiring.url("donation"),
            await ground.register(CHANNEL),
            {"donation": ground.pids["donation"], **base.pids},
        )
        bare = await _bare(ground)
        for side in (service, bare):
            await side.round(min(2_000, requests))
            side.rates.clear()
        for number in range(rounds):
            for side in (service, bare) if number % 2 == 0 else (bare, service):
                await side.round(requests)
        for side, topic in ((service, f"intake.{CHANNEL}"), (bare, bare_http.TOPIC)):
            if (records := await _records(ground, topic)) != side.accepted:
                result.wrong.append(f"{side.name}: {records} records for {side.accepted} accepted donations")
    ratio, least, most = ratio_with_spread(service.rates, bare.rates)
    p99_ms = statistics.median(service.p99_ms)
    result.figures = [
        Figure("service, acknowledged", statistics.median(service.rates), "/s", note=f"p99 {p99_ms:.0f} ms"),
        Figure("bare route, acknowledged", statistics.median(bare.rates), "/s"),
        Figure("service ÷ bare", ratio, "", GOAL, note=f"rounds {least:.2f}-{most:.2f}"),
    ]
    for side in (service, bare):
        result.wrong += side.wrong
        result.details[side.name] = {"rates": [round(rate) for rate in side.rates], "cpu_cores": side.cpu}
        if any(meters.held_up_by_load(cpu, ["load"]) for cpu in side.cpu):
            result.notes.append(f"{side.name}: the load generator took a whole core in a round")
    return result


async def _bare(ground: Ground) -> Side:
    (port,) = unused_ports(1)
    key = secrets.token_bytes(32)
    await ensure_topic(ground.kafka, bare_http.TOPIC)
    environment = ground.environment("donation")
    child = ground.spawn("bare-http", "deploy.bench.bare_http", str(port), key.hex(), environment=environment)
    url = f"http://{LOOPBACK}:{port}"
    async with asyncio.timeout(START_S), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                break
    return Side("bare route", url, key, {"bare-http": child.pid, **ground.base.pids})


async def _records(ground: Ground, name: str) -> int:
    """How many records a topic has."""
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.servers)
    await consumer.start()
    try:
        topic = ground.kafka.topic(name)
        partitions = [TopicPartition(topic, number) for number in range(ground.wiring.partitions)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()
