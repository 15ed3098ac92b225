"""Keeps every number that goes to a screen, once a second, behind the screens' back.

A number is kept when somebody watches it, or when its amounts have changed: positions alone move with every
other campaign's donations. What can't be written waits, at most WAITING states; beyond that the oldest are
lost, and counted: a screen never waits for its proof.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import metrics
from services.reporting.proving import queries
from services.reporting.totals import CampaignState

log = structlog.get_logger(__name__)

WRITE_S: Final = 1.0
WAITING: Final = 5_000
PRUNE_EACH: Final = 3_600
"""Writes between two looks at what is old: an hour."""


class History:
    """What this process has shown and not yet written."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[CampaignState] = deque(maxlen=WAITING)
        self._last: dict[str, CampaignState] = {}
        """By campaign, the last state that was taken."""

    def take(self, state: CampaignState, watched: bool) -> None:  # noqa: FBT001 - the hub's own signal
        """A state that screens are sent."""
        last = self._last.get(state.campaign_id)
        known = last is not None and (
            last.digest == state.digest or (last.amounts == state.amounts and not watched)
        )
        if known or not state.positions:
            return
        if len(self._waiting) == WAITING:
            metrics.PROOFS_LOST.inc()
        self._last[state.campaign_id] = state
        self._waiting.append(state)

    async def run(self) -> None:
        """Write every second, prune every hour. Never returns; what fails is tried again."""
        writes = 0
        while True:
            try:
                await self.write()
                if writes % PRUNE_EACH == 0:
                    await queries.prune(self._engine, datetime.now(UTC))
                writes += 1
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("shown_not_kept", error=repr(error)[:300], waiting=len(self._waiting))
            await asyncio.sleep(WRITE_S)

    async def write(self) -> None:
        """Write what waits."""
        states = list(self._waiting)
        if not states:
            return
        async with self._engine.begin() as connection:
            await queries.keep(connection, states)
        for state in states:
            if self._waiting and self._waiting[0] is state:
                self._waiting.popleft()
