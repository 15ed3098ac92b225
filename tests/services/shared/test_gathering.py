"""Records that come one by one are gathered: each where its key says, in order, and nobody waits for ever."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka import LocalKafka
from shared.broker import KafkaSettings, Publisher, PublishFailed, ensure_topic
from shared.gathering import Gatherer
from tests.services.shared.conftest import PARTITIONS, frozen, lying_on, nothing_left_behind

TOPIC = "intake.wechat"
TIMEOUT_S = 1.0
BUSY_S = 8.0
"""What a busy machine may take on top: far less than one time-out after the other of twenty callers."""


class Counting(Publisher):
    """Counts the batches that go out."""

    batches = 0

    async def send_in_order(self, *arguments: object, **named: object) -> None:
        self.batches += 1
        await super().send_in_order(*arguments, **named)  # type: ignore[arg-type]


async def test_what_comes_together_goes_together_in_the_order_it_came(settings: KafkaSettings) -> None:
    await ensure_topic(settings, TOPIC)
    sent = [(b"%d" % number, b"donation %d" % number) for number in range(2_000)]
    async with Counting(settings) as publisher, Gatherer(publisher, PARTITIONS, 2) as gatherer:
        await asyncio.gather(*(gatherer.send(TOPIC, value, key) for key, value in sent))
        assert publisher.batches == PARTITIONS
    lying = [await lying_on(settings, TOPIC, partition) for partition in range(PARTITIONS)]
    assert all(lying)
    for records in lying:
        numbers = [int(record.key or b"") for record in records]
        assert numbers == sorted(numbers)
    assert sorted((record.key, record.value) for records in lying for record in records) == sorted(sent)


async def test_a_key_lies_where_every_other_client_puts_it(settings: KafkaSettings) -> None:
    """So that a donation that comes by HTTP and from Kafka is one worker's."""
    await ensure_topic(settings, TOPIC)
    keys = [b"t-%d" % number for number in range(100)]
    async with Publisher(settings) as publisher, Gatherer(publisher, PARTITIONS, 0) as gatherer:
        await asyncio.gather(*(gatherer.send(TOPIC, b"gathered", key) for key in keys))
    async with AIOKafkaProducer(bootstrap_servers=settings.servers) as producer:
        for key in keys:
            await producer.send_and_wait(settings.topic(TOPIC), b"alone", key=key)
    for partition in range(PARTITIONS):
        lying = await lying_on(settings, TOPIC, partition)
        gathered = {record.key for record in lying if record.value == b"gathered"}
        assert gathered == {record.key for record in lying if record.value == b"alone"}


async def test_a_caller_who_has_gone_takes_nothing_with_him(settings: KafkaSettings) -> None:
    await ensure_topic(settings, TOPIC)
    async with Publisher(settings) as publisher, Gatherer(publisher, PARTITIONS, 20) as gatherer:
        sends = [asyncio.create_task(gatherer.send(TOPIC, b"%d" % n, b"key")) for n in range(10)]
        await asyncio.sleep(0)
        sends[3].cancel()
        ends = await asyncio.gather(*sends, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ends] == [n == 3 for n in range(10)]
    lying = [record for n in range(PARTITIONS) for record in await lying_on(settings, TOPIC, n)]
    assert [record.value for record in lying] == [b"%d" % n for n in range(10)]


async def test_without_a_broker_everybody_is_told_within_the_bound(nowhere: KafkaSettings) -> None:
    """Those too who came while the others waited: they don't wait for a time-out of their own behind it."""
    publisher = Publisher(nowhere, timeout_s=TIMEOUT_S)

    async def attempt(after_s: float) -> float:
        await asyncio.sleep(after_s)
        began = time.monotonic()
        with pytest.raises(PublishFailed):
            await gatherer.send(TOPIC, b"x", b"key")
        return time.monotonic() - began

    async with nothing_left_behind(), Gatherer(publisher, PARTITIONS, 2) as gatherer:
        waited = await asyncio.gather(*(attempt(n / 50) for n in range(40)))
    assert max(waited) < TIMEOUT_S + BUSY_S


async def test_a_frozen_broker_is_told_of_in_time_and_used_again_when_it_wakes(
    local_kafka: LocalKafka, far: KafkaSettings
) -> None:
    await ensure_topic(far, TOPIC)
    async with (
        nothing_left_behind(),
        Publisher(far, timeout_s=TIMEOUT_S) as publisher,
        Gatherer(publisher, PARTITIONS, 2) as gatherer,
    ):
        await gatherer.send(TOPIC, b"before", b"key")
        with frozen(local_kafka):
            began = time.monotonic()
            ends = await asyncio.gather(
                *(gatherer.send(TOPIC, b"meanwhile", b"%d" % n) for n in range(50)), return_exceptions=True
            )
            assert time.monotonic() - began < TIMEOUT_S + BUSY_S
            assert {type(end) for end in ends} == {PublishFailed}

        async def again() -> None:
            while True:
                try:
                    return await gatherer.send(TOPIC, b"after", b"key")
                except PublishFailed:
                    continue

        await asyncio.wait_for(again(), 20)


async def test_a_mistake_of_ours_leaves_nobody_waiting(settings: KafkaSettings) -> None:
    class Mistaken(Publisher):
        async def send_in_order(self, *_: object, **__: object) -> None:
            raise TypeError("a mistake")

    async with Gatherer(Mistaken(settings), PARTITIONS, 0) as gatherer:
        with pytest.raises(PublishFailed, match="a mistake"):
            await asyncio.wait_for(gatherer.send(TOPIC, b"x", b"key"), 5)
