"""From the decisions to `intake.internal`: at once, and again twice a second until it is there.

Several processes may send at once: the second record of a decision finds it booked and makes no event.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.intake import MessageDecided
from services.donation.moderation import queries
from shared.broker import INTAKE_INTERNAL, Publisher, PublishFailed

log = structlog.get_logger(__name__)

POLL_S: Final = 0.5
AT_ONCE: Final = 500


class DecisionSender:
    """Sends what was decided."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher

    async def run(self) -> None:
        """Send until cancelled. The database or the broker away: wait and go on."""
        await repeatedly(self.send, "message_decisions_wait")

    async def send(self) -> bool:
        """Send what waits, at most AT_ONCE; True when there was something. Raises PublishFailed."""
        async with self._engine.connect() as connection:
            rows = await queries.unsent(connection, AT_ONCE)
        if not rows:
            return False
        records = (
            self._publisher.send(
                INTAKE_INTERNAL,
                MessageDecided(message_id=row.message_id, number=row.number).model_dump_json().encode(),
                key=str(row.message_id).encode(),
            )
            for row in rows
        )
        await asyncio.gather(*records)
        async with self._engine.begin() as connection:
            await queries.mark_sent(connection, [(row.message_id, row.number) for row in rows])
        return True


async def repeatedly(
    work: Callable[[], Awaitable[bool]], failed: str, stand_back: Callable[[], bool] = lambda: False
) -> None:
    """Do it again and again. While there is more to do the pause is as long as the work took: what has fallen
    behind in a surge takes no more than half of a processor from it; and while it is to `stand_back` it does
    one piece each POLL_S. Never returns.
    """
    loop = asyncio.get_running_loop()
    while True:
        began_s, pause_s = loop.time(), POLL_S
        try:
            if await work() and not stand_back():
                pause_s = min(POLL_S, loop.time() - began_s)
        except (SQLAlchemyError, OSError, TimeoutError, PublishFailed) as error:
            log.warning(failed, error=repr(error)[:200])
        await asyncio.sleep(pause_s)
