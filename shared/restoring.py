"""After a service's database came back from a backup: its groups, and its outbox, are brought back to it.

The broker was not set back with it. So two things are wrong until this is done, and nothing would show it:
a group's offsets lie behind what the tables have not seen, and the outbox would give numbers that were given
before, which every consumer takes for repeats. docs/backup.md has the steps.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.broker import KafkaSettings, Record
from shared.consumer import CONNECT_S, BrokerSilent, pages_up_to, without_group
from shared.database import LOCK_TIMEOUT_MS, create_engine, disposing
from shared.events import Event, UnusableEvent, decode_event
from shared.migrations import Behind, behind
from shared.partitions import partitions_where

PAGE: Final = 5_000
TELL_EVERY_S: Final = 2.0
LEFT_S: Final = 2.0
"""How long a session may outlive the process that was stopped just now."""
HELD_S: Final = 2.0
"""So long at most a dry run holds rows that others want; half of what they wait for a lock."""

Tell = Callable[[str], None]


def silent(_: str) -> None:
    """Nobody looks on."""


class RestoreRefused(Exception):
    """Nothing was changed; the message says why, and what to do."""


# ---------------------------------------------------------------- the topics


class Topics:
    """Reads topics to their present ends, without a group."""

    def __init__(
        self,
        settings: KafkaSettings,
        consumer: AIOKafkaConsumer,
        known: set[TopicPartition],
        tell: Tell = silent,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._known = known
        self._tell = tell

    def partitions(self, *names: str, prefix: str | None = None) -> list[TopicPartition]:
        """The partitions of topics by their plain names, or of all whose plain name begins with `prefix`."""
        return sorted(
            each
            for each in self._known
            if (plain := self._settings.plain(each.topic)) in names or (prefix and plain.startswith(prefix))
        )

    def names(self, prefix: str) -> set[str]:
        """The plain names of the topics that begin with `prefix`."""
        return {self._settings.plain(each.topic) for each in self.partitions(prefix=prefix)}

    async def records(self, begin: Mapping[TopicPartition, int]) -> AsyncIterator[Sequence[Record]]:
        """All records from these offsets on (or from the first that is there), each partition's in order.
        How far it is is told every two seconds. Raises RestoreRefused when the broker gives no more.
        """
        if not begin:
            return
        partitions = list(begin)
        self._consumer.assign(partitions)
        firsts = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        total = read = 0
        for partition, offset in begin.items():
            start = min(max(offset, firsts[partition]), ends[partition])
            total += ends[partition] - start
            self._consumer.seek(partition, start)
        told_s = time.monotonic()
        try:
            async for page in pages_up_to(self._consumer, ends, max_records=PAGE):
                read += sum(map(len, page.values()))
                if time.monotonic() - told_s > TELL_EVERY_S:
                    told_s = time.monotonic()
                    self._tell(f"{self._named(partitions)}: {read:,} of {total:,} records read")
                for partition, records in page.items():
                    yield [record for record in records if record.offset < ends[partition]]
        except BrokerSilent as error:
            raise RestoreRefused(str(error)) from error

    def _named(self, partitions: Iterable[TopicPartition]) -> str:
        names = sorted({self._settings.plain(each.topic) for each in partitions})
        return names[0] if len(names) == 1 else f"{len(names)} topics"

    async def events(self, topic: str) -> AsyncIterator[tuple[Record, Event]]:
        """All events of a topic; what is none is passed over, as its dead letter says."""
        begin = dict.fromkeys(self.partitions(topic), 0)
        async for records in self.records(begin):
            for record in records:
                try:
                    yield record, decode_event(record.value)
                except UnusableEvent:
                    continue


@asynccontextmanager
async def reading(settings: KafkaSettings, tell: Tell = silent) -> AsyncIterator[Topics]:
    """A reader, and the partitions of this namespace's topics."""
    async with _admin(settings) as admin:
        known = set(await partitions_where(admin, lambda topic: topic.startswith(settings.kafka_namespace)))
    async with without_group(settings) as consumer:
        yield Topics(settings, consumer, known, tell)


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.client(), request_timeout_ms=10_000)
    async with asyncio.timeout(CONNECT_S):
        await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


# ---------------------------------------------------------------- who is still at work

# A role sees who is behind the sessions of its own.
_SESSIONS: Final = text(
    """
    SELECT application_name AS name, count(*) AS sessions FROM pg_stat_activity
    WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
    GROUP BY 1 ORDER BY 1
    """
)


