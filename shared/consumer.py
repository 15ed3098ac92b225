"""A consumer that loses nothing over a record it can't read.

aiokafka (0.14) decodes records when they are asked for. When one can't be decoded, what `getmany` has by then
taken from other partitions is dropped although their positions have moved on, so that the next commit passes
over it; and the record itself is fetched again for ever. A header's name that isn't UTF-8 is enough: brokers
take it, and clients written in C send what they are given.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from math import ceil
from typing import Any, Final

import aiokafka
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError
from prometheus_client import Counter

from shared.kafka_client import KafkaClientSettings

log = structlog.get_logger(__name__)

UNREADABLE: Final = ("unreadable", b"a header's name is not UTF-8")
"""The header of a record that stands for one that can't be read. It has no key and no value."""

UNREADABLE_RECORDS = Counter(
    "shanliu_unreadable_records_total", "Records stepped over as unreadable", ["topic"]
)
_STEP_MS: Final = 1_000
CONNECT_S: Final = 15.0
LEAVE_S: Final = 5.0
MAX_WAIT_MS: Final = 50
"""How long the broker keeps a fetch that leaves out partitions."""
IDLE_WAIT_MS: Final = 250
"""How long it keeps one while nothing comes: partitions that are given to a consumer anew, and a batch that
is tried again, wait so long at most.
"""
FULL_BYTES: Final = 256 << 10
"""With so much a paced fetch is answered at once: about 400 donations as channels send them."""
SILENCE_S: Final = 20.0
"""A broker that gives nothing for so long although there is more has failed."""
WAIT_MS: Final = 500
"""How long one look for records lasts before the next; nothing depends on it but an idle process's work."""


READ_OR_SET: Final = ("_fetch_min_bytes", "_fetch_max_wait_ms", "_records")
"""Of a fetcher of aiokafka 0.14: what its next fetch asks for, and what has been fetched and not taken."""
CALLED: Final = {
    "_get_actions_per_node": ("self", "assignment"),
    "_proc_fetch_request": ("self", "assignment", "node_id", "request"),
    "fetched_records": ("self", "partitions", "timeout", "max_records"),
}
"""Its methods that make the next fetches, take the answer of one (true when it had records), and hand out
what has come.
"""


class UnknownFetcher(RuntimeError):
    """aiokafka has changed what _PacedFetcher relies on: no consumer starts, and none without a pace."""


def _gone() -> None:
    """Stands for a method that there is no more."""


