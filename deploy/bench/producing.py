"""A fast producer: whole record batches, so that what it costs is small beside what it feeds."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from shared.broker import KafkaSettings

BATCH: Final = 500
IN_FLIGHT: Final = 16
TICK_S: Final = 0.002
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
    """Publish record n `n / per_second` seconds after the start; when each was acknowledged
    (time.monotonic_ns).
    """
    acknowledged_ns = [0] * len(records)

    def note(number: int) -> Callable[[object], None]:
        def done(_: object) -> None:
            acknowledged_ns[number] = time.monotonic_ns()

        return done

    producer = AIOKafkaProducer(bootstrap_servers=settings.servers, acks="all", linger_ms=2)
    await producer.start()
    try:
        begun_s = time.monotonic()
        sent: list[asyncio.Future[object]] = []
        while len(sent) < len(records):
            due = min(len(records), int((time.monotonic() - begun_s) * per_second) + 1)
            for number in range(len(sent), due):
                key, value = records[number]
                future = await producer.send(settings.topic(topic), value, key=key)
                future.add_done_callback(note(number))
                sent.append(future)
            await asyncio.sleep(TICK_S)
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return acknowledged_ns
