"""Consumers: a batch that fails comes again whole, nothing is passed over, whatever a record carries."""

import asyncio
import os
import random
import struct
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.record.util import calc_crc32c

from shared.broker import (
    BATCH_FAILURES,
    KafkaSettings,
    Publisher,
    Record,
    Records,
    consuming,
    ensure_topic,
    make_broker,
    subscribe_batches,
)
from shared.consumer import FULL_BYTES, UNREADABLE
from tests.services.shared.conftest import PARTITIONS
from tests.waiting import until

TOPIC = "intake.wechat"
GROUP = "worker"


class Handler:
    """Takes batches, and fails when it is told to."""

    def __init__(self, *, fail: int = 0) -> None:
        self.batches: list[Records] = []
        self.times: list[float] = []
        self.done: list[Record] = []
        self.fail = fail

    async def __call__(self, records: Records) -> None:
        self.batches.append(records)
        self.times.append(time.monotonic())
        if self.fail:
            self.fail -= 1
            raise RuntimeError("the database is away")
        self.done += records

    @property
    def values(self) -> Counter[bytes | None]:
        return Counter(record.value for record in self.done)

    async def has(self, number: int) -> bool:
        return len(self.done) >= number


def places(records: Sequence[Record]) -> list[tuple[str, int, int]]:
    return [(record.topic, record.partition, record.offset) for record in records]


def in_order(records: Sequence[Record]) -> bool:
    """Whether each partition's records came in the order of their offsets, each once."""
    seen: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        if record.offset <= seen.get(place, -1):
            return False
        seen[place] = record.offset
    return True


async def fill(settings: KafkaSettings, number: int, topic: str = TOPIC) -> set[bytes]:
    """Publish `number` records to each partition."""
    async with Publisher(settings) as publisher:
        values = {
            partition: [b"%s/%d:%d" % (topic.encode(), partition, n) for n in range(number)]
            for partition in range(PARTITIONS)
        }
        for partition, wanted in values.items():
            await publisher.send_in_order(topic, partition, [(None, value) for value in wanted])
    return {value for wanted in values.values() for value in wanted}


async def worked_off(settings: KafkaSettings, number: int, *, max_records: int) -> list[Records]:
    """The batches in which so many records of each partition come, all of them, once and in order."""
    await ensure_topic(settings, TOPIC)
    sent = await fill(settings, number)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC], max_records=max_records)
    async with consuming(broker):
        await until(lambda: handler.has(len(sent)))
    assert handler.values == Counter(sent)
    assert max(map(len, handler.batches)) == max_records
    assert in_order(handler.done)
    return handler.batches


async def test_a_batch_is_given_in_order_and_at_most_as_large_as_asked(settings: KafkaSettings) -> None:
    await worked_off(settings, 1_000, max_records=300)


async def test_of_a_backlog_each_partition_has_its_share_of_each_batch(settings: KafkaSettings) -> None:
    """One channel's backlog keeps no other waiting, but for what comes before the first of both has come."""
    batches = await worked_off(settings, 4_000, max_records=200)
    of_both = sum({record.partition for record in batch} == {0, 1} for batch in batches)
    assert of_both >= 15


async def test_who_waits_asks_seldom_and_is_told_at_once(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.consumer.IDLE_WAIT_MS", 20_000)
    asked, send = 0, AIOKafkaClient.send

    async def counted(client: Any, node: Any, request: Any, **more: Any) -> Any:
        nonlocal asked
        asked += isinstance(request, FetchRequest)
        return await send(client, node, request, **more)

    monkeypatch.setattr(AIOKafkaClient, "send", counted)
    await ensure_topic(settings, TOPIC)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC])
    async with consuming(broker), Publisher(settings) as publisher:
        for number in range(3 * PARTITIONS):
            await publisher.send_in_order(TOPIC, number % PARTITIONS, [(None, b"%d" % number)])
            await until(lambda wanted=number + 1: handler.has(wanted), deadline_s=10)  # type: ignore[misc]
    assert len(handler.done) <= asked <= 4 * len(handler.done)


