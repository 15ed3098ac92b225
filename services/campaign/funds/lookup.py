"""What the log says of a donation that is to be split.

The fund knows sums, the donation service knows donations, and no service asks another for its own work. So
the donation is read off `donation.events` again, once, from the day on which it came in: the log keeps
everything. From the moment its id is written here, the worker notes its reversals as they come
(`queries.note_reversals`); those before are on the log below the end that is read up to. So none is missed,
and one that both have seen is one row by its position.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.days import DONOR_TIME
from services.campaign.funds import queries
from shared.broker import DONATION_EVENTS, MAX_RECORDS, KafkaSettings
from shared.consumer import BrokerSilent, pages_up_to, places_since, without_group
from shared.events import DonationReceived, DonationReversed, Event, UnusableEvent, decode_event
from shared.partitions import TopicsMissing, partitions_of

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
"""How often it is asked whether a donation is wanted."""
AT_ONCE: Final = 20
"""Donations that are looked for in one reading."""
AGAIN_S: Final = 60.0
"""What was not found is looked for again so much later: the record may not have come yet."""
_DONATION_ID: Final = re.compile(rb'"donation_id"\s*:\s*"([0-9a-f-]{36})"')
EARLIER: Final = timedelta(hours=1)
"""Clocks differ: the reading begins before the day."""


def about(values: Iterable[bytes | None], donation_ids: Sequence[UUID]) -> list[Event]:
    """The donations and reversals among records that are about one of the ids.

    A record is decoded only when its bytes have one of the ids: 2 µs instead of 5 and more.
    """
    wanted = set(donation_ids)
    written = {str(each).encode() for each in donation_ids}
    found: list[Event] = []
    for value in values:
        named = _DONATION_ID.search(value or b"")
        if named is None or named[1] not in written:
            continue
        with suppress(UnusableEvent):  # the worker has put it into the dead letters
            event = decode_event(value)
            if isinstance(event, DonationReceived | DonationReversed) and event.data.donation_id in wanted:
                found.append(event)
    return found


class Lookups:
    """Runs beside the server. Two processes may read the same: what they write is the same."""

    def __init__(self, engine: AsyncEngine, kafka: KafkaSettings) -> None:
        self._engine = engine
        self._kafka = kafka

    async def run(self) -> None:
        """Look until cancelled. The broker or the database away: wait and go on."""
        while True:
            try:
                await self.look()
            except (BrokerSilent, TopicsMissing, KafkaError, SQLAlchemyError, OSError) as error:
                log.warning("donation_lookup_waits", error=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Read the log for the donations that are wanted now; gives back for how many."""
        async with self._engine.connect() as connection:
            again = datetime.now(UTC) - timedelta(seconds=AGAIN_S)
            wanted = await queries.wanted_donations(connection, not_since=again, limit=AT_ONCE)
        if wanted:
            events = await self._read(wanted)
            async with self._engine.begin() as connection:
                await queries.note_donations(connection, events)
                await queries.note_reversals(connection, events)
                await queries.note_searched(connection, list(wanted))
        return len(wanted)

    async def _read(self, wanted: Mapping[UUID, date]) -> list[Event]:
        """Everything about the donations from the earliest day to what is the log's end at the beginning."""
        partitions = await partitions_of(self._kafka, DONATION_EVENTS)
        day = min(wanted.values())
        since = datetime(day.year, day.month, day.day, tzinfo=DONOR_TIME) - EARLIER
        events: list[Event] = []
        async with without_group(self._kafka) as consumer:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition, begin in (await places_since(consumer, since, ends)).items():
                consumer.seek(partition, begin)
            async for page in pages_up_to(consumer, ends, max_records=MAX_RECORDS):
                for records in page.values():
                    events += about((record.value for record in records), list(wanted))
                await asyncio.sleep(0)
        return events
