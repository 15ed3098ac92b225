"""What time does to messages and contacts: leases run out, contacts are deleted, and the gauges follow."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification import claims, erasing, queries
from services.notification.delivery import State
from services.notification.live import expire_notices
from services.notification.metrics import CONTACTS, MESSAGES, OLDEST_SECONDS
from services.notification.receipts import queries as receipts
from services.notification.settings import Settings

log = structlog.get_logger(__name__)

WATCHED: Final = (
    State.WAITING,
    State.PENDING,
    State.SENDING,
    State.RETRY,
    State.FAILED,
    State.UNCERTAIN,
)


async def regularly(work: Callable[[], Awaitable[None]], every_s: float, waits: str) -> None:
    """Do it now and every `every_s` seconds until cancelled. The database away: log `waits` and go on."""
    while True:
        try:
            await work()
        except ProgrammingError:
            raise  # a statement that can't be run is a defect, not an outage
        except (SQLAlchemyError, OSError) as error:
            log.warning(waits, error=type(error).__name__)
        await asyncio.sleep(every_s)


class Upkeep:
    """Looks after the tables at start and then every UPKEEP_EVERY_S; several processes may."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        wake_sender: Callable[[], None],
        wake_receipts: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._wake_sender = wake_sender
        self._wake_receipts = wake_receipts

    async def run(self) -> None:
        """Work until cancelled."""
        await regularly(self.round, self._settings.upkeep_every_s, "upkeep_waits")

    async def round(self) -> None:
        """Do everything once, each in its own transaction."""
        partitions = self._settings.partitions
        async with self._engine.begin() as connection:
            in_doubt = await claims.expire_leases(connection)
        async with self._engine.begin() as connection:
            overdue = await claims.end_overdue(connection, partitions)
        async with self._engine.begin() as connection:
            forgotten = await claims.forget_contacts(connection)
        async with self._engine.begin() as connection:
            await claims.forget_counts(connection)
            await erasing.forget(connection)
            await expire_notices(connection)
        async with self._engine.begin() as connection:
            await receipts.forget_contacts(connection)
            apart = await receipts.left_apart(connection)
            if await receipts.write_complete(connection, apart, self._settings.sender):
                self._wake_receipts()
        async with self._engine.begin() as connection:
            joined = await queries.bring_together(connection, await queries.left_apart(connection))
        if in_doubt or overdue or forgotten or joined:
            log.info("upkeep", in_doubt=in_doubt, overdue=overdue, forgotten=forgotten, joined=joined)
        if joined:
            self._wake_sender()
        await self._count()

    async def _count(self) -> None:
        async with self._engine.connect() as connection:
            by_state, contacts = await queries.counts(connection, WATCHED)
        for state in WATCHED:
            count = by_state.get(state, queries.Count(0, 0.0))
            MESSAGES.labels(state.value).set(count.messages)
            OLDEST_SECONDS.labels(state.value).set(count.oldest_s)
        CONTACTS.set(contacts)
