"""How a screens process knows the totals: from the topic `totals`, and from the database as a safety net.

It listens before it reads the database, so that nothing falls in between, and takes whatever is newer. Every
two seconds it looks whether the database has counted more than the topic has told: that heals a worker that
died between its commit and its publish, and a broker that is away.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import metrics, queries
from services.reporting.hub import Hub
from services.reporting.news import News
from services.reporting.totals import CampaignState
from shared.broker import TOTALS, KafkaSettings, Record
from shared.partitions import TopicsMissing, partitions_of

log = structlog.get_logger(__name__)

LOOK_S: Final = 2.0
RECONNECT_S: Final = 1.0
CONNECT_S: Final = 10.0
READY_S: Final = 10.0


class TotalsUnknown(Exception):
    """The totals have not been read recently enough to show them."""


class TotalsFollower:
    """Feeds a hub."""

    def __init__(self, settings: KafkaSettings, engine: AsyncEngine, hub: Hub) -> None:
        self._settings = settings
        self._engine = engine
        self._hub = hub
        self._seeded_version = -1
        self._seeded_at_s = float("-inf")
        self.listening = False

    async def run(self) -> None:
        """Listen to the topic, and begin again when that fails. Never returns."""
        while True:
            try:
                await self._listen()
            except (KafkaError, SQLAlchemyError, OSError, TimeoutError, TopicsMissing) as error:
                log.warning("totals_not_heard", error=repr(error)[:300])
            finally:
                self.listening = False
                metrics.TOTALS_HEARD.set(0)
            await asyncio.sleep(RECONNECT_S)

    async def look(self) -> None:
        """Read the database whenever it has counted more than was seen there last. Never returns."""
        while True:
            try:
                await self.seed()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("totals_not_read", error=repr(error)[:300])
            await asyncio.sleep(LOOK_S)

    async def seed(self) -> None:
        """Take every campaign from the database, unless nothing was counted there since the last time."""
        version = await queries.read_version(self._engine)
        if version != self._seeded_version:
            self._hub.offer(await queries.read_states(self._engine))
            self._seeded_version = version
        self._seeded_at_s = asyncio.get_running_loop().time()
        metrics.TOTALS_READ_AT.set_to_current_time()

    async def check(self) -> None:
        """Ready when the totals are known and fresh, from the topic or from the database."""
        silent_s = asyncio.get_running_loop().time() - self._seeded_at_s
        if silent_s > READY_S:
            raise TotalsUnknown(f"the database has not been read for {silent_s:.0f} s")

    async def _listen(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._settings.client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=500,
            metadata_max_age_ms=self._settings.kafka_metadata_max_age_ms,
            request_timeout_ms=10_000,
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await consumer.start()
                await self._go_to_end(consumer)
            await self.seed()
            self.listening = True
            metrics.TOTALS_HEARD.set(1)
            while True:
                found = await consumer.getmany(timeout_ms=1000)
                self._hub.offer(self._heard(record for records in found.values() for record in records))
        finally:
            async with asyncio.timeout(3):
                await consumer.stop()

    def _heard(self, records: Iterable[Record]) -> Iterator[CampaignState]:
        for record in records:
            state = _decoded(record.value)
            if state is not None:
                self._hub.awaited.expect(state.campaign_id, News.of(record.headers))
                yield state

    async def _go_to_end(self, consumer: AIOKafkaConsumer) -> None:
        """From the end of every partition: what lies before it is in the database."""
        partitions = await partitions_of(self._settings, TOTALS)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, end in ends.items():
            consumer.seek(partition, end)


def _decoded(value: bytes | None) -> CampaignState | None:
    try:
        return CampaignState.model_validate_json(value or b"")
    except ValidationError as error:
        log.error("totals_record_unusable", errors=error.error_count())
        return None
