"""Kafka: topics, the consumer side (FastStream) and the producer side (aiokafka), each with its bounds."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from prometheus_client import Counter, Histogram
from pydantic import Field

from shared import connections, tracing
from shared.consumer import CarefulConsumer
from shared.kafka_client import KafkaClientSettings

connections.repair()
log = structlog.get_logger(__name__)

INTAKE_PREFIX: Final = "intake."
INTAKE_INTERNAL: Final = "intake.internal"
INTAKE_DESK: Final = "intake.desk"
DONATION_EVENTS: Final = "donation.events"
CAMPAIGN_EVENTS: Final = "campaign.events"
NOTIFICATION_EVENTS: Final = "notification.events"
TOTALS: Final = "totals"
CONTACTS: Final = "contacts"
DEAD_LETTER: Final = "dead-letter"

DONATION_WORKER_GROUP: Final = "donation-worker"
DONATION_CAMPAIGNS_GROUP: Final = "donation-campaigns"
DONATION_RECEIPTS_GROUP: Final = "donation-receipts-2"
"""2: reads again from the first event what the group before it had passed over (decision 18)."""
CAMPAIGN_GROUP: Final = "campaign"
NOTIFICATION_GROUP: Final = "notification"
NOTIFICATION_CONTACTS_GROUP: Final = "notification-contacts"
REPORTING_GROUP: Final = "reporting-worker"

CLUSTER_REPLICAS: Final = 3
"""From so many replicas on it is a cluster."""
ON_A_CLUSTER: Final = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
"""Said of each topic there, so that no broker's default can weaken it; as deploy/topics.yaml has it too."""
MAX_RECORDS: Final = 2_000
"""Records a batch has at most where its subscriber says nothing else."""
SMALL_BATCH: Final = 500
"""Fewer records are no backlog: the consumer keeps up."""
HEARTBEAT_MS: Final = 500
"""By a heartbeat's answer a consumer learns that another has left or joined: so long at most the partitions
of one that was stopped lie still (1.5 s at a quarter of the session's time)."""
COMPRESSION: Final = "snappy"
"""Of record batches. One of events is a fifth as long with it, on the disk and on each of its ways to three
readers, and is made and read in the time of a plain one (0.6 and 0.4 µs an event; to make it with zstd takes
2.1, with lz4 4.6).
"""
MAX_RECORD_BYTES: Final = 1 << 20
MAX_LETTER_BYTES: Final = 8 << 20
"""Bytes of a dead letter at most, as deploy/topics.yaml has it too: base64 makes four of three, and a record
full of empty headers grows to five times its bytes."""

Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]
Records: TypeAlias = tuple[Record, ...]
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
Outgoing: TypeAlias = tuple[bytes | None, bytes] | tuple[bytes | None, bytes, Headers]
"""(key, value) of a record, and headers of its own."""