async def test_a_batch_that_fails_comes_again_after_a_pause_and_nothing_is_lost(
    settings: KafkaSettings,
) -> None:
    await ensure_topic(settings, TOPIC)
    sent = await fill(settings, 400)
    handler, broker = Handler(fail=4), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC], max_records=500)
    failures = BATCH_FAILURES.labels(GROUP)._value.get()
    async with consuming(broker):
        await until(lambda: handler.has(len(sent)))
        await fill(settings, 1)
        await until(lambda: handler.has(len(sent) + PARTITIONS))
    assert in_order(handler.done)
    assert handler.values.keys() == sent
    assert BATCH_FAILURES.labels(GROUP)._value.get() - failures == 4
    pauses = [later - earlier for earlier, later in zip(handler.times[:4], handler.times[1:5], strict=True)]
    assert all(pause >= wanted for pause, wanted in zip(pauses, [0.2, 0.4, 0.8, 1.6], strict=True)), pauses
    first = set(places(handler.batches[0]))
    assert all(first & set(places(again)) for again in handler.batches[1:5])


async def test_what_comes_within_the_pace_comes_together_and_what_comes_first_at_once(
    settings: KafkaSettings,
) -> None:
    await ensure_topic(settings, TOPIC)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC], pace_ms=2_000)
    async with Publisher(settings) as publisher, consuming(broker):
        await publisher.send(TOPIC, b"0", partition=0)
        await until(lambda: handler.has(1))
        for number in range(1, 4):
            await publisher.send(TOPIC, b"%d" % number, partition=number % PARTITIONS)
        await until(lambda: handler.has(4))
        assert list(map(len, handler.batches)) == [1, 3]


async def test_a_backlog_is_not_waited_for(settings: KafkaSettings) -> None:
    await ensure_topic(settings, TOPIC)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC], pace_ms=10_000)
    async with Publisher(settings) as publisher, consuming(broker):
        await publisher.send(TOPIC, b"first", partition=0)
        await until(lambda: handler.has(1), deadline_s=8)
        for number in range(4):
            await publisher.send(TOPIC, random.randbytes(FULL_BYTES // 2), partition=number % PARTITIONS)
        await until(lambda: handler.has(3), deadline_s=8)


async def test_what_a_consumer_did_not_finish_is_given_to_the_next(settings: KafkaSettings) -> None:
    await ensure_topic(settings, TOPIC)
    sent = await fill(settings, 300)
    handler, broker = Handler(), make_broker(settings)

    async def dies_in_the_second(records: Records) -> None:
        if handler.done:
            raise RuntimeError("killed")
        await handler(records)

    subscribe_batches(broker, settings, dies_in_the_second, group=GROUP, topics=[TOPIC], max_records=100)
    async with consuming(broker):
        await until(lambda: handler.has(100))
    successor, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, successor, group=GROUP, topics=[TOPIC])
    async with consuming(broker):
        await until(lambda: successor.has(len(sent) - len(handler.done)))
    assert handler.values + successor.values == Counter(sent)


async def test_stopping_finishes_the_batch_in_hand(settings: KafkaSettings) -> None:
    await ensure_topic(settings, TOPIC)
    await fill(settings, 5)
    entered, leave, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(records: Records) -> None:
        entered.set()
        await leave.wait()
        finished.set()

    broker = make_broker(settings)
    subscribe_batches(broker, settings, slow, group=GROUP, topics=[TOPIC])
    async with consuming(broker):
        await asyncio.wait_for(entered.wait(), 20)
        asyncio.get_running_loop().call_later(0.3, leave.set)
    assert finished.is_set()


async def test_two_members_of_a_group_share_the_partitions_and_lose_none(settings: KafkaSettings) -> None:
    """The second joins in the middle of a batch: what the first has in hand may come twice, never not."""
    await ensure_topic(settings, TOPIC)
    sent = await fill(settings, 500)
    handlers, brokers = [Handler(), Handler()], [make_broker(settings), make_broker(settings)]
    for handler, broker in zip(handlers, brokers, strict=True):
        subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC], max_records=20)

    async def all_came() -> bool:
        return (handlers[0].values + handlers[1].values).keys() >= sent

    async def both_work() -> bool:
        return all(handler.done for handler in handlers)

    async with consuming(brokers[0]):
        await until(lambda: handlers[0].has(20))
        async with consuming(brokers[1]):
            while not await both_work():
                sent |= await fill(settings, 20)
            await until(all_came)


