"""What is held and not released, as the books have it: for alarms that must not wait for somebody to look."""

import asyncio
from collections import Counter
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.metrics import HELD_DONATIONS, HELD_FEN

log = structlog.get_logger(__name__)

LOOK_S: Final = 10.0


async def watch(engine: AsyncEngine) -> None:
    """Look every ten seconds. The database away: the last figures stand. Never returns."""
    while True:
        try:
            await measure(engine)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("held_unknown", error=repr(error)[:200])
        await asyncio.sleep(LOOK_S)


async def measure(engine: AsyncEngine) -> None:
    """Set the gauges of each channel that has ever given."""
    donations: Counter[str] = Counter()
    fen: Counter[str] = Counter()
    for row in await queries.read_channels(engine):
        donations[row["channel"]] += row["held_open"]
        fen[row["channel"]] += row["held_open_fen"]
    for channel, number in donations.items():
        HELD_DONATIONS.labels(channel).set(number)
        HELD_FEN.labels(channel).set(fen[channel])
