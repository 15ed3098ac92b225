"""A fast producer: whole record batches, so that what it costs is small beside what it feeds."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import takewhile
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.broker import KafkaSettings

BATCH: Final = 500
IN_FLIGHT: Final = 16
TICK_S: Final = 0.01
PATIENCE_S: Final = 60.0
Record = tuple[bytes, bytes]


def placed(records: Iterable[Record], partitions: int) -> list[list[Record]]:
    """The records of each partition, by their key, as Kafka's clients place them (murmur2)."""
    choose = DefaultPartitioner()
    numbers = list(range(partitions))
    lists: list[list[Record]] = [[] for _ in numbers]
    for key, value in records:
        lists[choose(key, numbers, numbers)].append((key, value))
    return lists


def batches_of(lists: Sequence[Sequence[Record]], size: int = BATCH) -> list[tuple[int, Sequence[Record]]]:
    """(partition, records) in turns, so that all partitions grow together."""
    longest = max((len(each) for each in lists), default=0)
    return [
        (partition, each[start : start + size])
        for start in range(0, longest, size)
        for partition, each in enumerate(lists)
        if each[start : start + size]
    ]


async def produce(
    settings: KafkaSettings, topic: str, batches: Sequence[tuple[int, Sequence[Record]]]
) -> None:
    """Publish with acks=all, as fast as the broker takes it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.servers, acks="all", linger_ms=0, max_batch_size=1 << 20
    )
    await producer.start()
    try:
        places = asyncio.Semaphore(IN_FLIGHT)
        sent: list[asyncio.Future[object]] = []
        for partition, records in batches:
            await places.acquire()
            batch = producer.create_batch()
            for key, value in records:
                # None: the batch is full, and the record would be lost without a word.
                assert batch.append(key=key, value=value, timestamp=None) is not None
            future = await producer.send_batch(batch, settings.topic(topic), partition=partition)
            future.add_done_callback(lambda _: places.release())
            sent.append(future)
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def produce_at_rate(
    settings: KafkaSettings, topic: str, records: Sequence[Record], per_second: float
) -> list[int]:
    """Publish record n `n / per_second` seconds after the start, what is due every TICK_S as one batch for
    each partition, as a producer that lingers does; when each was acknowledged (time.monotonic_ns). What the
    broker did not take is sent again, as a careful channel does; what it has not taken PATIENCE_S after the
    last one's time stays 0.
    """
    acknowledged_ns = [0] * len(records)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.servers,
        acks="all",
        linger_ms=0,
        max_batch_size=1 << 20,
        request_timeout_ms=5_000,
    )
    await producer.start()
    try:
        name = settings.topic(topic)
        partitions = sorted(await producer.partitions_for(name))
        choose = DefaultPartitioner()
        places = [choose(key, partitions, partitions) for key, _ in records]
        waiting: defaultdict[int, list[int]] = defaultdict(list)

        def note(partition: int, numbers: Sequence[int], sent: "asyncio.Future[object]") -> None:
            if sent.cancelled() or sent.exception() is not None:
                waiting[partition].extend(numbers)
                return
            at_ns = time.monotonic_ns()
            for number in numbers:
                acknowledged_ns[number] = at_ns

        seen = 0
        begun_s = time.monotonic()
        while (
            not all(acknowledged_ns) and time.monotonic() - begun_s < len(records) / per_second + PATIENCE_S
        ):
            due = min(len(records), int((time.monotonic() - begun_s) * per_second) + 1)
            for number in range(seen, due):
                waiting[places[number]].append(number)
            seen = due
            for partition in [each for each in partitions if waiting[each]]:
                numbers = waiting.pop(partition)
                batch = producer.create_batch()
                taken = list(takewhile(partial(_append, batch, records), numbers))
                waiting[partition] = numbers[len(taken) :]
                try:
                    sent = await producer.send_batch(batch, name, partition=partition)
                except KafkaError:
                    waiting[partition] = numbers
                    break
                sent.add_done_callback(partial(note, partition, taken))
            await asyncio.sleep(TICK_S if seen < len(records) else 0.05)
    finally:
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(5):
                await producer.stop()
    return acknowledged_ns


def _append(batch: BatchBuilder, records: Sequence[Record], number: int) -> bool:
    """Put a record into a batch; False: it is full."""
    key, value = records[number]
    return batch.append(key=key, value=value, timestamp=None) is not None
