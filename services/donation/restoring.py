"""`python -m services.donation restore`: the donation database came back from a backup, and goes on.

What was decided after the backup is not decided again, for it could come out otherwise: a campaign that was
open is closed now, of two copies the other would come first, a donation that counted would be held and count
again with its release. The events are what everybody has acted on; so each intake record behind the backup
is booked as its event says, at its own position. Then the worker's group goes back to the backup's
positions: it reads those records again, finds them booked, and tells their events once more, which every
mark takes for repeats; and it books what no event stands for.

Donors who were erased since are erased again by the worker: the erasure is a record of intake itself.

Not on the topics, and lost with an old backup: what people have entered since (receipts with their items,
decisions on messages, channels and keys, statements, casework). Numbers of receipts are told, for they are
in donors' hands; restore to the last moment instead (docs/backup.md).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from aiokafka import TopicPartition
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donation import booking, queries
from services.donation.booking import Intake, only
from services.donation.handlers import sort_out, states_after
from services.donation.intake import DonationRequest, Release, ReversalRequest, donation_id_of
from services.donation.receipts.telling import AREA
from services.donation.reversals import Decision
from shared.broker import (
    CAMPAIGN_EVENTS,
    DEAD_LETTER,
    DONATION_CAMPAIGNS_GROUP,
    DONATION_EVENTS,
    DONATION_RECEIPTS_GROUP,
    DONATION_WORKER_GROUP,
    INTAKE_DESK,
    INTAKE_INTERNAL,
    INTAKE_PREFIX,
    KafkaSettings,
)
from shared.dead_letters import DeadLetter
from shared.events import (
    ConsentWithdrawn,
    DonationConflicted,
    DonationHeld,
    DonationReceived,
    DonationReversed,
    Event,
    ReceiptIssued,
)
from shared.positions import admit, source_of
from shared.restoring import (
    PAGE,
    Published,
    Tell,
    Topics,
    adopt_outbox,
    check_stopped,
    go_back,
    read_outbox,
    reading,
    silent,
    writing,
)

CHANNELS: Final = text("SELECT channel FROM channels")
OWN_TOPICS: Final = frozenset({INTAKE_INTERNAL, INTAKE_DESK})
KEYS_AS_BEFORE: Final = (
    "KEYS AND SETTINGS of channels stand as they were at the backup: a key that was added since is not known,"
    " one that was revoked since counts again. Look each channel through when the service runs"
    " (`shanliu channel show`)."
)
GROUPS: Final = (DONATION_WORKER_GROUP, DONATION_CAMPAIGNS_GROUP, DONATION_RECEIPTS_GROUP)
Position = tuple[str, int]

_BOOKED: Final = text(
    """
    SELECT source, max(sequence) AS sequence FROM (
        SELECT source, sequence FROM donations UNION ALL SELECT source, sequence FROM releases
        UNION ALL SELECT source, sequence FROM reversals WHERE source IS NOT NULL
        UNION ALL SELECT asked_source, asked_sequence FROM reversals
        UNION ALL SELECT source, sequence FROM conflicts
        UNION ALL SELECT source, sequence FROM dead_letters
        UNION ALL SELECT source, sequence FROM message_decisions WHERE source IS NOT NULL
        UNION ALL SELECT source, sequence FROM consent_withdrawals WHERE source IS NOT NULL
        UNION ALL SELECT source, sequence FROM erased_donations WHERE source IS NOT NULL
    ) AS positions GROUP BY source
    """
)
_WITHDRAW: Final = text(
    "INSERT INTO consent_withdrawals (donation_id, reason, withdrawn_by, withdrawn_at, sent_at, source,"
    " sequence, booked_at) VALUES (:donation_id, 'restored from donation.events', 'restore', :withdrawn_at,"
    " now(), :source, :sequence, :booked_at) ON CONFLICT DO NOTHING"
)


@dataclass(slots=True)
class Decided:
    """What was decided after the backup, as the events say, by the positions of its records."""

    received: set[Position] = field(default_factory=set)
    held: dict[Position, Any] = field(default_factory=dict)
    conflicted: set[Position] = field(default_factory=set)
    released: set[Position] = field(default_factory=set)
    reversed: dict[UUID, DonationReversed] = field(default_factory=dict)
    withdrawn: list[ConsentWithdrawn] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Note an event; the first of a position stands, those after it are repeats."""
        position = (event.source, event.sequence)
        match event:
            case DonationReceived():
                (self.released if event.data.released else self.received).add(position)
            case DonationHeld():
                self.held.setdefault(position, event.data.cause or event.data.reason)
            case DonationConflicted():
                self.conflicted.add(position)
            case DonationReversed():
                self.reversed.setdefault(event.data.reversal_id, event)
            case ConsentWithdrawn():
                self.withdrawn.append(event)
            case _:
                pass

    @property
    def anything(self) -> bool:
        """Whether something was decided."""
        kinds = (self.received, self.held, self.conflicted, self.released, self.reversed, self.withdrawn)
        return any(kinds)

    def pass_over(self, booked: Mapping[str, int]) -> None:
        """Forget what is booked."""
        self.received = {each for each in self.received if _behind(each, booked)}
        self.held = {each: cause for each, cause in self.held.items() if _behind(each, booked)}
        self.conflicted = {each for each in self.conflicted if _behind(each, booked)}
        self.released = {each for each in self.released if _behind(each, booked)}
        self.reversed = {
            each: event
            for each, event in self.reversed.items()
            if _behind((event.source, event.sequence), booked)
        }
        self.withdrawn = [
            event for event in self.withdrawn if _behind((event.source, event.sequence), booked)
        ]


