"""All that the projection is counted from, read without a group: the workers' offsets stay."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, KafkaSettings
from shared.consumer import pages_up_to, without_group
from shared.dead_letters import DeadLetter
from shared.events import Event, UnusableEvent, decode_event
from shared.partitions import partitions_of

TOPICS: Final = (DONATION_EVENTS, CAMPAIGN_EVENTS, DEAD_LETTER)
BATCH: Final = 20_000
"""Events that are counted in one transaction, about; ten times a worker's, for nobody waits for the first."""


@dataclass(slots=True)
class Batch:
    """What was read in one go. `offsets`: of the next record of each partition it is from."""

    events: list[Event] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    records: int = 0


class Topics:
    """Reads the topics in batches, each partition's records in order.

    What is no event is passed over: the workers have made dead letters of it, and these are read here too.
    """

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._consumer = consumer
        self._dead_letter_topic = settings.topic(DEAD_LETTER)
        self._partitions: list[TopicPartition] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: KafkaSettings) -> AsyncIterator[Self]:
        """Connected, and at the first record of each partition."""
        partitions = await partitions_of(settings, *TOPICS)
        async with without_group(settings) as consumer:
            topics = cls(settings, consumer)
            topics._partitions = partitions
            consumer.assign(topics._partitions)
            yield topics

    async def go_to(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Go on from these offsets (of the plain topics' names); partitions without one: from the first."""
        for partition in self._partitions:
            known = offsets.get(self._plain(partition))
            if known is None:
                await self._consumer.seek_to_beginning(partition)
            else:
                self._consumer.seek(partition, known)

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each partition ends now."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        return found

    async def left(self, ends: Mapping[TopicPartition, int]) -> int:
        """How many offsets lie between here and there."""
        return sum([max(0, end - await self._consumer.position(each)) for each, end in ends.items()])

    async def batches(self, ends: Mapping[TopicPartition, int]) -> AsyncIterator[Batch]:
        """Batches until each partition has been read to its end. Raises BrokerSilent."""
        batch = Batch()
        async for page in pages_up_to(self._consumer, ends, max_records=BATCH):
            self._take(batch, page)
            if batch.records >= BATCH:
                yield batch
                batch = Batch()
        if batch.records:
            yield batch

    def _take(self, batch: Batch, found: Mapping[TopicPartition, list[Any]]) -> None:
        for partition, records in found.items():
            if partition.topic == self._dead_letter_topic:
                batch.letters += filter(None, map(_letter, [record.value for record in records]))
            else:
                batch.events += filter(None, map(_event, [record.value for record in records]))
            batch.records += len(records)
            batch.offsets[self._plain(partition)] = records[-1].offset + 1

    def _plain(self, partition: TopicPartition) -> TopicPartition:
        return TopicPartition(self._settings.plain(partition.topic), partition.partition)


def _event(value: bytes | None) -> Event | None:
    try:
        return decode_event(value)
    except UnusableEvent:
        return None


def _letter(value: bytes | None) -> DeadLetter | None:
    try:
        return DeadLetter.model_validate_json(value or b"")
    except ValidationError:
        return None