async def test_a_topic_made_later_is_seen_by_the_pattern_and_only_in_the_namespace(
    settings: KafkaSettings,
) -> None:
    settings = settings.model_copy(update={"kafka_metadata_max_age_ms": 500})
    elsewhere = settings.model_copy(update={"kafka_namespace": settings.kafka_namespace.replace(".", "x")})
    await ensure_topic(settings, TOPIC)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, pattern=r"intake[.].+")
    async with consuming(broker):
        sent = await fill(settings, 3)
        await until(lambda: handler.has(len(sent)))
        for name in ("intake.alipay", "donation.events", "my.intake.bank"):
            await ensure_topic(settings, name)
            await fill(settings, 3, name)
        await ensure_topic(elsewhere, "intake.bank")
        await fill(elsewhere, 3, "intake.bank")
        await until(lambda: handler.has(6 * PARTITIONS))
        await fill(settings, 1)
        await until(lambda: handler.has(7 * PARTITIONS))
    assert {settings.plain(record.topic) for record in handler.done} == {TOPIC, "intake.alipay"}


HEADERS: dict[str, list[tuple[str, bytes | None]]] = {
    "binary": [("trace", b"\xff\xfe\x00")],
    "none": [("trace", None)],
    "twice": [("a", b"1"), ("a", b"2")],
    "reply": [("reply_to", b"donation.events"), ("correlation_id", b"x")],
    "content-type": [("content-type", b"text/plain; charset=none")],
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
async def test_headers_of_any_kind_are_handed_on_and_stop_nothing(
    settings: KafkaSettings, headers: list[tuple[str, bytes | None]]
) -> None:
    """A framework that reads them passes over the batch, or fails after it for ever."""
    await ensure_topic(settings, TOPIC)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC])
    async with Publisher(settings) as publisher:
        for value, given in ((b"before", []), (b"odd", headers), (b"after", [])):
            await publisher.send(TOPIC, value, partition=0, headers=given)
    async with consuming(broker):
        await until(lambda: handler.has(3))
    assert [record.value for record in handler.done] == [b"before", b"odd", b"after"]
    assert list(handler.done[1].headers) == headers


async def publish_raw(
    publisher: Publisher, settings: KafkaSettings, marker: bytes, replacement: bytes
) -> None:
    """Publish a record batch in which some bytes were replaced after it was built, with a right checksum."""
    producer = await publisher._ready()
    batch: Any = producer.create_batch()
    batch.append(key=None, value=b"odd", timestamp=None, headers=[(marker.decode(), b"x")])
    batch.close()
    raw = bytearray(batch._build()).replace(marker, replacement)
    struct.pack_into(">I", raw, 17, calc_crc32c(raw[21:]))
    batch._buffer = raw
    await (await producer.send_batch(batch, settings.topic(TOPIC), partition=0))


async def test_a_header_whose_name_is_not_text_stops_nothing_and_loses_nothing(
    settings: KafkaSettings,
) -> None:
    """The library can't read such a record, and drops what it has taken from the other partitions."""
    await ensure_topic(settings, TOPIC)
    sent: Counter[bytes | None] = Counter()
    async with Publisher(settings) as publisher:
        for _ in range(3):
            sent += Counter(await fill(settings, 50))
            await publish_raw(publisher, settings, b"MARK", b"\xff\xfe\xff\xfe")
            await publish_raw(publisher, settings, b"MARK", b"\xff\xfe\xff\xfe")
        sent += Counter(await fill(settings, 50))
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC])
    async with consuming(broker):
        await until(lambda: handler.has(sent.total() + 6))
        sent += Counter(await fill(settings, 1))
        await until(lambda: handler.has(sent.total() + 6))
    assert in_order(handler.done)
    unreadable = [record for record in handler.done if UNREADABLE in record.headers]
    assert places(unreadable) == [(settings.topic(TOPIC), 0, n) for n in (50, 51, 102, 103, 154, 155)]
    assert all(record.value is None for record in unreadable)
    assert handler.values - Counter({None: 6}) == sent