PUBLISH_SECONDS = Histogram(
    "shanliu_publish_seconds",
    "Time until the broker had acknowledged (acks=all) what was published, in seconds",
    ["topic"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PUBLISH_FAILURES = Counter(
    "shanliu_publish_failures_total", "Publishes the broker did not acknowledge", ["topic"]
)
BATCH_FAILURES = Counter(
    "shanliu_batch_failures_total", "Batches whose handler failed and that come again", ["group"]
)
BATCH_RECORDS = Histogram(
    "shanliu_batch_records",
    "Records a batch had",
    ["group"],
    buckets=(1, 3, 10, 30, 100, 300, 1000, 2000),
)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def recorded_at(record: Record) -> datetime:
    """When a record was written, in UTC, as its producer says: a channel may say anything, even what no
    calendar has, and then the first day of the nearest year that exists is given back.
    """
    return _moment(record.timestamp)


@lru_cache(maxsize=1024)
def _moment(timestamp_ms: int) -> datetime:
    """Records that the broker took together have one time."""
    try:
        return _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        year = MINYEAR if timestamp_ms < 0 else MAXYEAR
        return datetime(year, 1, 1, tzinfo=UTC)


class KafkaSettings(KafkaClientSettings):
    """The broker, and the names on it. `kafka_namespace` is put before each topic and group name: several
    set-ups can share one cluster; a position's source never has it, so positions keep their meaning in a
    move.
    """

    kafka_namespace: str = ""
    kafka_session_timeout_ms: int = Field(default=6_000, ge=1_000, le=300_000)
    """A worker that is silent for so long is taken for dead, and its partitions are given to others."""
    kafka_metadata_max_age_ms: int = Field(default=10_000, ge=100, le=300_000)
    """So often the list of topics is asked for: a new channel's topic is read from within this time."""
    partitions: int = 4
    replication: int = Field(
        default=-1,
        ge=-1,
        le=15,
        description="replicas of a topic that is made; -1: the broker's default; from 3 on it is a cluster",
    )

    def topic(self, name: str) -> str:
        """The topic as the broker knows it."""
        return self.kafka_namespace + name

    def plain(self, topic: str) -> str:
        """The topic without the namespace, as positions name it."""
        return topic.removeprefix(self.kafka_namespace)


class PublishFailed(Exception):
    """The broker did not acknowledge in time. What was sent may still arrive: it must be safe to repeat."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the broker has put a record. `timestamp_ms` is UTC since the epoch: the broker's on a topic of
    LogAppendTime, else the producer's, to the linger.
    """

    partition: int
    offset: int
    timestamp_ms: int


class Publisher:
    """The producer of one process: acks=all, every wait bounded, replaced when it doesn't come back.

    Not idempotent on purpose: repeats are harmless here (marks, business keys), and aiokafka's idempotent
    producer can stay stuck after an outage (aiokafka#1017). `send_and_wait` and `stop` can hang for ever
    when the broker is gone (aiokafka#1101), hence the time-outs around each.
    """

    def __init__(self, settings: KafkaSettings, *, timeout_s: float = 5.0) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._opening: asyncio.Task[AIOKafkaProducer] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._producer is not None:
            self._give_up(self._producer)
        await asyncio.gather(*self._ending)

    async def _ready(self) -> AIOKafkaProducer:
        """The producer, started by the first who asks; those who ask meanwhile share that attempt and its
        end, or twenty callers without a broker would wait for twenty attempts one after the other.
        """
        if self._producer is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
            return await asyncio.shield(self._opening)
        return self._producer

    async def _open(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._settings.client(),
            acks="all",
            linger_ms=0,
            compression_type=COMPRESSION,
            request_timeout_ms=int(self._timeout_s * 1000),
            max_batch_size=MAX_RECORD_BYTES - 1024,
            max_request_size=MAX_LETTER_BYTES,
            metadata_max_age_ms=self._settings.kafka_metadata_max_age_ms,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except (KafkaError, TimeoutError) as error:
            await _stop_quietly(producer)
            raise PublishFailed(f"no broker answers: {error!r}") from error
        except asyncio.CancelledError:
            await _stop_quietly(producer)
            raise
        else:
            self._producer = producer
            return producer
        finally:
            self._opening = None

    async def _ready_for(self, topic: str) -> AIOKafkaProducer:
        try:
            return await self._ready()
        except PublishFailed:
            PUBLISH_FAILURES.labels(topic).inc()
            raise

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        """Stop a producer that failed, behind the caller's back, who has waited long enough; the next caller
        starts another. Who fails late leaves that one be.
        """
        if self._producer is producer:
            self._producer = None
            ending = asyncio.create_task(_stop_quietly(producer))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def partitions_of(self, topic: str) -> int | None:
        """How many partitions a topic has, as the broker last told (kafka_metadata_max_age_ms); None: it has
        not told yet.
        """
        if self._producer is None:
            return None
        known = self._producer.client.cluster.partitions_for_topic(self._settings.topic(topic))
        return len(known) if known else None

    async def send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers = (),
    ) -> Placed:
        """Publish one record and wait for all replicas. Raises PublishFailed when none answers in time."""
        name = self._settings.topic(topic)
        producer = await self._ready_for(topic)
        try:
            with PUBLISH_SECONDS.labels(topic).time():
                async with asyncio.timeout(self._timeout_s):
                    sent = await producer.send(
                        name, value, key=key, partition=partition, headers=list(headers)
                    )
                    # Shielded: a caller who gives up must not cancel the record out of a batch of others.
                    metadata = await asyncio.shield(sent)
        except (KafkaError, TimeoutError) as error:
            PUBLISH_FAILURES.labels(topic).inc()
            raise PublishFailed(f"{topic}: {error!r}") from error
        return Placed(metadata.partition, metadata.offset, metadata.timestamp)

    async def send_in_order(
        self, topic: str, partition: int, records: Sequence[Outgoing], headers: Headers = ()
    ) -> None:
        """Publish records to one partition so that they lie there in this order; `headers` are every one's.

        They go as one record batch, or as several one after the other when they don't fit into one.
        Raises PublishFailed; a part may have arrived by then, so the caller sends the whole again.
        """
        name = self._settings.topic(topic)
        producer = await self._ready_for(topic)
        try:
            with PUBLISH_SECONDS.labels(topic).time():
                rest = list(records)
                while rest:
                    rest = await self._send_batch(producer, name, partition, rest, headers)
        except (KafkaError, TimeoutError) as error:
            PUBLISH_FAILURES.labels(topic).inc()
            self._give_up(producer)
            raise PublishFailed(f"{topic}/{partition}: {error!r}") from error

    async def _send_batch(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        records: list[Outgoing],
        headers: Headers,
    ) -> list[Outgoing]:
        """Send what fits into one record batch, and give back what didn't (append answers None when full)."""
        batch = producer.create_batch()
        taken = 0
        for record in records:
            carried = [*headers, *record[2]] if len(record) == 3 else list(headers)
            if batch.append(key=record[0], value=record[1], timestamp=None, headers=carried) is None:
                break
            taken += 1
        if not taken:
            raise PublishFailed(f"{topic}: a record of {len(records[0][1])} bytes is larger than a batch")
        async with asyncio.timeout(self._timeout_s):
            await asyncio.shield(await producer.send_batch(batch, topic, partition=partition))
        return records[taken:]

    async def check(self) -> None:
        """Ask the broker for an answer within two seconds; raises when there is none."""
        producer = await self._ready()
        async with asyncio.timeout(2):
            await producer.client.fetch_all_metadata()


async def _stop_quietly(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(3):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.warning("producer_not_stopped", error=repr(error))


async def persistently(publish: Callable[[], Awaitable[None]], *, patience_s: float = 60.0) -> None:
    """Publish again and again until the broker takes it, with back-off; after `patience_s` the last
    PublishFailed is raised and the process has to end: what is not published is never passed over.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    pause_s = 0.05
    while True:
        try:
            return await publish()
        except PublishFailed as error:
            if loop.time() > deadline:
                raise
            log.warning("publish_again", error=str(error), pause_s=pause_s)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        pause_s = min(pause_s * 2, 2.0)


class _Broker(KafkaBroker):
    """Its consumers are careful ones, and say who they are as every client does."""

    def __init__(self, settings: KafkaSettings, **options: Any) -> None:
        super().__init__(settings.servers, **options)
        self._identity = settings.identity()

    async def _connect(self) -> Callable[..., AIOKafkaConsumer]:
        builder: Any = await super()._connect()
        self.config.broker_config.builder = partial(CarefulConsumer, **builder.keywords | self._identity)
        return self.config.broker_config.builder


def make_broker(settings: KafkaSettings) -> KafkaBroker:
    """The consumer side of a process. Measured against bare aiokafka: 0.8-1.0 with these settings
    (docs/decisions/0003-faststream.md); the process's own Publisher publishes.
    """
    return _Broker(
        settings,
        apply_types=False,
        logger=logging.getLogger("shanliu.consumer"),  # its own would write past our log format
        allow_auto_create_topics=False,
        graceful_timeout=8,
        request_timeout_ms=10_000,
        metadata_max_age_ms=settings.kafka_metadata_max_age_ms,
        consumer_only=True,
    )


async def _unread(records: Records, parse: Callable[[Records], Awaitable[Any]]) -> Any:
    """Keep FastStream from reading headers: one without a value or not in UTF-8 fails outside of the handler
    and the batch is passed over; `reply_to` makes it answer (docs/decisions/0003-faststream.md).
    """
    message = await parse((replace(records[0], headers=()),))
    message.raw_message = records
    return message


async def _raw(message: Any) -> Any:
    """Hand the handler the records as they are: decoding is the handler's, one bad record at a time."""
    return message.raw_message


def subscribe_batches(
    broker: KafkaBroker,
    settings: KafkaSettings,
    handler: Callable[[Records], Awaitable[None]],
    *,
    group: str,
    topics: Sequence[str] = (),
    pattern: str | None = None,
    max_records: int = MAX_RECORDS,
    pace_ms: int = 0,
) -> None:
    """Give `handler` batches of at most `max_records` records, each partition's in order.

    A record of a producer's transaction comes when that is committed, and never when it is aborted; those
    behind it in its partition wait so long. The offsets are committed when the handler returns. When it
    raises, the batch comes again after a pause that grows from 0.2 to 2 s (FastStream itself would repeat at
    once, 300 times a second).
    `pattern` is a regular expression of topic names without the namespace; new topics are seen within
    `kafka_metadata_max_age_ms`. With `pace_ms` what comes within so long comes as one batch, a large one
    at once, and the first record after a quiet moment too (shared/consumer.py).
    """
    failures = 0

    async def handle(records: Records) -> None:
        nonlocal failures
        BATCH_RECORDS.labels(group).observe(len(records))
        try:
            with tracing.processing(records, group, settings.plain):
                await handler(records)
        except Exception:
            failures += 1
            BATCH_FAILURES.labels(group).inc()
            pause_s = min(0.1 * 2 ** min(failures, 6), 2.0)
            log.exception(
                "batch_failed", group=group, records=len(records), failures=failures, pause_s=pause_s
            )
            await asyncio.sleep(pause_s)
            raise
        failures = 0

    broker.subscriber(
        *(settings.topic(name) for name in topics),
        pattern=_escaped(settings.kafka_namespace) + pattern if pattern else None,
        batch=True,
        group_id=settings.topic(group),
        max_records=max_records,
        batch_timeout_ms=20,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        no_reply=True,
        parser=_unread,
        decoder=_raw,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=pace_ms,
        max_partition_fetch_bytes=1 << 20,
        session_timeout_ms=settings.kafka_session_timeout_ms,
        heartbeat_interval_ms=min(settings.kafka_session_timeout_ms // 4, HEARTBEAT_MS),
        max_poll_interval_ms=300_000,
        partition_assignment_strategy=(RangePartitionAssignor,),
    )(handle)


def _escaped(namespace: str) -> str:
    """The namespace inside a pattern; [.] because FastStream rewrites a backslash before a star."""
    return namespace.replace(".", "[.]")


@contextlib.asynccontextmanager
async def consuming(broker: KafkaBroker) -> AsyncIterator[KafkaBroker]:
    """Run a broker's subscribers; on the way out the running batches are finished (8 s at most)."""
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def ensure_topic(settings: KafkaSettings, topic: str, *, configs: dict[str, str] | None = None) -> bool:
    """Make a topic with as many partitions as donation.events has, where that is, unless it is there; True
    when it was made.

    Raises KafkaError: retriable when no broker answers; InvalidReplicationFactorError when there are fewer
    brokers than the replicas it shall have.
    """
    admin = AIOKafkaAdminClient(**settings.client(), request_timeout_ms=10_000)
    try:
        await admin.start()
        wanted = wanted_topic(settings, topic, await _common(admin, settings), configs or {})
        answer = await admin.create_topics([wanted], timeout_ms=10_000)
        for _, code, message, *_ in answer.topic_errors:
            if code == TopicAlreadyExistsError.errno:
                return False
            if code:
                raise for_code(code)(message)
        return True
    finally:
        await admin.close()


def wanted_topic(
    settings: KafkaSettings, topic: str, partitions: int, configs: Mapping[str, str]
) -> NewTopic:
    """A topic as it is asked for: as safe as those that `shanliu topics apply` makes."""
    guarded = ON_A_CLUSTER if settings.replication >= CLUSTER_REPLICAS else {}
    return NewTopic(
        name=settings.topic(topic),
        num_partitions=partitions,
        replication_factor=settings.replication,
        # aiokafka refuses -1, "the broker's default", without it.
        replica_assignments={} if settings.replication == -1 else None,
        topic_configs={**configs, **guarded},
    )


async def _common(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> int:
    """The topics of donations may have been given more partitions than the setting says."""
    (found,) = await admin.describe_topics([settings.topic(DONATION_EVENTS)])
    return settings.partitions if found["error_code"] else len(found["partitions"])
