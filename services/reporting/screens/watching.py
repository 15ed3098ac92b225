"""Every process with screens reads once a second what was decided for them, and puts on record what it saw.

A poll and no notification: half a thousand short rows a second cost the database less than a connection that
listens, and a process that misses nothing has nothing to catch up. So a link that was revoked ends its
streams within a second or two, and a freeze is on every screen within a second, at once on those of the
process that was asked.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.hub import Hub
from services.reporting.screens import commands, links, queries
from services.reporting.screens.rehearsal import sample_state
from services.reporting.totals import CampaignState

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
SIGHT_S: Final = 10.0


class ScreenWatch:
    """The registered screens as this process knows them."""

    def __init__(self, engine: AsyncEngine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub
        self._rows: dict[str, RowMapping] = {}
        self._by_link: dict[bytes, str] = {}
        self._sighted_at_s = float("-inf")
        self._looking = asyncio.Lock()

    def opened_by(self, token: str) -> RowMapping | None:
        """The screen that a link opens; None: the link is unknown or revoked."""
        link_hash = links.hash_of(token)
        screen_id = None if link_hash is None else self._by_link.get(link_hash)
        return None if screen_id is None else self._rows[screen_id]

    async def run(self) -> None:
        """Look every second. Never returns; while the database is away the screens stay as they are."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("screens_not_read", error=repr(error)[:300])
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Put on the record what was seen, then take what was decided. One after the other: an older answer
        of the database must not come behind a newer one.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        await self._record()
        async with self._engine.connect() as connection:
            rows = await queries.all_screens(connection)
        known, self._rows = self._rows, {row["screen_id"]: row for row in rows}
        self._by_link = {row["link_hash"]: row["screen_id"] for row in rows if row["link_hash"] is not None}
        for screen_id, row in self._rows.items():
            self._take(known.get(screen_id), row)
        await self._note_sightings()

    def _take(self, before: RowMapping | None, row: RowMapping) -> None:
        screen_id = row["screen_id"]
        if before is not None and before["link_hash"] != row["link_hash"]:
            self._hub.end_streams(screen_id, "revoked")
        feed = self._hub.screen(screen_id)
        if feed is None or feed.current is None or feed.on_air.sequence != row["sequence"]:
            self._hub.put_on_air(screen_id, queries.on_air_of(row))
        if row["rehearsal"] and row["rehearsal_campaign_id"] is None:
            self._hub.follow_sample(screen_id, self._sample(row))

    def _sample(self, row: RowMapping) -> CampaignState:
        known = self._hub.state(row["campaign_id"])
        plan = None if known is None else known.plan
        return sample_state(row["campaign_id"], plan, row["rehearsal_since"], datetime.now(UTC))

    async def _record(self) -> None:
        for screen_id, row in self._rows.items():
            feed = self._hub.screen(screen_id)
            if feed is None:
                continue
            if (proposal := feed.proposal) is not None:
                async with self._engine.begin() as connection:
                    await commands.record(connection, screen_id, feed.on_air.segment, proposal)
            elif feed.on_air.keeps and feed.highest is not None:
                await self._keep(row, feed.on_air.segment, feed.highest)

    async def _keep(self, row: RowMapping, segment: int, highest: CampaignState) -> None:
        """Leave the highest number to whoever starts after the next reversal."""
        if row["kept"] is None or commands.net_fen_of(row["kept"]) < highest.amounts.net_fen:
            async with self._engine.begin() as connection:
                await commands.keep(connection, row["screen_id"], segment, highest)

    async def _note_sightings(self) -> None:
        now_s = asyncio.get_running_loop().time()
        watched = self._hub.watched_screens()
        if not watched or now_s - self._sighted_at_s < SIGHT_S:
            return
        async with self._engine.begin() as connection:
            await queries.sighted(connection, watched, datetime.now(UTC))
        self._sighted_at_s = now_s
