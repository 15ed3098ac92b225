"""Reads the topics from their first record to where they end now, into the workbook."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.problems import StackProblem
from deploy.verify.chains import Chains, Link
from deploy.verify.places import Places
from deploy.verify.progress import Progress
from deploy.verify.records import (
    BadEvent,
    EventRow,
    SpendingRow,
    campaign_event,
    dead_position,
    donation_event,
    intake_row,
)
from deploy.verify.workbook import Evidence, Workbook

INTAKE_PREFIX: Final = "intake."
DONATION_EVENTS: Final = "donation.events"
CAMPAIGN_EVENTS: Final = "campaign.events"
DEAD_LETTER: Final = "dead-letter"
PAGE: Final = 10_000
CONNECT_S: Final = 15.0
SILENCE_S: Final = 20.0
"""A broker that gives nothing for so long although there is more has failed."""
SETTLE_S: Final = 5.0
"""How long an event that came too early may wait for its rightful copy while we look on."""

Record: TypeAlias = ConsumerRecord[Any, Any]


@dataclass(slots=True)
class Logs:
    """What reading the logs has shown, beside the rows in the workbook."""

    donations: Chains = field(default_factory=Chains)
    campaigns: Chains = field(default_factory=Chains)
    bad_events: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """(topic, what is wrong with its chain)."""
        return [
            (topic, problem)
            for topic, chains in ((DONATION_EVENTS, self.donations), (CAMPAIGN_EVENTS, self.campaigns))
            for problem in (*chains.gaps, *chains.torn)
        ]


class LogReader:
    """One consumer without a group: it leaves no trace on the broker."""

    def __init__(self, places: Places, workbook: Workbook, progress: Progress) -> None:
        self._places = places
        self._workbook = workbook
        self._progress = progress
        self._partitions: dict[str, list[TopicPartition]] = {}
        self._consumer = AIOKafkaConsumer(
            **places.kafka_client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",  # as the services read: what was aborted was never sent
            fetch_max_wait_ms=10,
            max_partition_fetch_bytes=4 << 20,
            request_timeout_ms=20_000,
        )

    async def read(self) -> Logs:
        """Read every topic to its present end: events before intake, for the rules need both."""
        logs = Logs()
        async with self._connected():
            self._partitions = await self._described()
            intake = [topic for topic in self._partitions if topic.startswith(INTAKE_PREFIX)]
            await self._each(
                DONATION_EVENTS, [DONATION_EVENTS], lambda page: self._take_donation_events(logs, page)
            )
            await self._settled(logs)
            await self._each(
                CAMPAIGN_EVENTS, [CAMPAIGN_EVENTS], lambda page: self._take_campaign_events(logs, page)
            )
            await self._each("intake.*", intake, self._take_intake)
            await self._each(DEAD_LETTER, [DEAD_LETTER], self._take_dead_letters)
        return logs

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._consumer.start()
            yield
        except (KafkaError, TimeoutError) as error:
            raise StackProblem(
                f"Kafka {self._places.kafka}: {str(error) or type(error).__name__}."
            ) from error
        finally:
            async with asyncio.timeout(5):
                await self._consumer.stop()

    async def _each(self, what: str, topics: Sequence[str], take: Callable[[list[Record]], None]) -> None:
        """Give `take` every record of these topics up to their present ends, each partition's in order."""
        partitions = [partition for topic in topics for partition in self._partitions.get(topic, ())]
        if not partitions:
            return
        # Asked about a topic whose leaders it does not know, it would pause for 0.1 s.
        await self._consumer._client.set_topics({each.topic for each in partitions})  # noqa: SLF001 - no other way
        ends = {p: end for p, end in (await self._consumer.end_offsets(partitions)).items() if end > 0}
        total = sum(ends.values())
        if not ends:
            return
        self._consumer.assign(list(ends))
        await self._consumer.seek_to_beginning(*ends)
        read = 0
        async for page in self._pages(ends):
            take(page)
            read += len(page)
            self._progress(f"reading {what}", read, total)

    async def _described(self) -> dict[str, list[TopicPartition]]:
        """The partitions of every topic of this namespace, by its plain name, the names in order."""
        admin = AIOKafkaAdminClient(**self._places.kafka_client(), request_timeout_ms=10_000)
        await admin.start()
        try:
            prefix = self._places.namespace
            names = sorted(name for name in await admin.list_topics() if name.startswith(prefix))
            described: list[dict[str, Any]] = await admin.describe_topics(names)
        finally:
            await admin.close()
        return {
            topic["topic"].removeprefix(prefix): [
                TopicPartition(topic["topic"], partition["partition"]) for partition in topic["partitions"]
            ]
            for topic in described
        }

    async def _pages(self, ends: dict[TopicPartition, int]) -> AsyncIterator[list[Record]]:
        """Records below `ends`; a partition is left alone as soon as its end is reached."""
        left = dict(ends)
        heard_s = time.monotonic()
        while left:
            found = await self._consumer.getmany(*left, timeout_ms=1_000, max_records=PAGE)
            if found:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENCE_S:
                raise StackProblem(f"Kafka {self._places.kafka} gives no more of {min(left).topic}.")
            yield [r for partition, records in found.items() for r in records if r.offset < ends[partition]]
            for partition in list(left):
                # The position also passes what is no record (a control batch).
                if await self._consumer.position(partition) >= ends[partition]:
                    del left[partition]

    async def _settled(self, logs: Logs) -> None:
        """An event that came too early is followed by its rightful copy: read on until it is there."""
        deadline_s = time.monotonic() + SETTLE_S
        while logs.donations.gaps and time.monotonic() < deadline_s:
            found = await self._consumer.getmany(timeout_ms=200, max_records=PAGE)
            self._take_donation_events(logs, [record for records in found.values() for record in records])

    # ------------------------------------------------------------ what is taken from a page

    def _take_donation_events(self, logs: Logs, page: Iterable[Record]) -> None:
        events: list[EventRow] = []
        repeats: list[EventRow] = []
        for record in page:
            try:
                row, source, sequence, previous = donation_event(record.value)
            except BadEvent as error:
                logs.bad_events.append(f"{DONATION_EVENTS}/{record.partition}:{record.offset} ({error})")
                continue
            link = logs.donations.take(source, sequence, previous)
            if row is not None and link is not Link.EARLY:
                (repeats if link is Link.REPEAT else events).append(row)
        self._workbook.add_events(events)
        self._workbook.add_repeats(repeats)

    def _take_campaign_events(self, logs: Logs, page: Iterable[Record]) -> None:
        spending: list[SpendingRow] = []
        for record in page:
            try:
                rows, source, sequence, previous = campaign_event(record.value)
            except BadEvent as error:
                logs.bad_events.append(f"{CAMPAIGN_EVENTS}/{record.partition}:{record.offset} ({error})")
                continue
            link = logs.campaigns.take(source, sequence, previous)
            if link in {Link.NEXT, Link.TORN}:
                spending += rows
        self._workbook.add_spending(Evidence.CAMPAIGN_EVENTS, spending)

    def _take_intake(self, page: Iterable[Record]) -> None:
        self._workbook.add_records(
            intake_row(
                (topic := record.topic.removeprefix(self._places.namespace)).removeprefix(INTAKE_PREFIX),
                f"{topic}/{record.partition}",
                record.offset,
                record.value,
                next((value for name, value in record.headers if name.lower() == "ce_type"), None),
            )
            for record in page
        )

    def _take_dead_letters(self, page: Iterable[Record]) -> None:
        positions = (dead_position(record.value) for record in page)
        self._workbook.add_dead(position for position in positions if position is not None)
