"""From the desk's tables to the channel's topic: at once, and again every few seconds until it is there."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.accepting import Acceptance
from services.donation.channels.directory import Directory
from services.donation.desk import queries
from services.donation.desk.commands import CHANNEL
from services.donation.desk.metrics import OPEN_DRAWERS, UNDOABLE, UNSENT
from services.donation.intake import FROM_CHANNELS, DonationRequest, ReversalRequest, parse
from shared.problems import Problem

log = structlog.get_logger(__name__)

POLL_S: Final = 2.0
AT_ONCE: Final = 100


class Sender:
    """Sends what was written down. Several may at once: what is sent twice is the same message."""

    def __init__(self, engine: AsyncEngine, directory: Directory, acceptance: Acceptance) -> None:
        self._engine = engine
        self._directory = directory
        self._acceptance = acceptance

    async def run(self) -> None:
        """Send until cancelled. The database or the broker away: wait and go on."""
        while True:
            try:
                await self.send()
                await self._measure()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("desk_waits", error=repr(error)[:200])
            await asyncio.sleep(POLL_S)

    async def _measure(self) -> None:
        async with self._engine.connect() as connection:
            row = await queries.standing(connection)
        OPEN_DRAWERS.set(row.open_drawers)
        UNDOABLE.set(row.undoable)

    async def send(self) -> None:
        """Send what waits, in order; stops at the first that the broker does not take."""
        channel = await self._directory.find(CHANNEL)
        async with self._engine.connect() as connection:
            rows = await queries.unsent(connection, AT_ONCE)
        UNSENT.set(len(rows))
        if channel is None or not rows:
            return
        sent: list[int] = []
        for row in rows:
            message = parse(row.body, datetime.now(UTC), FROM_CHANNELS)
            assert isinstance(message, DonationRequest | ReversalRequest)
            try:
                await self._acceptance.take(channel, message)
            except Problem as problem:
                log.warning("desk_message_waits", message_id=row.message_id, code=problem.code)
                break
            sent.append(row.message_id)
        if sent:
            async with self._engine.begin() as connection:
                await queries.mark_sent(connection, sent)
        UNSENT.set(len(rows) - len(sent))
