"""Topics as a test looks at them: what lies there, and putting records of any kind there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.donation.channels.api import INTAKE_TOPIC
from shared.broker import DONATION_EVENTS, INTAKE_PREFIX, KafkaSettings, Record
from shared.events import Event, decode_event
from tests.services.donation.builders import new_id
from tests.topics import make
from tests.waiting import until


@dataclass(frozen=True)
class Put:
    """A record to be put on a topic, as a channel's own producer may write it."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, Any]] = ()
    timestamp_ms: int | None = None


class Pen:
    """Writes records as they are, as a channel's own producer may."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=settings.servers, acks="all", max_request_size=2 << 20
        )

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def make_topics(self, count: int) -> list[str]:
        """Make intake topics as registering a channel does, all in one request; gives their names."""
        names = [INTAKE_PREFIX + new_id("ch") for _ in range(count)]
        wanted = {self._settings.topic(name): INTAKE_TOPIC for name in names}
        await make(self._settings.servers, wanted, self._settings.partitions)
        return names

    async def topics(self) -> set[str]:
        """The names of all topics of the broker."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.servers)
        await admin.start()
        try:
            return set(await admin.list_topics())
        finally:
            await admin.close()

    async def put(self, topic: str, partition: int, *records: Put) -> list[int]:
        """Write records to a partition, in this order; gives back their offsets."""
        sent = [
            await self._producer.send(
                self._settings.topic(topic),
                each.value,
                each.key,
                partition,
                timestamp_ms=each.timestamp_ms,
                headers=list(each.headers),
            )
            for each in records
        ]
        return [(await future).offset for future in sent]


class Follower:
    """Reads topics from their beginning, in no group: a look that changes nothing."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=settings.servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=4 << 20,
        )
        self._seen: dict[str, list[Record]] = {}

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def records(self, topic: str) -> list[Record]:
        """All that lies on a topic now, each partition's in order."""
        partitions = [
            TopicPartition(self._settings.topic(topic), n) for n in range(self._settings.partitions)
        ]
        self._consumer.assign(partitions)
        seen = self._seen.setdefault(topic, [])
        at = dict.fromkeys(partitions, 0)
        for record in seen:
            partition = TopicPartition(record.topic, record.partition)
            at[partition] = max(at[partition], record.offset + 1)
        ends = await self._consumer.end_offsets(partitions)
        for partition, offset in at.items():
            self._consumer.seek(partition, offset)
        while any(at[partition] < ends[partition] for partition in partitions):
            for partition, records in (await self._consumer.getmany(timeout_ms=500)).items():
                seen.extend(records)
                at[partition] = records[-1].offset + 1
        self._consumer.pause(*partitions)  # or it asks the broker for more, fifty times a second
        return sorted(seen, key=lambda record: (record.partition, record.offset))

    async def events(self, *topics: str) -> list[Event]:
        """The events on donation.events that came in by these intake topics; all, when none is named."""
        return [decode_event(record.value) for record in await self.event_records(*topics)]

    async def event_records(self, *topics: str) -> list[Record]:
        """The records of `events`."""
        records = await self.records(DONATION_EVENTS)
        return [
            record
            for record in records
            if not topics or decode_event(record.value).source.rpartition("/")[0] in topics
        ]

    async def until(
        self, wanted: Callable[[list[Any]], Any], *topics: str, deadline_s: float = 60.0
    ) -> list[Any]:
        """The events of these intake topics as soon as they are as `wanted` says."""

        async def look() -> list[Any]:
            events = await self.events(*topics)
            return events if wanted(events) else []

        return await until(look, deadline_s=deadline_s)