async def check_stopped(
    settings: KafkaSettings, engine: AsyncEngine, groups: Iterable[str], *, dry_run: bool
) -> list[str]:
    """Raises RestoreRefused while a process of the service runs: a group with members would go on from where
    it is, and who has a session in the database may write there. A dry run goes on, and says so in a line.
    """
    found = await _members(settings, groups) or await _sessions(engine, 0 if dry_run else LEFT_S)
    if not found:
        return []
    if dry_run:
        return [f"{found}: what they do meanwhile may be counted here; the restore itself needs them stopped"]
    raise RestoreRefused(
        f"{found}: stop every process of the service, wait 10 s, and run it again. Nothing has been changed."
    )


async def _members(settings: KafkaSettings, groups: Iterable[str]) -> str:
    async with _admin(settings) as admin:
        for group in groups:
            (answer,) = await _described(admin, settings.topic(group))
            for _, name, state, *_ in answer.groups:
                if state not in {"Empty", "Dead", ""}:
                    return f"The group {name} is {state}"
    return ""


async def _described(admin: AIOKafkaAdminClient, group: str) -> list[Any]:
    """A broker to which no group has come yet makes their topic first."""
    deadline = time.monotonic() + CONNECT_S
    while True:
        try:
            return list(await admin.describe_consumer_groups([group]))
        except GroupCoordinatorNotAvailableError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.2)


async def _sessions(engine: AsyncEngine, patience_s: float) -> str:
    deadline = time.monotonic() + patience_s
    while True:
        async with engine.connect() as connection:
            rows = (await connection.execute(_SESSIONS)).all()
        if not rows or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.1)
    names = ", ".join(f"{row.name or 'nameless'} ({row.sessions})" for row in rows)
    return f"The service's role has sessions in its database, {names}" if names else ""


# ---------------------------------------------------------------- the groups


async def go_back(settings: KafkaSettings, group: str, offsets: Mapping[TopicPartition, int]) -> int:
    """Have a group go on from these offsets where it is behind them now; gives back over how many records.
    A group never goes forward by it.
    """
    if not offsets:
        return 0
    consumer = AIOKafkaConsumer(**settings.client(), group_id=settings.topic(group), enable_auto_commit=False)
    async with asyncio.timeout(CONNECT_S):
        await consumer.start()
    try:
        consumer.assign(list(offsets))
        firsts = await consumer.beginning_offsets(list(offsets))
        back: dict[TopicPartition, int] = {}
        over = 0
        for partition, offset in offsets.items():
            stands = await consumer.committed(partition)
            wanted = max(offset, firsts[partition])
            if stands is not None and stands > wanted:
                back[partition] = wanted
                over += stands - wanted
        if back:
            await consumer.commit(back)
        return over
    finally:
        await consumer.stop()


# ---------------------------------------------------------------- the outbox

_HIGHEST: Final = text("SELECT coalesce(max(id), 0) FROM outbox")
_SAME: Final = text("SELECT id, sha256(value) AS digest FROM outbox WHERE id = ANY(:ids)")
_ADOPT: Final = text(
    "INSERT INTO outbox (id, source, key, value, published_at) OVERRIDING SYSTEM VALUE"
    " VALUES (:id, :source, :key, :value, now())"
)
# Number by number: a service's role may take the next of a sequence, and not set it.
_GO_ON: Final = text(
    """
    SELECT max(nextval(numbers)) FROM CAST(pg_get_serial_sequence('outbox', 'id') AS regclass) AS numbers
    CROSS JOIN LATERAL generate_series(
        1, (SELECT max(id) FROM outbox) - coalesce(pg_sequence_last_value(numbers), 0)
    )
    """
)


class Published(NamedTuple):
    """An event as it lies on its topic."""

    record: Record
    event: Event


async def read_outbox(
    connection: AsyncConnection, topics: Topics, topic: str, area: str
) -> dict[int, Published]:
    """The events of an outbox that lie on its topic and not in its table, by their numbers. No lock is left.

    Raises RestoreRefused when the table has another event under a number that is on the topic: then the
    service was started before this was done.
    """
    highest: int = (await connection.execute(_HIGHEST)).scalar_one()
    await connection.rollback()
    lost: dict[int, Published] = {}
    known: dict[int, bytes] = {}
    async for record, event in topics.events(topic):
        if event.source.startswith(f"{area}/"):
            if event.sequence > highest:
                lost.setdefault(event.sequence, Published(record, event))
            else:
                known[event.sequence] = sha256(record.value or b"").digest()
    for row in await connection.execute(_SAME, {"ids": list(known)}):
        if bytes(row.digest) != known[row.id]:
            raise RestoreRefused(
                f"The event {row.id} of the outbox is another than the one on {topic}: the service has made"
                " events since the backup was restored. Restore it again, and run this before it is started."
            )
    await connection.rollback()
    return lost


