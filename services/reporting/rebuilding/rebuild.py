"""`python -m services.reporting rebuild`, `shanliu rebuild reporting`: count everything again.

For a corrected rule, a new column or a table that is damaged: the topics keep everything. Workers and screens
may run. The new projection is counted beside the old one, in a schema of its own; meanwhile the workers go on
counting into the old one, and screens show it. When the new one has read as far as the topics go, it takes
the old one's place in one transaction: screens never see a part of it, and no number jumps back.

A run that ended in the middle is taken up where it was; one with `anew` begins at the first event.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting import erasing, queries
from services.reporting.handlers import count
from services.reporting.publishing import publish_all
from services.reporting.rebuilding import beside
from services.reporting.rebuilding.beside import RebuildRefused
from services.reporting.rebuilding.reading import Batch, Topics
from services.reporting.settings import Settings
from shared.broker import Publisher, PublishFailed
from shared.database import create_engine, disposing

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 10
"""So often it is tried to take the place; each holds the workers up for HELD_S at most."""
HELD_S: Final = 2.5
"""Less than what a worker waits for a lock (4 s, shared/database.py)."""
PAUSE_S: Final = 0.5
READERS_PAUSE_S: Final = 0.05

Progress = Callable[[int, int], None]
"""Told how many records have been read, and of how many."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to. `resumed`: it was begun by an earlier run."""

    records: int
    seconds: float
    resumed: bool


async def rebuild(
    settings: Settings,
    progress: Progress = lambda *_: None,
    *,
    anew: bool = False,
    as_role: str | None = None,
) -> Rebuilt:
    """Count the projection again and put it in place. `as_role`: the owner of the tables, where that is not
    who `settings.database_url` names. Raises RebuildRefused, TopicsMissing, BrokerSilent, KafkaError,
    SQLAlchemyError: nothing has changed then, and what was read so far is kept for the next run.
    """
    begun_s = time.monotonic()
    engine = create_engine(settings.database_url, "reporting-rebuild", pool_size=1, plan_once=True)
    async with disposing(engine), Topics.open(settings) as topics, engine.connect() as connection:
        resumed = await beside.open_beside(connection, anew=anew, as_role=as_role)
        try:
            with _no_search_for_garbage():
                records = await _catch_up(connection, topics, progress)
            await _take_place(connection, topics)
        finally:
            await connection.rollback()
            await connection.invalidate()  # with it go the lock and the search_path
    await _tell(settings)
    log.info("projection_rebuilt", records=records, resumed=resumed)
    return Rebuilt(records, time.monotonic() - begun_s, resumed)


@contextlib.contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Events are freed when their batch is; the search for those that hold each other finds none, and takes
    three quarters of the time (29 against 7 µs to decode an event).
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


async def _catch_up(connection: AsyncConnection, topics: Topics, progress: Progress) -> int:
    """Count to the present end of the topics; gives back how many records were read."""
    async with connection.begin():
        await topics.go_to(await beside.next_offsets(connection))
    ends = await topics.ends()
    total, read = await topics.left(ends), 0
    async for batch in topics.batches(ends):
        async with connection.begin():
            await _count(connection, batch)
        read += batch.records
        progress(read, max(total, read))
    return read


async def _count(connection: AsyncConnection, batch: Batch) -> None:
    await count(connection, batch.events, arrived_after=datetime.now(UTC) - queries.ARRIVALS_KEPT)
    if batch.letters:
        await queries.write_dead_letters(connection, batch.letters)
    await beside.note_read(connection, batch.offsets)


async def _take_place(connection: AsyncConnection, topics: Topics) -> None:
    for _ in range(ATTEMPTS):
        try:
            async with connection.begin():
                return await _take_place_within(connection, topics, time.monotonic() + HELD_S)
        except _Yielded:
            log.info("tables_in_use")
        # What was counted under the lock was taken back; it is read again from where the last commit was.
        await asyncio.sleep(PAUSE_S)
        await _catch_up(connection, topics, lambda *_: None)
    raise RebuildRefused(
        "The tables are in use without a pause: the new projection could not be put in place. It is kept;"
        " run the command again when there is less to do."
    )


async def _take_place_within(connection: AsyncConnection, topics: Topics, deadline_s: float) -> None:
    """Read what the workers may have counted, then wait for a moment without a reader. Raises _Yielded."""
    with _yielding():
        await beside.hold_workers(connection)
    async for batch in topics.batches(await topics.ends()):
        await _count(connection, batch)
        if time.monotonic() > deadline_s:
            raise _Yielded
    await beside.check_complete(connection)
    await erasing.sweep(connection)
    while True:
        try:
            with _yielding():
                return await beside.take_place(connection)
        except _Yielded:
            if time.monotonic() > deadline_s:
                raise
        await asyncio.sleep(READERS_PAUSE_S)


class _Yielded(Exception):
    """Others are at work on the tables."""


@contextlib.contextmanager
def _yielding() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if beside.yielded(error):
            raise _Yielded from error
        raise


async def _tell(settings: Settings) -> None:
    """Have the screens read the numbers at once, even where the positions are the same. They would not look
    into the database for that.
    """
    engine = create_engine(settings.database_url, "reporting-rebuild", pool_size=1)
    try:
        async with disposing(engine), Publisher(settings) as publisher:
            await publish_all(engine, publisher)
    except PublishFailed as error:
        log.warning("totals_not_published", error=str(error))
