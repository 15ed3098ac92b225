"""Which partitions topics have, as the broker knows it: a setting could be wrong."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.broker import KafkaSettings

ANSWER_S: Final = 10.0


class TopicsMissing(Exception):
    """A topic that is needed has not been made yet."""


async def partitions_of(settings: KafkaSettings, *topics: str) -> list[TopicPartition]:
    """All partitions of these topics (named without the namespace). Raises TopicsMissing, KafkaError."""
    names = {settings.topic(topic) for topic in topics}
    admin = AIOKafkaAdminClient(**settings.client(), request_timeout_ms=5_000)
    try:
        async with asyncio.timeout(ANSWER_S):
            await admin.start()
            found = await partitions_where(admin, lambda topic: topic in names)
    finally:
        await admin.close()
    if missing := names - {partition.topic for partition in found}:
        raise TopicsMissing(f"{', '.join(sorted(missing))}: make the topics first")
    return found


async def partitions_where(admin: AIOKafkaAdminClient, wanted: Callable[[str], bool]) -> list[TopicPartition]:
    """The partitions of all topics whose full name is wanted."""
    return [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in await admin.describe_topics()
        if wanted(topic["topic"])
        for partition in topic["partitions"]
    ]
