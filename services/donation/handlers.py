"""What comes from Kafka: donations and reversals from the intake topics, campaigns from theirs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import booking, queries
from services.donation.booking import Entry, Intake, Published, Refusal
from services.donation.cloud_events import read_message
from services.donation.holding import CampaignState
from services.donation.intake import FROM_CHANNELS, INTERNAL, LOG_SKEW, Unusable
from services.donation.metrics import BATCH_SECONDS, OUTCOMES, RECORD_AGE
from shared import dead_letters, tracing
from shared.broker import (
    CONTACTS,
    DONATION_EVENTS,
    INTAKE_INTERNAL,
    INTAKE_PREFIX,
    SMALL_BATCH,
    Headers,
    KafkaSettings,
    Outgoing,
    Publisher,
    Record,
    Records,
    persistently,
    recorded_at,
)
from shared.dead_letters import DeadLetter, bury
from shared.events import (
    CONTENT_TYPE_HEADER,
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    Event,
)
from shared.positions import admit, source_of

SERVICE = "donation"
BEHIND_S: Final = 1.0
"""So long after a batch that was not small the worker counts as behind."""
LANES_FROM: Final = 1_000
"""Records of a batch of which there are two lanes; an evening's have a few hundred."""


@dataclass(slots=True)
class Outcome:
    """What a batch makes known, once it is booked."""

    events: list[Published] = field(default_factory=list)
    contacts: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


class IntakeHandler:
    """The worker: books a batch, and only when that is committed makes it known."""

    def __init__(self, settings: KafkaSettings, engine: AsyncEngine, publisher: Publisher) -> None:
        self._settings = settings
        self._engine = engine
        self._publisher = publisher
        self._behind_until_s = 0.0

    @property
    def behind(self) -> bool:
        """Whether donations wait: what can wait longer than they, should."""
        return time.monotonic() < self._behind_until_s

    async def __call__(self, records: Records) -> None:
        """Take one batch. When this returns, all of it is booked and acknowledged by the broker."""
        if len(records) >= SMALL_BATCH:
            self._behind_until_s = time.monotonic() + BEHIND_S
        await _all([self._take(lane) for lane in lanes_of(records)])
        RECORD_AGE.set(datetime.now(UTC).timestamp() - min(record.timestamp for record in records) / 1000)

    async def _take(self, records: Sequence[Record]) -> None:
        intakes, letters = sort_out(self._settings, records)
        with BATCH_SECONDS.labels("book").time(), tracing.step("book"):
            outcome = await self._book(records, intakes, letters)
        with BATCH_SECONDS.labels("publish").time():
            await persistently(lambda: publish(self._publisher, outcome))

    async def _book(
        self, records: Sequence[Record], intakes: list[Intake[Any]], letters: list[DeadLetter]
    ) -> Outcome:
        async with self._engine.begin() as connection:
            known, before, buried = await booking.look(connection, _spans(self._settings, records), intakes)
            fresh = [intake for intake in intakes if intake.position not in buried] if buried else intakes
            entries, refusals = await booking.book(connection, fresh, known)
            found = letters + [_buried(self._settings, refusal) for refusal in refusals]
            if new := [letter for letter in found if _position(letter) not in buried]:
                await queries.insert_dead_letters(connection, new)
            events = booking.chain(entries, before, traced(self._settings, records))
            return Outcome(events, contacts_of(entries), [*buried.values(), *new])


def lanes_of(records: Records) -> list[Sequence[Record]]:
    """A batch that is small is one lane. A large one is two, booked at once as by two workers: one is decoded
    while the database has the other. A partition's records stay in order, in one lane.
    """
    if len(records) < LANES_FROM:
        return [records]
    partitions: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        partitions.setdefault((record.topic, record.partition), []).append(record)
    if len(partitions) == 1:
        return [records]
    lanes: tuple[list[Record], list[Record]] = ([], [])
    for held in sorted(partitions.values(), key=len, reverse=True):
        min(lanes, key=len).extend(held)
    return [*lanes]


