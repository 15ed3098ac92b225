"""From Kafka: events are counted once, in the transaction that moves their marks."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reporting import metrics, queries
from services.reporting.news import News
from services.reporting.publishing import TotalsPublisher
from services.reporting.tally import Tally, tally
from shared import tracing
from shared.broker import DEAD_LETTER, KafkaSettings, Publisher, Record, Records
from shared.dead_letters import DeadLetter, bury, publish
from shared.events import Event, UnusableEvent, decode_event
from shared.positions import admit

log = structlog.get_logger(__name__)


class Counting:
    """The worker's handler."""

    def __init__(
        self, settings: KafkaSettings, engine: AsyncEngine, publisher: Publisher, totals: TotalsPublisher
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._publisher = publisher
        self._totals = totals
        self._dead_letter_topic = settings.topic(DEAD_LETTER)

    async def handle(self, records: Records) -> None:
        """Count one batch: decode, move marks and add sums in one transaction, then tell the screens."""
        with metrics.BATCH_SECONDS.time():
            events = await self._decode(
                record for record in records if record.topic != self._dead_letter_topic
            )
            letters = list(_readable(record for record in records if record.topic == self._dead_letter_topic))
            async with self._engine.begin() as connection:
                changes = await count(connection, events)
                if letters:
                    await queries.write_dead_letters(connection, letters)
        self._totals.changed(changes.touched, news_of(events, changes))
        if changes.oldest_received_at is not None:
            lag = datetime.now(UTC) - changes.oldest_received_at
            metrics.COUNTED_LAG_SECONDS.observe(max(0.0, lag.total_seconds()))

    async def _decode(self, records: Iterable[Record]) -> list[Event]:
        """Read the events; what is none goes whole to the dead letters, and the batch goes on without it."""
        events = []
        for record in records:
            try:
                events.append(decode_event(record.value))
            except UnusableEvent as error:
                metrics.UNUSABLE_EVENTS.inc()
                letter = bury(self._settings, "reporting", record, "unusable-event", str(error))
                await publish(self._publisher, letter)
        return events


async def count(
    connection: AsyncConnection, events: list[Event], arrived_after: datetime | None = None
) -> Tally:
    """Count the events whose position is next, inside the caller's transaction; note gaps. The pace of what
    was received before `arrived_after` is left out: it would be pruned.
    """
    fresh = await admit(connection, events)
    changes = tally(fresh)
    if arrived_after is not None:
        changes.forget_pace(arrived_after)
    await queries.write(connection, changes)
    if len(fresh) < len(events):
        counted = {id(event) for event in fresh}
        await queries.write_gaps(connection, (event for event in events if id(event) not in counted))
    return changes


def news_of(events: Iterable[Event], changes: Tally) -> dict[str, News]:
    """What goes along with each campaign's totals."""
    news = {campaign: News(received_at) for campaign, received_at in changes.received_at.items()}
    if tracing.is_active():
        for event in events:
            if event.traceparent is not None and (campaign := getattr(event.data, "campaign_id", None)):
                followed = News(None, (tracing.onward(event.traceparent),))
                news[campaign] = news.get(campaign, News()).and_then(followed)
    return news


def _readable(records: Iterable[Record]) -> Iterator[DeadLetter]:
    for record in records:
        try:
            yield DeadLetter.model_validate_json(record.value or b"")
        except ValidationError as error:
            log.error("dead_letter_unreadable", offset=record.offset, errors=error.error_count())
