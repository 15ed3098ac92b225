"""Tells open screens of a theme that was decided since they were opened.

Every process asks once a second, for the campaigns that somebody watches here, which theme holds: a poll, for
the reasons of screens/watching.py. A stream is told of a version once, a new stream within the second; a page
that wears it, or a later one, passes over it. So a page that a cache has kept wears the new theme, too.
"""

import asyncio
from typing import Final

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.frames import frame_of
from services.reporting.hub import Hub
from services.reporting.looks import queries
from services.reporting.looks.commands import told

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
SAID: Final = {"version", "picture", "donation_url", "rankings"}
"""What a page must know besides its stylesheet."""


class ThemeWatch:
    """The themes of the campaigns that are watched in this process."""

    def __init__(self, engine: AsyncEngine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub

    async def run(self) -> None:
        """Look every second. Never returns; while the database is away screens wear what they wear."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("themes_not_read", error=repr(error)[:300])
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Tell every stream of the theme that holds, unless it was told."""
        campaigns = self._hub.watched_campaigns()
        if not campaigns:
            return
        async with self._engine.connect() as connection:
            rows = await queries.holding_themes(connection, campaigns)
        self._hub.dress({row["campaign_id"]: (row["version"], theme_frame(row)) for row in rows})


def theme_frame(row: RowMapping) -> bytes:
    """The frame that tells of a stored theme. It has no id: the place to resume from stays the number's."""
    return frame_of("theme", told(row["campaign_id"], row).model_dump(mode="json", include=SAID), None)
