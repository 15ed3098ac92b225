"""Replaying: events from a date on, read again from Kafka, written for one endpoint.

The topics keep everything, so a replay can begin at any date, also before the endpoint was registered. It
goes on page by page; each page's deliveries are written in the transaction that moves the replay's places,
so that a process that dies, or two that read the same page, write nothing twice. A replay stays 2,000
deliveries ahead of its partner at most, and one that waits there costs a look a second.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.partners import queries
from services.notification.partners.metrics import WRITTEN
from services.notification.partners.projection import Outgoing, Wish, outgoing
from services.notification.settings import Settings
from shared.broker import CAMPAIGN_EVENTS, DONATION_EVENTS
from shared.consumer import places_since, without_group
from shared.events import UnusableEvent, decode_event
from shared.partitions import TopicsMissing, partitions_of

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
PAUSE_S: Final = 5.0
AHEAD_MAX: Final = 2_000
"""Deliveries of one replay that wait at most before it reads on."""
PAGE: Final = 500
PAGE_MS: Final = 2_000
CLOCKS_APART: Final = timedelta(minutes=5)
"""An event's time and its record's are of different clocks: records are looked at from so much earlier on."""
TOPICS: Final = (DONATION_EVENTS, CAMPAIGN_EVENTS)

Places = dict[str, list[int]]
"""`topic/partition` → [next offset, end]."""


class Replayer:
    """Moves every open replay on until it is cancelled; `wake` is called when deliveries are written."""

    def __init__(self, settings: Settings, engine: AsyncEngine, wake: Callable[[], None]) -> None:
        self._settings = settings
        self._engine = engine
        self._wake = wake

    async def run(self) -> None:
        """Work until cancelled. Broker or database away: wait and go on. A consumer lives only while
        replays do.
        """
        while True:
            try:
                if await self._open():
                    await self._read_on()
            except ProgrammingError:
                raise  # a statement that can't be run is a defect, not an outage
            except (SQLAlchemyError, KafkaError, TopicsMissing, OSError) as error:
                log.warning("webhook_replays_wait", error=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(POLL_S)

    async def _open(self) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            return await queries.open_replays(connection, AHEAD_MAX)

    async def _read_on(self) -> None:
        async with without_group(self._settings) as consumer:
            while replays := await self._open():
                for replay in replays:
                    await self._step(consumer, replay)

    async def _step(self, consumer: AIOKafkaConsumer, replay: Row[Any]) -> None:
        """One page of one replay."""
        places: Places = replay.places or await self._look_up(consumer, replay.since)
        events, moved = await self._page(consumer, places)
        wish = queries.wish_of(replay)
        told = _chosen(events, wish, replay.since)
        await self._write(replay, moved, told)
        if told:
            self._wake()

    async def _look_up(self, consumer: AIOKafkaConsumer, since: datetime) -> Places:
        """Where the records of a date begin in each partition, and where they end now."""
        partitions = await partitions_of(self._settings, *TOPICS)
        start = max(since, datetime(1970, 1, 2, tzinfo=UTC)) - CLOCKS_APART
        ends = await consumer.end_offsets(partitions)
        begins = await places_since(consumer, start, ends)
        return {
            f"{self._settings.plain(each.topic)}/{each.partition}": [begins[each], ends[each]]
            for each in partitions
        }

    async def _page(
        self, consumer: AIOKafkaConsumer, places: Places
    ) -> tuple[list[tuple[datetime, Outgoing]], Places]:
        """The next records as partners get them, each partition's in order, and where that leads."""
        left = {self._partition(name): (at, end) for name, (at, end) in places.items() if at < end}
        if not left:
            return [], places
        consumer.assign(list(left))
        for partition, (at, _) in left.items():
            consumer.seek(partition, at)
        pages = await consumer.getmany(timeout_ms=PAGE_MS, max_records=PAGE)
        moved = {name: list(place) for name, place in places.items()}
        events: list[tuple[datetime, Outgoing]] = []
        for partition, (_, end) in left.items():
            within = (record.value for record in pages.get(partition, ()) if record.offset < end)
            events.extend(event for event in map(_read, within) if event is not None)
            # The position also passes what is no record (a control batch).
            name = f"{self._settings.plain(partition.topic)}/{partition.partition}"
            moved[name][0] = min(await consumer.position(partition), end)
        return events, moved

    def _partition(self, name: str) -> TopicPartition:
        topic, _, number = name.rpartition("/")
        return TopicPartition(self._settings.topic(topic), int(number))

    async def _write(self, replay: Row[Any], moved: Places, told: Sequence[Outgoing]) -> None:
        done = all(at >= end for at, end in moved.values())
        async with self._engine.begin() as connection:
            row = (await connection.execute(_LOCK, {"replay_id": replay.replay_id})).one()
            if row.ended_at is not None or row.places != replay.places:
                return  # another process has read this page
            mine = [(replay.endpoint_id, event) for event in told]
            written = await queries.add_deliveries(connection, mine, replay.replay_id)
            values = {"replay_id": replay.replay_id, "places": moved, "written": written, "done": done}
            await connection.execute(_MOVE, values)
        WRITTEN.labels("replay").inc(written)
        if done:
            log.info("webhook_replay_ended", replay_id=str(replay.replay_id))


_LOCK: Final = text("SELECT places, ended_at FROM webhook_replays WHERE replay_id = :replay_id FOR UPDATE")
_MOVE: Final = text("""
UPDATE webhook_replays SET places = :places, found = found + :written,
    ended_at = CASE WHEN :done THEN now() END
WHERE replay_id = :replay_id
""").bindparams(bindparam("places", type_=JSONB))


def _read(value: bytes | None) -> tuple[datetime, Outgoing] | None:
    """An event with its time; None for what is not public, and for what is no event (a dead letter is)."""
    try:
        event = decode_event(value)
    except UnusableEvent:
        return None
    public = outgoing(event)
    return None if public is None else (event.time, public)


def _chosen(events: Sequence[tuple[datetime, Outgoing]], wish: Wish, since: datetime) -> list[Outgoing]:
    """The events from the date on that an endpoint wants."""
    return [event for at, event in events if at >= since and wish.takes(event)]
