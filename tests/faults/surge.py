"""Donations on both ways at a steady rate while something goes wrong, and the books of what must come out.

It behaves as a careful channel does: what is not acknowledged is sent again under the same transaction_id;
what is acknowledged is never sent again. Whatever was acknowledged has to be counted, once.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.evening import signature_headers
from deploy.screen import Frame, Screen

AMOUNT_FEN = 101
"""Odd, so that a lost and a doubled donation can't make up for each other unseen: the count is held too."""


@dataclass(slots=True)
class Surge:
    """One channel's surge on one campaign."""

    donation_url: str
    kafka: str
    namespace: str
    channel: str
    secret: str
    campaign_id: str
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    moments_s: list[float] = field(default_factory=list)
    """When something was acknowledged, by the event loop's clock."""
    _numbers: int = 0
    _run: str = field(default_factory=lambda: uuid.uuid4().hex[:10])

    @property
    def total_fen(self) -> int:
        """What must be counted."""
        return len(self.acknowledged) * AMOUNT_FEN

    @property
    def topic(self) -> str:
        """The channel's intake topic, as the broker knows it."""
        return f"{self.namespace}intake.{self.channel}"

    async def publish(self, bodies: list[dict[str, Any]]) -> None:
        """Publish donations to the channel's topic, once or again: each counts once."""
        producer = _Producer(self.kafka)
        await _until_done(lambda: producer.send(self.topic, bodies))
        self.acknowledged.update(body["transaction_id"] for body in bodies)
        await producer.close()

    def donation(self) -> dict[str, Any]:
        """The next donation."""
        self._numbers += 1
        return {
            "transaction_id": f"{self._run}-{self._numbers}",
            "campaign_id": self.campaign_id,
            "amount_fen": AMOUNT_FEN,
            "currency": "CNY",
            "occurred_at": datetime.now(UTC).isoformat(),
            "donor": {"kind": "person", "display": "anonymous"},
        }

    async def by_http(self, count: int, at_once: int = 20) -> None:
        """Send over HTTP until each has its 202. A 202 is believed: it is never sent again."""
        bodies = iter([self.donation() for _ in range(count)])

        async def sender(http: httpx.AsyncClient) -> None:
            for body in bodies:
                await _until_done(lambda body=body: self._post(http, body))  # type: ignore[misc]
                self._note(body)

        async with httpx.AsyncClient(timeout=8) as http:
            await asyncio.gather(*(sender(http) for _ in range(at_once)))

    async def steadily(self, done: asyncio.Event, at_once: int = 12, pause_s: float = 0.05) -> None:
        """Send over HTTP until told to stop; each that was begun gets its 202."""

        async def sender(http: httpx.AsyncClient) -> None:
            while not done.is_set():
                body = self.donation()
                await _until_done(lambda body=body: self._post(http, body))  # type: ignore[misc]
                self._note(body)
                await asyncio.sleep(pause_s)

        async with httpx.AsyncClient(timeout=8) as http:
            await asyncio.gather(*(sender(http) for _ in range(at_once)))

    async def goes_on(self, donations: int, limit_s: float = 60) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + donations
        async with asyncio.timeout(limit_s):
            while len(self.acknowledged) < wanted:  # noqa: ASYNC110 - senders note it as they go
                await asyncio.sleep(0.05)

    def _note(self, *bodies: dict[str, Any]) -> None:
        self.moments_s.append(asyncio.get_running_loop().time())
        self.acknowledged.update(body["transaction_id"] for body in bodies)

    async def _post(self, http: httpx.AsyncClient, body: dict[str, Any]) -> bool:
        content = json.dumps(body).encode()
        headers = signature_headers(self.secret, content, uuid.uuid4().hex, datetime.now(UTC))
        url = f"{self.donation_url}/v1/channels/{self.channel}/donations"
        try:
            answer = await http.post(url, content=content, headers=headers)
        except httpx.HTTPError:
            self.refused += 1
            return False
        if answer.status_code == 202:
            return True
        assert answer.status_code in (429, 503), answer.text
        self.refused += 1
        return False

    async def by_kafka(self, count: int, per_second: int, done: asyncio.Event | None = None) -> None:
        """Publish to the channel's own topic, in slices of a fifth of a second, each until acknowledged; no
        more of them when told that it is done.
        """
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        slice_size = max(1, per_second // 5)
        topic = self.topic
        producer = _Producer(self.kafka)
        try:
            for number in range(0, count, slice_size):
                if done is not None and done.is_set():
                    break
                bodies = [self.donation() for _ in range(min(slice_size, count - number))]
                await _until_done(lambda bodies=bodies: producer.send(topic, bodies))  # type: ignore[misc]
                self._note(*bodies)
                await asyncio.sleep(max(0.0, started_s + (number + slice_size) / per_second - loop.time()))
        finally:
            await producer.close()


class Watch(Screen):
    """A screen that notes when each frame came."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.moments_s: list[float] = []

    def _take(self, frame: Frame) -> None:
        if frame.kind != "heartbeat":
            self.moments_s.append(asyncio.get_running_loop().time())
        super()._take(frame)


def longest(moments_s: list[float]) -> float:
    """The longest time between one and the next."""
    return max((after - before for before, after in pairwise(moments_s)), default=0.0)


def told(surge: Surge, screen: Watch) -> str:
    """What a fault was like for those who give and those who look on."""
    return (
        f"{len(surge.acknowledged)} acknowledged, {surge.refused} refused,"
        f" longest without an ack {longest(surge.moments_s):.1f} s,"
        f" without a frame {longest(screen.moments_s):.1f} s"
    )


class _Producer:
    """A channel's producer: made anew when it has failed."""

    def __init__(self, kafka: str) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    async def send(self, topic: str, bodies: list[dict[str, Any]]) -> bool:
        try:
            async with asyncio.timeout(8):
                producer = await self._ready()
                sent = [
                    await producer.send(topic, json.dumps(body).encode(), key=body["transaction_id"].encode())
                    for body in bodies
                ]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError, OSError):
            await self.close()
            return False
        return True

    async def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._kafka,
                acks="all",
                linger_ms=5,
                request_timeout_ms=5000,
                metadata_max_age_ms=500,
            )
            try:
                await producer.start()
            except BaseException:
                await _stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(3):
            await producer.stop()
    except (KafkaError, TimeoutError):
        pass  # the broker is away on purpose


async def _until_done(attempt: Callable[[], Awaitable[bool]], limit_s: float = 90) -> None:
    """Try again, after a short pause, until it is done."""
    async with asyncio.timeout(limit_s):
        while not await attempt():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.2)