class _PacedFetcher(Fetcher):  # type: ignore[misc]  # aiokafka ships no types
    """Says how long the broker may keep its answer.

    While records come, for `pace_ms`, so that many come with one answer. When there were none, until the
    first comes anywhere: it is told at once. A fetch that leaves out partitions, because what they gave
    before has not been taken, is over soon: until then nothing else is asked of that broker.
    """

    pace_ms: int
    flowing: dict[int, bool]
    """Brokers, and whether the last answer of each had records."""

    @classmethod
    def take_over(cls, fetcher: Fetcher, pace_ms: int) -> None:
        """A consumer of aiokafka makes its fetcher itself, and asks for none of another class. Raises
        UnknownFetcher when this one is not made as those of the aiokafka that this was written for.
        """
        lacking = [name for name in READ_OR_SET if name not in vars(fetcher)]
        lacking += [
            name
            for name, parameters in CALLED.items()
            if tuple(inspect.signature(getattr(Fetcher, name, _gone)).parameters) != parameters
        ]
        if type(fetcher) is not Fetcher or lacking:
            raise UnknownFetcher(f"aiokafka {aiokafka.__version__} fetches otherwise: {', '.join(lacking)}")
        fetcher.__class__ = cls
        fetcher.pace_ms, fetcher.flowing = pace_ms, {}

    def _get_actions_per_node(self, assignment: Any) -> Any:
        paced = self.pace_ms > 0 and any(self.flowing.values()) and not self._records
        self._fetch_min_bytes = FULL_BYTES if paced else 1
        self._fetch_max_wait_ms = self.pace_ms if paced else MAX_WAIT_MS if self._records else IDLE_WAIT_MS
        return super()._get_actions_per_node(assignment)

    async def _proc_fetch_request(self, assignment: Any, broker: int, asked: Any) -> bool:
        self.flowing[broker] = await super()._proc_fetch_request(assignment, broker, asked)
        return self.flowing[broker]

    async def fetched_records(
        self,
        partitions: Any,
        timeout: float = 0,  # noqa: ASYNC109 - aiokafka's name
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        """As in aiokafka, where a partition is emptied before the next has its turn; here each has its share,
        and what one leaves of it is for those behind it. An error that came for a partition waits until
        nothing else is taken.
        """
        waiting = [each for each, held in self._records.items() if type(held) is FetchResult]
        taken: dict[TopicPartition, list[Any]] = {}
        if max_records is not None and not partitions and len(waiting) > 1:
            left = max_records
            for number, each in enumerate(waiting[:max_records]):
                share = ceil(left / (len(waiting) - number))
                taken |= await super().fetched_records([each], 0, share)
                left = max_records - sum(map(len, taken.values()))
        return taken or await super().fetched_records(partitions, timeout, max_records)


class CarefulConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """Gives a record that can't be read as an empty one with the header UNREADABLE, at its place: its
    handler finds nothing to use in it and makes it a dead letter; the original stays where it lies.

    `getmany` without partitions waits until there is something, for FastStream sleeps after an empty answer,
    whatever comes meanwhile (docs/decisions/0003-faststream.md). A consumer that is stopped ends the wait.

    For consumers that commit every batch before they ask for the next (NACK_ON_ERROR does).
    """

    async def start(self) -> None:
        """As in aiokafka; `fetch_max_wait_ms` is the pace (see _PacedFetcher)."""
        await super().start()
        _PacedFetcher.take_over(self._fetcher, pace_ms=self._fetch_max_wait_ms)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        """As in aiokafka, but for the wait. Raises ConsumerStoppedError, and KafkaError with everything
        untaken when a batch is damaged.
        """
        if partitions:
            return await self._readable(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        while True:
            if taken := await self._readable(timeout_ms=WAIT_MS, max_records=max_records):
                return taken

    async def _readable(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int | None
    ) -> dict[TopicPartition, list[Any]]:
        try:
            return await self._taken(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except (CorruptRecordException, UnsupportedCodecError):
            await self._put_back()
            raise
        except UnicodeDecodeError:
            await self._put_back()
        for place in sorted(partitions or self.assignment()):
            try:
                taken = await self._taken(place, timeout_ms=_STEP_MS, max_records=max_records)
            except UnicodeDecodeError:
                return {place: await self._up_to_the_unreadable(place)}
            if taken:
                return taken
        return {}

    async def _taken(self, *places: TopicPartition, **bounds: Any) -> dict[TopicPartition, list[Any]]:
        taken: dict[TopicPartition, list[Any]] = await super().getmany(*places, **bounds)
        return taken

    async def _put_back(self) -> None:
        """Stand where the last commit was: nothing has been handed out since."""
        for place in self.assignment():
            committed = await self.committed(place)
            if committed is None:
                await self.seek_to_beginning(place)
            else:
                self.seek(place, committed)

    async def _up_to_the_unreadable(self, place: TopicPartition) -> list[Any]:
        """The readable records before it, one by one (at most those of one fetch), and what stands for it."""
        records: list[Any] = []
        while True:
            try:
                taken = await self._taken(place, timeout_ms=_STEP_MS, max_records=1)
            except UnicodeDecodeError:
                break
            if not taken:
                return records
            records += taken[place]
        offset = await self.position(place)
        self.seek(place, offset + 1)
        UNREADABLE_RECORDS.labels(place.topic).inc()
        return [*records, _unreadable(place, offset)]


def _unreadable(place: TopicPartition, offset: int) -> ConsumerRecord[None, None]:
    now_ms = int(time.time() * 1000)
    return ConsumerRecord(
        place.topic, place.partition, offset, now_ms, 0, None, None, None, -1, -1, (UNREADABLE,)
    )


@asynccontextmanager
async def without_group(settings: KafkaClientSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A connected consumer of no group, to which no partition is assigned yet: whoever reads a topic whole
    leaves the workers' offsets alone. Raises KafkaError, TimeoutError.
    """
    consumer = AIOKafkaConsumer(
        **settings.client(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=4 << 20,
        request_timeout_ms=20_000,
    )
    async with asyncio.timeout(CONNECT_S):
        await consumer.start()
    # A task of its coordinator that is cancelled before it has begun cancels whoever stops the consumer.
    await asyncio.sleep(0)
    try:
        yield consumer
    finally:
        try:
            async with asyncio.timeout(LEAVE_S):
                await consumer.stop()
        except (KafkaError, TimeoutError) as error:
            # With the broker gone a stop can hang (aiokafka#1101); what was read is none the worse for it.
            log.warning("consumer_not_stopped", error=type(error).__name__)


async def places_since(
    consumer: AIOKafkaConsumer, since: datetime, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Where in each partition the records of a time and later begin: at its end where there are none. Raises
    KafkaError.
    """
    found = await consumer.offsets_for_times(dict.fromkeys(ends, int(since.timestamp() * 1000)))
    return {each: end if found[each] is None else min(found[each].offset, end) for each, end in ends.items()}


class BrokerSilent(Exception):
    """The broker gives no more records although there are some."""


async def pages_up_to(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], *, max_records: int
) -> AsyncIterator[dict[TopicPartition, list[Any]]]:
    """What lies between where an assigned consumer stands and these ends, page by page (one may be empty),
    each partition's records in order. What comes past an end with a page is in it too: the consumer stands
    behind it then. Raises BrokerSilent, KafkaError.
    """
    left = set(ends)
    heard_s = time.monotonic()
    # The position also passes what is no record (a control batch).
    while left := {each for each in left if await consumer.position(each) < ends[each]}:
        found = await consumer.getmany(*left, timeout_ms=WAIT_MS, max_records=max_records)
        if found:
            heard_s = time.monotonic()
        elif time.monotonic() - heard_s > SILENCE_S:
            raise BrokerSilent(f"The broker gives no more of {min(left).topic}.")
        yield found
