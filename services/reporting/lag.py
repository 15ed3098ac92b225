"""Consumer lag: how many records each service has still to read, as the broker knows it, and how long the
oldest of them has waited.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from services.reporting.backlog import Backlog
from services.reporting.schemas import GroupLag
from shared.broker import (
    CAMPAIGN_GROUP,
    DONATION_CAMPAIGNS_GROUP,
    DONATION_RECEIPTS_GROUP,
    DONATION_WORKER_GROUP,
    INTAKE_PREFIX,
    NOTIFICATION_CONTACTS_GROUP,
    NOTIFICATION_GROUP,
    REPORTING_GROUP,
    KafkaSettings,
)
from shared.partitions import partitions_where

log = structlog.get_logger(__name__)

GROUPS: Final = (
    DONATION_WORKER_GROUP,
    DONATION_CAMPAIGNS_GROUP,
    DONATION_RECEIPTS_GROUP,
    CAMPAIGN_GROUP,
    NOTIFICATION_GROUP,
    NOTIFICATION_CONTACTS_GROUP,
    REPORTING_GROUP,
)
ASK_S: Final = 2.0
ANSWER_S: Final = 10.0
LAG_RECORDS: Final = Gauge(
    "shanliu_consumer_lag_records",
    "Records a consumer group has still to read of a topic",
    ["group", "topic"],
)
OLDEST_UNREAD_SECONDS: Final = Gauge(
    "shanliu_consumer_oldest_unread_seconds",
    "How long the oldest record that a consumer group has not read of a topic has waited, to two seconds, in"
    " seconds; 0: all is read",
    ["group", "topic"],
)
LAG_ASKED_AT: Final = Gauge(
    "shanliu_consumer_lag_timestamp_seconds",
    "When the broker last said how far every group is, in seconds since 1970; 0: not yet",
)


class LagWatch:
    """Asks the broker every two seconds; keeps the last answer and, when there is none, why."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._backlog: Backlog[tuple[str, TopicPartition]] = Backlog()
        self.lag: list[GroupLag] = []
        self.error: str | None = "not asked yet"

    async def run(self) -> None:
        """Ask again and again, with a new connection after a failure. Never returns."""
        while True:
            try:
                await self._watch()
            except (KafkaError, OSError, TimeoutError) as error:
                self.error = repr(error)[:200]
                log.warning("lag_unknown", error=self.error)
            await asyncio.sleep(ASK_S)

    async def _watch(self) -> None:
        admin = AIOKafkaAdminClient(**self._settings.client(), request_timeout_ms=5_000)
        consumer = AIOKafkaConsumer(**self._settings.client(), group_id=None, request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(ANSWER_S):
                await admin.start()
                await consumer.start()
            while True:
                async with asyncio.timeout(ANSWER_S):
                    self._note(await self._ask(admin, consumer))
                await asyncio.sleep(ASK_S)
        finally:
            async with asyncio.timeout(3):
                await asyncio.gather(consumer.stop(), admin.close())

    async def _ask(self, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> list[GroupLag]:
        prefix = self._settings.topic(INTAKE_PREFIX)
        intake = await partitions_where(admin, lambda topic: topic.startswith(prefix))
        lag: list[GroupLag] = []
        places: dict[tuple[str, TopicPartition], tuple[int, int]] = {}
        for group in GROUPS:
            stored = await admin.list_consumer_group_offsets(self._settings.topic(group))
            committed = {partition: place.offset for partition, place in stored.items()}
            if group == DONATION_WORKER_GROUP:
                # A channel nobody has read yet has no offset: all of it is still to be read.
                committed = dict.fromkeys(intake, 0) | committed
            ends = await consumer.end_offsets(list(committed)) if committed else {}
            lag += self._by_topic(group, committed, ends)
            places |= {(group, each): (max(committed[each], 0), ends[each]) for each in committed}
        self._tell_ages(places)
        return lag

    def _tell_ages(self, places: Mapping[tuple[str, TopicPartition], tuple[int, int]]) -> None:
        """The oldest of a topic's partitions is the topic's."""
        oldest: dict[tuple[str, str], float] = {}
        for (group, partition), age_s in self._backlog.look(time.monotonic(), places).items():
            name = group, self._settings.plain(partition.topic)
            oldest[name] = max(oldest.get(name, 0.0), age_s)
        for (group, topic), age_s in oldest.items():
            OLDEST_UNREAD_SECONDS.labels(group, topic).set(age_s)

    def _by_topic(
        self, group: str, committed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> Iterable[GroupLag]:
        records: Counter[str] = Counter()
        for partition, offset in committed.items():
            records[self._settings.plain(partition.topic)] += max(0, ends[partition] - max(offset, 0))
        return [GroupLag(group=group, topic=topic, records=count) for topic, count in sorted(records.items())]

    def _note(self, lag: list[GroupLag]) -> None:
        self.lag, self.error = lag, None
        LAG_ASKED_AT.set_to_current_time()
        for entry in lag:
            LAG_RECORDS.labels(entry.group, entry.topic).set(entry.records)