def _behind(position: Position, booked: Mapping[str, int]) -> bool:
    return position[1] > booked.get(position[0], -1)


@dataclass(slots=True)
class Found:
    """What lies on the topics behind the backup."""

    decided: Decided
    campaigns: list[Event]
    letters: list[DeadLetter]
    published: dict[int, Published]

    def pass_over(self, booked: Mapping[str, int]) -> None:
        """Forget what a process that is at work has booked meanwhile."""
        self.decided.pass_over(booked)
        self.letters = [each for each in self.letters if _behind(_place(each), booked)]


async def restore(
    settings: KafkaSettings, engine: AsyncEngine, *, dry_run: bool, tell: Tell = silent
) -> list[str]:
    """Bring the database forward to what was published, and the groups back to the database; what was done,
    in lines for people. Raises RestoreRefused, KafkaError, SQLAlchemyError: nothing has changed then.
    """
    running = await check_stopped(settings, engine, GROUPS, dry_run=dry_run)
    async with reading(settings, tell) as topics, engine.connect() as connection:
        found = await _read(connection, topics)
        async with writing(connection, dry_run=dry_run, at_work=bool(running)):
            booked = await _positions(connection)
            found.pass_over(booked)
            intake = {
                each: booked.get(source_of(settings.plain(each.topic), each.partition), -1) + 1
                for each in topics.partitions(prefix=INTAKE_PREFIX)
            }
            await _learn_campaigns(connection, found.campaigns)
            if found.letters:
                await queries.insert_dead_letters(connection, found.letters)
            pages = _intakes(settings, topics, intake if found.decided.anything else {})
            said = await _book(connection, found.decided, pages)
            said.append(f"{len(found.letters):,} dead letters")
            said += _receipts(await adopt_outbox(connection, found.published))
            known = (await connection.execute(CHANNELS)).scalars().all()
        said += _channels(known, topics.names(INTAKE_PREFIX))
        campaigns = dict.fromkeys(topics.partitions(CAMPAIGN_EVENTS), 0)
    return running + said + ([] if dry_run else await _go_back(settings, intake, campaigns))


async def _go_back(
    settings: KafkaSettings, intake: Mapping[TopicPartition, int], campaigns: Mapping[TopicPartition, int]
) -> list[str]:
    over = {DONATION_WORKER_GROUP: await go_back(settings, DONATION_WORKER_GROUP, intake)}
    for group in (DONATION_CAMPAIGNS_GROUP, DONATION_RECEIPTS_GROUP):
        over[group] = await go_back(settings, group, campaigns)
    return [f"{group} reads {records:,} records again" for group, records in over.items()]


async def _read(connection: AsyncConnection, topics: Topics) -> Found:
    """All that is on the topics and behind the backup but intake, before a row is locked."""
    booked = await _positions(connection)
    await connection.rollback()
    decided = Decided()
    async for _, event in topics.events(DONATION_EVENTS):
        if event.source.startswith(INTAKE_PREFIX) and event.sequence > booked.get(event.source, -1):
            decided.take(event)
    return Found(
        decided,
        [event async for _, event in topics.events(CAMPAIGN_EVENTS)],
        await _letters(topics, booked),
        await read_outbox(connection, topics, DONATION_EVENTS, AREA),
    )


async def _positions(connection: AsyncConnection) -> dict[str, int]:
    """How far each source is booked."""
    return {row.source: row.sequence for row in await connection.execute(_BOOKED)}