def sort_out(
    settings: KafkaSettings, records: Sequence[Record]
) -> tuple[list[Intake[Any]], list[DeadLetter]]:
    """Decode records one by one, so that a bad one takes nothing with it."""
    intakes: list[Intake[Any]] = []
    letters: list[DeadLetter] = []
    for (name, partition), group in groupby(records, attrgetter("topic", "partition")):
        topic = settings.plain(name)
        source, channel = source_of(topic, partition), topic.removeprefix(INTAKE_PREFIX)
        kinds = INTERNAL if topic == INTAKE_INTERNAL else FROM_CHANNELS
        for record in group:
            received_at = recorded_at(record)
            try:
                message = read_message(
                    record.value or b"", received_at, kinds, headers=record.headers, max_skew=LOG_SKEW
                )
            except Unusable as error:
                OUTCOMES.labels(channel, "dead").inc()
                letters.append(bury(settings, SERVICE, record, error.code, error.detail))
                continue
            intakes.append(Intake(source, record.offset, partition, channel, received_at, message, record))
    return intakes, letters


def traced(settings: KafkaSettings, records: Sequence[Record]) -> dict[tuple[str, int], str]:
    """The positions of records that came with a trace, and that. A function of the records alone: an event
    that is made again is the same bytes.
    """
    return {
        (source_of(settings.plain(record.topic), record.partition), record.offset): place
        for record in records
        if record.headers
        for place in tracing.traces_of(record.headers)[:1]
    }


def contacts_of(entries: Sequence[Entry]) -> list[tuple[int, bytes, bytes]]:
    """(partition, key, value) for the restricted topic."""
    return [
        (entry.partition, entry.subject.encode(), entry.contact.model_dump_json().encode())
        for entry in entries
        if entry.contact
    ]


async def publish(publisher: Publisher, outcome: Outcome) -> None:
    """Make a batch known: dead letters and contacts first, then one record batch of events a partition.

    Raises PublishFailed when the broker did not take all of it; then the whole is sent again.
    """
    await _all([dead_letters.publish(publisher, letter) for letter in outcome.letters])
    contacts: dict[int, list[Outgoing]] = {}
    for partition, key, value in outcome.contacts:
        contacts.setdefault(partition, []).append((key, value))
    await _all([publisher.send_in_order(CONTACTS, each, values) for each, values in contacts.items()])
    with tracing.publishing(DONATION_EVENTS):
        events: dict[int, list[Outgoing]] = {}
        for partition, key, value, traceparent in outcome.events:
            events.setdefault(partition, []).append(
                (key, value) if traceparent is None else (key, value, _goes_on(traceparent))
            )
        headers = [CONTENT_TYPE_HEADER]
        await _all(
            [publisher.send_in_order(DONATION_EVENTS, each, made, headers) for each, made in events.items()]
        )


def _goes_on(traceparent: str) -> Headers:
    return [(tracing.HEADER, tracing.onward(traceparent).encode())]


async def _all(sends: Sequence[Any]) -> None:
    """Wait for every send, then raise the first failure: none goes on behind the caller's back."""
    for result in await asyncio.gather(*sends, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _spans(settings: KafkaSettings, records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """The first and the last sequence of each source in a batch, whose partitions are in order."""
    spans: dict[str, tuple[int, int]] = {}
    for record in records:
        source = source_of(settings.plain(record.topic), record.partition)
        first, _ = spans.get(source, (record.offset, record.offset))
        spans[source] = first, record.offset
    return spans


def _position(letter: DeadLetter) -> tuple[str, int]:
    return source_of(letter.topic, letter.partition), letter.offset


def _buried(settings: KafkaSettings, refusal: Refusal) -> DeadLetter:
    return bury(settings, SERVICE, refusal.intake.record, refusal.reason, refusal.detail)


class CampaignHandler:
    """Keeps what this service must know of campaigns, and has the held donations looked at."""

    def __init__(
        self, settings: KafkaSettings, engine: AsyncEngine, publisher: Publisher, changed: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._publisher = publisher
        self._changed = changed

    async def __call__(self, records: Records) -> None:
        """Take one batch of campaign events."""
        events, letters = dead_letters.usable_events(self._settings, SERVICE, records)
        async with self._engine.begin() as connection:
            fresh = await admit(connection, events)
            await queries.save_campaign_states(connection, states_after(fresh))
        for letter in letters:
            await dead_letters.publish(self._publisher, letter)
        self._changed()


def states_after(events: Sequence[Event]) -> dict[str, CampaignState]:
    """The state each campaign is in after these events."""
    states: dict[str, CampaignState] = {}
    for event in events:
        match event:
            case CampaignFiled():
                states[event.data.campaign_id] = CampaignState("filed")
            case CampaignLaunched():
                states[event.data.campaign_id] = CampaignState("launched")
            case CampaignPaused():
                states[event.data.campaign_id] = CampaignState("paused")
            case CampaignClosed():
                states[event.data.campaign_id] = CampaignState("closed", event.data.changed_at)
            case _:
                pass
    return states
