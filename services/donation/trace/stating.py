"""Counts each campaign's donations up to a stated moment, beside the hot path and not in it.

A sum over all donations takes a second for each few millions, and anyone may ask for a trace. So the worker
adds what is new every few seconds: for each source, the rows behind the position that was counted last.
Within a source rows become visible in the order of their sequences (a batch is one transaction, and the next
begins after it), so none is passed over; docs/decisions/0002-positions.md.
"""

import asyncio
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.trace import queries

log = structlog.get_logger(__name__)

PAUSE_S: Final = 5.0
MAX_ROWS: Final = 20_000
"""Of each source in one transaction."""


class Stating:
    """Keeps the sums up to date while it runs; among several processes one counts at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self) -> None:
        """Count until cancelled. The database away: wait and go on; the stated moment stays where it is."""
        while True:
            try:
                while await self.step():
                    pass
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("stating_waits", error=repr(error)[:200])
            await asyncio.sleep(PAUSE_S)

    async def step(self, rows: int = MAX_ROWS) -> bool:
        """Count at most `rows` of each source; True when there is more. The moment is moved when there is
        none: whatever was committed before it is in the sums then.
        """
        async with self._engine.begin() as connection:
            if not await queries.alone(connection):
                return False
            more = [await queries.count_new(connection, what, rows) for what in queries.COUNTED]
            if any(more):
                return True
            await queries.state(connection)
        return False
