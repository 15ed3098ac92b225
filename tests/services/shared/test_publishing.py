"""The publisher: order is kept, every wait is bounded, and it comes back with the broker."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.conn import create_conn
from aiokafka.errors import InvalidConfigurationError, KafkaConnectionError

from deploy.local.kafka import LocalKafka
from deploy.topics import declared
from shared import connections
from shared.broker import (
    DEAD_LETTER,
    MAX_RECORD_BYTES,
    KafkaSettings,
    Publisher,
    PublishFailed,
    ensure_topic,
    persistently,
)
from shared.dead_letters import DeadLetter, bury, publish
from tests.services.shared.conftest import PARTITIONS, at_most, frozen, lying_on, nothing_left_behind
from tests.waiting import until

TOPIC = "donation.events"
TIMEOUT_S = 1.0
BUSY_S = 8.0
"""What a busy machine may take on top: far less than one time-out after the other of twenty callers."""


@pytest.fixture
async def publisher(settings: KafkaSettings) -> AsyncIterator[Publisher]:
    await ensure_topic(settings, TOPIC)
    async with Publisher(settings) as publisher:
        yield publisher


# ------------------------------------------------------------ order


async def test_records_that_fill_several_batches_lie_in_their_order(
    settings: KafkaSettings, publisher: Publisher
) -> None:
    records = [(b"k", b"%d " % number + os.urandom(700)) for number in range(5_000)]
    await publisher.send_in_order(TOPIC, 1, records, [("content-type", b"x")])
    lying = await lying_on(settings, TOPIC, 1)
    assert [(record.key, record.value) for record in lying] == records
    assert {tuple(record.headers) for record in lying} == {(("content-type", b"x"),)}
    assert await lying_on(settings, TOPIC, 0) == []


async def test_single_records_sent_together_lie_in_their_order_and_know_their_place(
    settings: KafkaSettings,
) -> None:
    await ensure_topic(settings, TOPIC, configs={"message.timestamp.type": "LogAppendTime"})
    values = [b"%d " % number + os.urandom(700) for number in range(3_000)]
    async with Publisher(settings) as publisher:
        placed = await asyncio.gather(*(publisher.send(TOPIC, value, partition=0) for value in values))
    lying = await lying_on(settings, TOPIC, 0)
    assert [record.value for record in lying] == values
    assert [(place.partition, place.offset) for place in placed] == [(0, n) for n in range(len(values))]
    assert [place.timestamp_ms for place in placed] == [record.timestamp for record in lying]


async def test_a_key_decides_on_the_partition(settings: KafkaSettings, publisher: Publisher) -> None:
    placed = await asyncio.gather(*(publisher.send(TOPIC, b"x", key=b"%d" % (n % 8)) for n in range(40)))
    assert len({(n % 8, place.partition) for n, place in enumerate(placed)}) == 8
    assert {place.partition for place in placed} == {0, 1}


async def test_nothing_to_publish_is_published_at_once(publisher: Publisher) -> None:
    await publisher.send_in_order(TOPIC, 0, [])


async def test_a_record_too_large_for_the_broker_is_refused_and_the_next_goes_through(
    settings: KafkaSettings, publisher: Publisher
) -> None:
    with pytest.raises(PublishFailed):
        await publisher.send_in_order(TOPIC, 0, [(None, os.urandom(3 * MAX_RECORD_BYTES))])
    with pytest.raises(PublishFailed):
        await publisher.send(TOPIC, os.urandom(3 * MAX_RECORD_BYTES), partition=0)
    await publisher.send_in_order(TOPIC, 0, [(None, b"small")])
    await publisher.send(TOPIC, b"small too", partition=0)
    assert [record.value for record in await lying_on(settings, TOPIC)] == [b"small", b"small too"]


async def test_a_topic_that_does_not_exist_is_refused_within_the_bound(settings: KafkaSettings) -> None:
    async with Publisher(settings, timeout_s=TIMEOUT_S) as publisher:
        began = time.monotonic()
        with pytest.raises(PublishFailed):
            await publisher.send("nowhere", b"x")
        assert time.monotonic() - began < TIMEOUT_S + BUSY_S


async def test_the_largest_record_a_channel_can_write_fits_on_the_dead_letter_topic(
    settings: KafkaSettings, publisher: Publisher
) -> None:
    """The letter of a record has its value in base64, a third longer, beside the reason and the place."""
    await ensure_topic(settings, DEAD_LETTER, configs=declared()[DEAD_LETTER].texts())
    value = os.urandom(MAX_RECORD_BYTES - 2048)
    await publisher.send(TOPIC, value, partition=0)
    (record,) = await lying_on(settings, TOPIC)
    await publish(publisher, bury(settings, "donation", record, "too-large", "more than a donation has"))
    (letter,) = [*await lying_on(settings, DEAD_LETTER, 0), *await lying_on(settings, DEAD_LETTER, 1)]
    assert DeadLetter.model_validate_json(letter.value or b"").value == value


# ------------------------------------------------------------ a broker that is not there


async def test_without_a_broker_nobody_waits_longer_than_the_bound(nowhere: KafkaSettings) -> None:
    """Neither the first caller nor the twentieth, who would have to wait for nineteen attempts."""
    publisher = Publisher(nowhere, timeout_s=TIMEOUT_S)

    async def attempt() -> float:
        began = time.monotonic()
        with pytest.raises(PublishFailed):
            await publisher.send(TOPIC, b"x")
        with pytest.raises(PublishFailed):
            await publisher.send_in_order(TOPIC, 0, [(None, b"x")])
        with pytest.raises(PublishFailed):
            await publisher.check()
        return time.monotonic() - began

    async with nothing_left_behind():
        waited = await asyncio.gather(*(attempt() for _ in range(20)))
    assert max(waited) < 3 * TIMEOUT_S + BUSY_S


async def test_starting_without_a_broker_fails_by_name_within_the_bound(nowhere: KafkaSettings) -> None:
    began = time.monotonic()
    async with nothing_left_behind():
        with pytest.raises(PublishFailed, match="no broker answers"):
            await Publisher(nowhere, timeout_s=TIMEOUT_S).__aenter__()
    assert time.monotonic() - began < TIMEOUT_S + BUSY_S


async def test_a_broker_that_takes_the_connection_and_says_nothing_is_given_up_within_the_bound() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(100)
        publisher = Publisher(
            KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{mute.getsockname()[1]}"), timeout_s=TIMEOUT_S
        )

        async def attempt() -> float:
            began = time.monotonic()
            with pytest.raises(PublishFailed):
                await publisher.send(TOPIC, b"x")
            return time.monotonic() - began

        async with nothing_left_behind():
            waited = await asyncio.gather(*(attempt() for _ in range(20)))
    assert max(waited) < TIMEOUT_S + BUSY_S


async def test_a_topic_can_not_be_made_without_a_broker_and_that_is_temporary(nowhere: KafkaSettings) -> None:
    began = time.monotonic()
    async with nothing_left_behind():
        with pytest.raises(KafkaConnectionError) as failed:
            await ensure_topic(nowhere, TOPIC)
    assert failed.value.retriable
    assert time.monotonic() - began < 12


async def test_a_topic_is_made_once_with_what_is_asked_of_it(settings: KafkaSettings) -> None:
    assert await ensure_topic(settings, TOPIC) is True
    assert await ensure_topic(settings, TOPIC) is False
    with pytest.raises(InvalidConfigurationError):
        await ensure_topic(settings, "totals", configs={"no.such.setting": "1"})
    async with Publisher(settings) as publisher:
        assert (await publisher.send(TOPIC, b"x", partition=PARTITIONS - 1)).offset == 0


async def test_a_frozen_broker_is_given_up_within_the_bound_and_used_again_when_it_wakes(
    local_kafka: LocalKafka, far: KafkaSettings
) -> None:
    await ensure_topic(far, TOPIC)
    async with nothing_left_behind(), Publisher(far, timeout_s=TIMEOUT_S) as publisher:
        await publisher.send_in_order(TOPIC, 0, [(None, b"before")])
        with frozen(local_kafka):
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(PublishFailed):
                    await publisher.send_in_order(TOPIC, 0, [(None, b"meanwhile")])
                assert time.monotonic() - began < TIMEOUT_S + BUSY_S
                with pytest.raises(PublishFailed):
                    await publisher.send(TOPIC, b"meanwhile", partition=1)
        await persistently(lambda: publisher.send_in_order(TOPIC, 0, [(None, b"after")]))
    values = [record.value for record in await lying_on(far, TOPIC)]
    assert values[0] == b"before"
    assert b"after" in values


async def test_a_killed_broker_is_given_up_and_used_again_and_no_producer_is_left_behind(
    local_kafka: LocalKafka, far: KafkaSettings
) -> None:
    await ensure_topic(far, TOPIC)
    batch: list[tuple[bytes | None, bytes]] = [(None, b"%d" % number) for number in range(100)]
    async with nothing_left_behind(), Publisher(far, timeout_s=TIMEOUT_S) as publisher:
        await publisher.send_in_order(TOPIC, 0, batch)
        running = len(asyncio.all_tasks())
        await asyncio.to_thread(local_kafka.kill)
        with pytest.raises(PublishFailed):
            await persistently(lambda: publisher.send_in_order(TOPIC, 0, batch), patience_s=3)
        await until(lambda: at_most(running), deadline_s=30)
        with pytest.raises(PublishFailed):
            await publisher.check()
        await asyncio.to_thread(local_kafka.start)
        await persistently(lambda: publisher.send_in_order(TOPIC, 0, batch))
        await publisher.check()
    values = [record.value for record in await lying_on(far, TOPIC)]
    assert values[:100] == values[-100:] == [value for _, value in batch]


async def test_publishing_persistently_ends_with_the_reason_when_its_patience_does() -> None:
    attempts = 0

    async def refuse() -> None:
        nonlocal attempts
        attempts += 1
        raise PublishFailed(f"attempt {attempts}")

    with pytest.raises(PublishFailed, match=r"attempt \d"):
        await persistently(refuse, patience_s=0.3)
    assert attempts > 2


async def test_an_error_that_is_not_the_brokers_is_not_tried_again() -> None:
    attempts: list[Any] = []

    async def mistake() -> None:
        attempts.append(None)
        raise TypeError

    with pytest.raises(TypeError):
        await persistently(mistake)
    assert len(attempts) == 1


async def test_a_host_that_says_nothing_is_given_up_long_before_a_request_is(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All connections of a client are opened one behind the other."""
    monkeypatch.setattr(connections, "CONNECT_S", 0.3)
    await ensure_topic(settings, TOPIC)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await create_conn(*silent.getsockname(), request_timeout_ms=60_000)
        assert time.monotonic() - begun < BUSY_S
        servers = {"kafka_bootstrap_servers": f"{where},{settings.kafka_bootstrap_servers}"}
        async with Publisher(settings.model_copy(update=servers)) as publisher:
            assert (await publisher.send(TOPIC, b"x", partition=0)).partition == 0