async def _learn_campaigns(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """What is held waits for a campaign as it is now: one that has been paused since must not let it go."""
    await queries.save_campaign_states(connection, states_after(await admit(connection, events)))


async def _letters(topics: Topics, booked: Mapping[str, int]) -> list[DeadLetter]:
    """What was refused stays refused, whatever the rules say today."""
    found: list[DeadLetter] = []
    async for records in topics.records(dict.fromkeys(topics.partitions(DEAD_LETTER), 0)):
        for record in records:
            try:
                letter = DeadLetter.model_validate_json(record.value or b"")
            except ValidationError:
                continue
            if letter.topic.startswith(INTAKE_PREFIX) and letter.offset > booked.get(_place(letter)[0], -1):
                found.append(letter)
    return found


def _place(letter: DeadLetter) -> Position:
    return source_of(letter.topic, letter.partition), letter.offset


async def _intakes(
    settings: KafkaSettings, topics: Topics, begin: Mapping[TopicPartition, int]
) -> AsyncIterator[list[Intake[Any]]]:
    async for records in topics.records(begin):
        yield sort_out(settings, tuple(records))[0]


async def _book(
    connection: AsyncConnection, decided: Decided, pages: AsyncIterator[list[Intake[Any]]]
) -> list[str]:
    """Donations as they come; then what is about them, for it may lie before them in another partition."""
    donations = 0
    conflicts: list[Intake[DonationRequest]] = []
    releases: list[Intake[Release]] = []
    reversals: list[Intake[ReversalRequest]] = []
    async for intakes in pages:
        asked = only(intakes, DonationRequest)
        donations += await _book_donations(connection, decided, asked)
        conflicts += [intake for intake in asked if intake.position in decided.conflicted]
        releases += [intake for intake in only(intakes, Release) if intake.position in decided.released]
        reversals += only(intakes, ReversalRequest)
    for start in range(0, len(conflicts), PAGE):
        await _book_conflicts(connection, conflicts[start : start + PAGE])
    for start in range(0, len(releases), PAGE):
        page = releases[start : start + PAGE]
        ids = {intake.message.donation_id for intake in page}
        await booking.book_releases(connection, page, await queries.lock_donations(connection, ids))
    await _book_reversals(connection, decided, reversals)
    await _book_withdrawals(connection, decided.withdrawn)
    about = (
        f"{len(releases):,} releases, {len(decided.reversed):,} reversals, {len(conflicts):,} conflicts,"
        f" {len(decided.withdrawn):,} withdrawals of consent"
    )
    return [f"{donations:,} donations booked as their events say, {len(decided.held):,} of them held", about]


async def _book_donations(
    connection: AsyncConnection, decided: Decided, intakes: Iterable[Intake[DonationRequest]]
) -> int:
    rows = {}
    for intake in intakes:
        if intake.position in decided.received or intake.position in decided.held:
            donation_id = donation_id_of(intake.channel, intake.message.transaction_id)
            rows[donation_id] = booking.row_of(donation_id, intake, decided.held.get(intake.position))
    if not rows:
        return 0
    return len(await queries.insert_donations(connection, list(rows.values())))


async def _book_conflicts(connection: AsyncConnection, intakes: Sequence[Intake[DonationRequest]]) -> None:
    keyed = [(donation_id_of(each.channel, each.message.transaction_id), each) for each in intakes]
    stored = await queries.stored_donations(connection, {donation_id for donation_id, _ in keyed})
    await queries.insert_conflicts(
        connection,
        [
            booking.conflict_of(
                donation_id,
                intake,
                booking.differences(dict(stored[donation_id]._mapping), intake.message),  # noqa: SLF001 - public
            )
            for donation_id, intake in keyed
        ],
    )


async def _book_reversals(
    connection: AsyncConnection, decided: Decided, intakes: Iterable[Intake[ReversalRequest]]
) -> None:
    """A reversal may have been asked for by one record and applied by another, later one."""
    asked: dict[UUID, dict[str, Any]] = {}
    for intake in intakes:
        row = booking.asked_of(intake)
        if row["reversal_id"] in decided.reversed:
            asked.setdefault(row["reversal_id"], row)
    if asked:
        await queries.insert_reversals(connection, list(asked.values()))
    if decided.reversed:
        await queries.decide_reversals(
            connection,
            [
                {
                    "reversal_id": reversal_id,
                    "status": Decision.APPLY.value,
                    "source": event.source,
                    "sequence": event.sequence,
                    "applied_at": event.time,
                }
                for reversal_id, event in sorted(decided.reversed.items())
            ],
        )


async def _book_withdrawals(connection: AsyncConnection, events: Sequence[ConsentWithdrawn]) -> None:
    rows = [
        {
            "donation_id": event.data.donation_id,
            "withdrawn_at": event.data.withdrawn_at,
            "source": event.source,
            "sequence": event.sequence,
            "booked_at": event.time,
        }
        for event in events
    ]
    if rows:
        await connection.execute(_WITHDRAW, rows)


def _receipts(events: Sequence[Event]) -> list[str]:
    numbers = sorted(event.data.number for event in events if isinstance(event, ReceiptIssued))
    if not numbers:
        return []
    lost = (
        f"LOST: {len(numbers):,} receipts were issued after the backup, {numbers[0]} to {numbers[-1]}. Their"
        " numbers are in donors' hands and would be given again: restore to a later moment, or issue none"
        " before finance has decided."
    )
    return [lost]


def _channels(known: Iterable[str], topics: Iterable[str]) -> list[str]:
    """What became of channels: a topic of intake that is none's was one's whom the backup does not know."""
    lost = sorted({each.removeprefix(INTAKE_PREFIX) for each in set(topics) - OWN_TOPICS} - set(known))
    return [
        *(
            f"LOST: the channel {each} was registered after the backup. What it has sent is booked; by HTTP"
            f" it gets 404 until it is registered again (`shanliu channel add {each}`) and has its new key."
            for each in lost
        ),
        KEYS_AS_BEFORE,
    ]