async def adopt_outbox(connection: AsyncConnection, lost: Mapping[int, Published]) -> list[Event]:
    """Take the events that were published after the backup into the outbox, and have it go on behind them:
    none is made again under a number that was given. Gives them back, in their order.
    """
    highest: int = (await connection.execute(_HIGHEST)).scalar_one()  # a process at work may have added some
    adopted = [found for number, found in sorted(lost.items()) if number > highest]
    if adopted:
        await connection.execute(_ADOPT, [_adopted(*found) for found in adopted])
        await connection.execute(_GO_ON)
    return [found.event for found in adopted]


def _adopted(record: Record, event: Event) -> dict[str, Any]:
    key = record.key.decode() if record.key else event.subject
    return {"id": event.sequence, "source": event.source, "key": key, "value": record.value}


# ---------------------------------------------------------------- the transaction


@asynccontextmanager
async def writing(connection: AsyncConnection, *, dry_run: bool, at_work: bool) -> AsyncIterator[None]:
    """All that a restore writes, in one transaction; a dry run takes it back. While processes of the service
    are `at_work` it holds their rows for HELD_S at most: then it ends in RestoreRefused.
    """
    try:
        async with asyncio.timeout(HELD_S if at_work else None):
            yield
    except TimeoutError as error:
        raise RestoreRefused(
            f"What would be done can't be told within {HELD_S:.0f} s, and no row is held for longer while"
            " processes of the service are at work: stop them, and run it again. Nothing has been changed."
        ) from error
    if dry_run:
        await connection.rollback()
    else:
        await connection.commit()


# ---------------------------------------------------------------- the command

_LOCK_NOT_AVAILABLE: Final = "55P03"

Restore = Callable[..., Awaitable[list[str]]]
"""`restore(settings, engine, dry_run=…, tell=…)` of a service: what was done, in lines for people."""


def run(
    restore: Restore, settings: KafkaSettings, database_url: str, *, dry_run: bool, tell: Tell
) -> list[str]:
    """Run a service's restore; `tell` hears how far it is. Raises RestoreRefused: nothing was changed."""
    try:
        return asyncio.run(_run(restore, settings, database_url, dry_run=dry_run, tell=tell))
    except (KafkaError, SQLAlchemyError, OSError, TimeoutError) as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise RestoreRefused(
                f"Somebody holds rows that it needs for more than {LOCK_TIMEOUT_MS / 1000:.0f} s: stop every"
                " process of the service, and run it again. Nothing has been changed."
            ) from error
        raise RestoreRefused(f"It ended: {error!r:.300}. Run it again.") from error


def package_of(restore: Restore) -> str:
    """The service's package, whose migrations its database needs."""
    return restore.__module__.rpartition(".")[0]


def told(found: Behind) -> str:
    """Of which release a database is, for people."""
    return f"of an older release (its tables are at version {found.at or 'none'}, needed is {found.newest})"


async def _run(
    restore: Restore, settings: KafkaSettings, database_url: str, *, dry_run: bool, tell: Tell
) -> list[str]:
    if (found := await behind(database_url, package_of(restore))) is not None:
        raise RestoreRefused(
            f"The database is {told(found)}: `shanliu prepare` migrates it, then run this again. Nothing has"
            " been changed."
        )
    async with disposing(create_engine(database_url, "restore", pool_size=1, patient=True)) as engine:
        return await restore(settings, engine, dry_run=dry_run, tell=tell)


def command(restore: Restore, settings: KafkaSettings, database_url: str, arguments: Sequence[str]) -> None:
    """`python -m services.… restore [--dry-run]`: what was done, on stdout; how far it is, on stderr."""
    if unknown := set(arguments) - {"--dry-run"}:
        raise SystemExit(f"restore takes --dry-run and nothing else; {', '.join(sorted(unknown))} is unknown")

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    try:
        said = run(restore, settings, database_url, dry_run="--dry-run" in arguments, tell=tell)
    except RestoreRefused as error:
        raise SystemExit(str(error)) from error
    sys.stdout.write("".join(f"{line}\n" for line in said))
