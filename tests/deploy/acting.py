"""What somebody does on a broker, tried with other people's libraries: to write, to read, to make a topic."""

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as KafkaRdError

from deploy.access import librdkafka
from shared.broker import KafkaSettings

ANSWER_MS = 20_000
"""Three brokers on a busy machine have taken more than 5 s until all had a record."""
SILENT = logging.getLogger("tests.access")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


class Forbidden(Exception):
    """The broker lets nobody of this name read that."""


async def write(settings: KafkaSettings, topic: str, value: bytes = b"{}", key: bytes | None = None) -> None:
    """Publish one record. Raises KafkaError."""
    async with AIOKafkaProducer(**settings.client(), acks="all", request_timeout_ms=ANSWER_MS) as producer:
        await producer.send_and_wait(settings.topic(topic), value, key)


async def read(settings: KafkaSettings, topic: str, group: str | None = None) -> None:
    """Look at a topic's first partition, in a group as well when one is named. Raises Forbidden. With
    librdkafka, because aiokafka goes on asking for ever.
    """
    await asyncio.to_thread(_read, settings, topic, group)


def _read(settings: KafkaSettings, topic: str, group: str | None) -> None:
    configuration = {"group.id": settings.topic(group or "none"), "enable.partition.eof": True}
    consumer = Consumer({**librdkafka(settings), **configuration, "enable.auto.commit": False}, logger=SILENT)
    try:
        name = settings.topic(topic)
        # Asked first: of a topic that may not even be seen librdkafka's poll says nothing.
        if refusal := consumer.list_topics(name, timeout=10).topics[name].error:
            raise Forbidden(refusal.name())
        consumer.assign([TopicPartition(name, 0, 0)])
        message = consumer.poll(20)
        # librdkafka looks for a coordinator, whether it is needed or not.
        while group is None and message and message.error() and _of_group(message.error()):
            message = consumer.poll(20)
        assert message is not None, "neither a record nor an end nor an error"
        if message.error() and message.error().code() != KafkaRdError._PARTITION_EOF:
            raise Forbidden(message.error().name())
        if group:
            consumer.commit(offsets=[TopicPartition(name, 0, 0)], asynchronous=False)
    except KafkaException as error:
        raise Forbidden(error.args[0].name()) from error
    finally:
        consumer.close()


def _of_group(error: Any) -> bool:
    return bool(error.code() == KafkaRdError.GROUP_AUTHORIZATION_FAILED)


async def topics_seen(settings: KafkaSettings) -> set[str]:
    """The topics that somebody is told of."""
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    try:
        return {name.removeprefix(settings.kafka_namespace) for name in await admin.list_topics()}
    finally:
        await admin.close()


async def make(settings: KafkaSettings, topic: str) -> None:
    """Make a topic. Raises KafkaError."""
    admin = AIOKafkaAdminClient(**settings.client())
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(settings.topic(topic), 1, 1)])
        for _, code, message, *_ in answer.topic_errors:
            if code:
                raise for_code(code)(message)
    finally:
        await admin.close()