@pytest.mark.parametrize("ends", ["committed", "aborted"])
async def test_what_a_channel_sends_in_a_transaction_comes_when_it_is_committed(
    settings: KafkaSettings, ends: str
) -> None:
    """An aborted donation was never sent. What is sent meanwhile comes afterwards, in the log's order."""
    await ensure_topic(settings, TOPIC)
    topic = settings.topic(TOPIC)
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC])
    channel = AIOKafkaProducer(
        bootstrap_servers=settings.servers, transactional_id=topic, transaction_timeout_ms=30_000
    )
    async with consuming(broker), Publisher(settings) as publisher, channel:
        await publisher.send(TOPIC, b"before", partition=0)
        await until(lambda: handler.has(1))
        await channel.begin_transaction()
        await channel.send_and_wait(topic, b"in a transaction", partition=0)
        await publisher.send(TOPIC, b"meanwhile", partition=0)
        await publisher.send(TOPIC, b"elsewhere", partition=1)
        await until(lambda: handler.has(2))
        assert [record.value for record in handler.done] == [b"before", b"elsewhere"]
        await (channel.commit_transaction() if ends == "committed" else channel.abort_transaction())
        await publisher.send(TOPIC, b"after", partition=0)
        wanted = [b"before", b"meanwhile", b"after"]
        if ends == "committed":
            wanted.insert(1, b"in a transaction")
        await until(lambda: handler.has(len(wanted) + 1))
    assert [record.value for record in handler.done if record.partition == 0] == wanted


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_channel_may_compress_as_it_likes(settings: KafkaSettings, codec: str) -> None:
    await ensure_topic(settings, TOPIC)
    producer = AIOKafkaProducer(bootstrap_servers=settings.servers, compression_type=codec)
    values = [b"%d " % number + b"x" * 500 for number in range(200)]
    async with producer:
        await asyncio.gather(
            *[await producer.send(settings.topic(TOPIC), value, partition=0) for value in values]
        )
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC])
    async with consuming(broker):
        await until(lambda: handler.has(len(values)))
    assert [record.value for record in handler.done] == values


async def test_a_record_of_the_largest_size_is_handed_on(settings: KafkaSettings) -> None:
    await ensure_topic(settings, TOPIC, configs={"max.message.bytes": "8388608"})
    handler, broker = Handler(), make_broker(settings)
    subscribe_batches(broker, settings, handler, group=GROUP, topics=[TOPIC])
    large = os.urandom(3 << 20)
    async with Publisher(settings) as publisher:
        for value in (b"before", large, b"after"):
            await publisher.send(TOPIC, value, partition=0)
    async with consuming(broker):
        await until(lambda: handler.has(3))
    assert [record.value for record in handler.done] == [b"before", large, b"after"]


def test_a_connection_cut_while_it_is_written_to_stops_no_consumer(settings: KafkaSettings) -> None:
    """On uvloop, as the services run: writing to it is an error that aiokafka is ready for."""

    async def scenario() -> None:
        await ensure_topic(settings, TOPIC)
        handler, broker = Handler(), make_broker(settings)
        subscribe_batches(broker, settings, handler, group=GROUP, pattern=r"intake[.].+")
        async with consuming(broker), Publisher(settings) as publisher:
            await publisher.send(TOPIC, b"before", partition=0)
            await until(lambda: handler.has(1))
            (subscriber,) = broker.subscribers
            client = subscriber.consumer._client  # type: ignore[attr-defined]
            for connection in list(client._conns.values()):
                connection._writer.transport.abort()
                await asyncio.sleep(0)  # uvloop has closed it, aiokafka has not yet heard of it
                with pytest.raises(KafkaConnectionError):
                    connection.send(MetadataRequest([]))
            async with asyncio.timeout(10):
                assert await client.force_metadata_update()
            await publisher.send(TOPIC, b"after", partition=0)
            await until(lambda: handler.has(2))

    uvloop.run(scenario())
