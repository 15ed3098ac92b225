"""The transactional outbox: a fact of low rate is written with its state, and published afterwards.

The row's id, taken in commit order, is the event's sequence: whoever appends holds one advisory lock until
the end of its transaction, so ids become visible in the order of their numbers. `previous` is the id of the
row before it with the same source. Rows stay: `shanliu republish campaign/0` sends those of a source again.
"""

import asyncio
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.broker import Publisher, PublishFailed, persistently
from shared.events import CONTENT_TYPE_HEADER, Event, EventData
from shared.measured import Measured

log = structlog.get_logger(__name__)

OLDEST_SECONDS = Measured(
    "shanliu_outbox_oldest_seconds", "Age of the oldest event not yet published, in seconds; 0: none waits"
)
POLL_S: Final = 0.5
"""Only for what nobody woke us for: a process that died between its commit and its publish."""
MAX_ROWS: Final = 500


def outbox_table(metadata: MetaData) -> Table:
    """The outbox of a service's database."""
    return Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(), primary_key=True),
        Column("source", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("published_at", DateTime(timezone=True)),
        Index("outbox_source", "source", "id"),
        Index("outbox_waiting", "id", postgresql_where=text("published_at IS NULL")),
    )


_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('shanliu.outbox'))")
_NEXT = text(
    "SELECT nextval(pg_get_serial_sequence('outbox', 'id')),"
    " (SELECT max(id) FROM outbox WHERE source = :source), now()"
)
_ADD = text(
    "INSERT INTO outbox (id, source, key, value) OVERRIDING SYSTEM VALUE VALUES (:id, :source, :key, :value)"
)


async def append(
    connection: AsyncConnection,
    area: str,
    event_class: type[Event],
    *,
    key: str,
    subject: str,
    data: EventData,
    partitions: int,
) -> Event:
    """Write an event in the caller's transaction. `area` is the source's first part, e.g. "campaign".

    Events with the same `key` keep their order. Append late in a transaction: the lock is held to its end.
    """
    await connection.execute(_LOCK)
    source = f"{area}/{zlib.crc32(key.encode()) % partitions}"
    sequence, previous, now = (await connection.execute(_NEXT, {"source": source})).one()
    event = event_class.at(source, sequence, previous, subject=subject, time=now, data=data)
    await connection.execute(_ADD, {"id": sequence, "source": source, "key": key, "value": event.to_bytes()})
    return event


_ONE_RELAY = text("SELECT pg_try_advisory_xact_lock(hashtext('shanliu.outbox.relay'))")
_WAITING = text(
    "SELECT id, source, key, value FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT :rows"
)
_DONE = text("UPDATE outbox SET published_at = now() WHERE id = ANY(:ids)")
_OLDEST = text("SELECT min(created_at) FROM outbox WHERE published_at IS NULL")


class Relay:
    """Publishes the outbox, in order. Several may run: one at a time has the lock, the others look on.

    One that is frozen while it holds the lock loses it to idle_in_transaction_session_timeout, and what it
    publishes when it wakes up are repeats, which the marks of the consumers skip.
    """

    def __init__(self, engine: AsyncEngine, publisher: Publisher, topic: str) -> None:
        self._engine = engine
        self._publisher = publisher
        self._topic = topic
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now instead of at the next poll; called after a commit that has appended."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled. The database or the broker away: wait and go on."""
        while True:
            self._wake.clear()  # before the look: who commits during it wakes us for the next one
            try:
                while await self.publish_waiting() == MAX_ROWS:
                    pass
            except (SQLAlchemyError, OSError, PublishFailed) as error:
                log.warning("outbox_waits", error=repr(error))
                await asyncio.sleep(0.5)
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            except TimeoutError:
                continue

    async def publish_waiting(self) -> int:
        """Publish one batch, at most MAX_ROWS rows; gives back how many."""
        async with self._engine.begin() as connection:
            if not (await connection.execute(_ONE_RELAY)).scalar_one():
                OLDEST_SECONDS.set(0)  # the age is told by the one that publishes
                return 0
            rows = (await connection.execute(_WAITING, {"rows": MAX_ROWS})).all()
            OLDEST_SECONDS.set(_age_seconds((await connection.execute(_OLDEST)).scalar()) if rows else 0)
            by_partition: dict[int, list[tuple[bytes | None, bytes]]] = {}
            for row in rows:
                by_partition.setdefault(_partition(row.source), []).append(
                    (row.key.encode(), bytes(row.value))
                )
            await self._send(by_partition)
            if rows:
                await connection.execute(_DONE, {"ids": [row.id for row in rows]})
            return len(rows)

    async def _send(self, by_partition: dict[int, list[tuple[bytes | None, bytes]]]) -> None:
        """All partitions at once: one after the other, a slow broker could take longer than the session may
        be idle, and nothing would ever be marked. Waits for every one, then raises the first failure.
        """
        sends = [
            self._publisher.send_in_order(self._topic, partition, records, [CONTENT_TYPE_HEADER])
            for partition, records in by_partition.items()
        ]
        for result in await asyncio.gather(*sends, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result


_SOURCES = text("SELECT DISTINCT source FROM outbox ORDER BY source")
_SENT = text(
    "SELECT id, key, value FROM outbox WHERE source = :source AND id > :after AND published_at IS NOT NULL"
    " ORDER BY id LIMIT :rows"
)


async def sources(engine: AsyncEngine) -> list[str]:
    """The sources of which there are events."""
    async with engine.connect() as connection:
        return list((await connection.execute(_SOURCES)).scalars())


async def republish(
    engine: AsyncEngine, publisher: Publisher, topic: str, source: str, after: int = -1
) -> int:
    """Send what was published of a source with a sequence above `after` again, in order; gives back how
    many. What waits is the relay's. Raises PublishFailed.
    """
    sent = 0
    while True:
        async with engine.connect() as connection:  # nothing open while publishing
            asked = {"source": source, "after": after, "rows": MAX_ROWS}
            rows = (await connection.execute(_SENT, asked)).all()
        if not rows:
            return sent
        records = [(row.key.encode(), bytes(row.value)) for row in rows]
        await persistently(
            lambda records=records: publisher.send_in_order(  # type: ignore[misc]
                topic, _partition(source), records, [CONTENT_TYPE_HEADER]
            )
        )
        sent, after = sent + len(rows), rows[-1].id


def _partition(source: str) -> int:
    return int(source.rpartition("/")[2])


def _age_seconds(created_at: datetime | None) -> float:
    return (
        0.0
        if created_at is None
        else max(0.0, (datetime.now(created_at.tzinfo) - created_at).total_seconds())
    )


__all__: Sequence[str] = ["Relay", "append", "outbox_table", "republish", "sources"]
