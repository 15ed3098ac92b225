"""Donations on their way in: as channels publish them to their own topics, and as they sign them by HTTP."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from itertools import islice
from typing import Any, Final, Self

import httpx
from aiokafka import AIOKafkaProducer

from deploy.bench.producing import IN_FLIGHT, Record, batches_of, placed
from deploy.evening import signature_headers
from deploy.year import people
from deploy.year.office import YearFailed
from deploy.year.online import Given
from deploy.year.terms import BANK, SHANGHAI, Gift

CHUNK: Final = 4_000
"""So many are published in the order of time before the next."""
BY_HTTP: Final = 100
"""Every so-manieth online donation is sent by signed HTTP, the others straight into Kafka."""
SENDERS: Final = 16
PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
MORNING: Final = time(9)


@dataclass(frozen=True, slots=True)
class Message:
    """One donation as its channel reports it."""

    channel: str
    transaction_id: str
    body: bytes

    @classmethod
    def of(cls, channel: str, body: dict[str, Any]) -> Self:
        """A body as JSON."""
        return cls(channel, body["transaction_id"], json.dumps(body, ensure_ascii=False).encode())

    @property
    def record(self) -> Record:
        """Key and value on the channel's topic."""
        return self.transaction_id.encode(), self.body


def online_message(number: int, given: Given, run: str, campaign_id: str) -> Message:
    """Donation `number` of the run, given online."""
    donor: dict[str, Any] = {"kind": "person", "display": "anonymous"}
    if number % 3:
        donor |= {"display": "name", "name": people.person(number)}
    elif number % 2:
        donor |= {"display": "alias", "alias": f"爱心{number % 1000}", "name": people.person(number)}
    body = _body(f"{run}-{number:08d}", campaign_id, given.amount_fen, given.at, donor)
    return Message.of(given.channel, body)


def bank_message(
    number: int, gift: Gift, run: str, campaign_id: str, pledge_id: str | None = None
) -> Message:
    """Payment `number` by bank; `pledge_id`: the promise that it keeps."""
    at = datetime.combine(gift.day, MORNING, SHANGHAI)
    donor = {"kind": "company", "display": "name", "name": gift.donor}
    body = _body(f"{run}-b{number:06d}", campaign_id, gift.amount_fen, at, donor)
    if pledge_id is not None:
        body["pledge_id"] = pledge_id
    return Message.of(BANK, body)


def _body(
    transaction_id: str, campaign_id: str, amount_fen: int, at: datetime, donor: dict[str, Any]
) -> dict[str, Any]:
    return {
        "transaction_id": transaction_id,
        "campaign_id": campaign_id,
        "amount_fen": amount_fen,
        "currency": "CNY",
        "occurred_at": at.isoformat(),
        "donor": donor,
    }


async def publish(
    servers: Sequence[str], namespace: str, messages: Iterator[Message], told: Callable[[int], None]
) -> None:
    """Publish to each channel's own topic with acks=all, in the order of time; `told` of how many so far."""
    producer = AIOKafkaProducer(
        bootstrap_servers=list(servers), acks="all", linger_ms=0, max_batch_size=1 << 20
    )
    await producer.start()
    done = 0
    try:
        places = asyncio.Semaphore(IN_FLIGHT)
        sent: list[asyncio.Future[object]] = []
        while chunk := list(islice(messages, CHUNK)):
            by_channel: dict[str, list[Record]] = {}
            for message in chunk:
                by_channel.setdefault(message.channel, []).append(message.record)
            for channel, records in by_channel.items():
                topic = f"{namespace}intake.{channel}"
                partitions = len(await producer.partitions_for(topic))
                for partition, batch_records in batches_of(placed(records, partitions)):
                    await places.acquire()
                    batch = producer.create_batch()
                    for key, value in batch_records:
                        # None: the batch is full, and the record would be lost without a word.
                        assert batch.append(key=key, value=value, timestamp=None) is not None
                    future = await producer.send_batch(batch, topic, partition=partition)
                    future.add_done_callback(lambda _: places.release())
                    sent.append(future)
            done += len(chunk)
            told(done)
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def send(
    url: str, secrets: dict[str, str], messages: Sequence[Message], told: Callable[[int], None]
) -> None:
    """Send each by HTTP, signed; a 503 or 429 is sent again, as a channel would. Raises YearFailed."""
    left = iter(messages)
    done = 0
    async with httpx.AsyncClient(timeout=20, limits=httpx.Limits(max_connections=SENDERS)) as http:

        async def sender() -> None:
            nonlocal done
            for message in left:
                await _send(http, url, secrets[message.channel], message)
                done += 1
                told(done)

        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(sender())


async def _send(http: httpx.AsyncClient, url: str, secret: str, message: Message) -> None:
    for pause_s in (*PAUSES_S, None):
        headers = signature_headers(secret, message.body, f"msg_{uuid.uuid4().hex}", datetime.now(UTC))
        answer = await http.post(
            f"{url}/v1/channels/{message.channel}/donations", content=message.body, headers=headers
        )
        if answer.is_success:
            return
        if answer.status_code not in {429, 503} or pause_s is None:
            raise YearFailed(f"{message.channel}: {answer.status_code} {answer.text[:300]}")
        await asyncio.sleep(pause_s)
