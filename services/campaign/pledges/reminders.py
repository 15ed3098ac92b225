"""The job that says which open pledges are due: one PledgeDue for each stage, however often it is started.

Only the stage that has come is announced. After a standstill nobody hears "due in a week" of what is a month
late, and a pledge confirmed three days before its date is announced at once.
"""

import asyncio
from datetime import UTC, date, datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign import metrics
from services.campaign.announcements import Announcer
from services.campaign.days import today_of
from services.campaign.pledges import announcements, queries
from services.campaign.pledges.rules import stage_of
from shared.outbox import Relay

log = structlog.get_logger(__name__)

LOOK_S: Final = 60.0
"""How often it is asked what is due. A stage is a day."""
AT_ONCE: Final = 100
"""Pledges in one transaction: its lock on the outbox is held as long."""


class Reminders:
    """Runs beside the server. Several processes may: each takes what no other holds."""

    def __init__(self, engine: AsyncEngine, announcer: Announcer, relay: Relay) -> None:
        self._engine = engine
        self._announcer = announcer
        self._relay = relay

    async def run(self) -> None:
        """Announce until cancelled. The database away: wait and go on."""
        while True:
            try:
                while await self.announce(today_of(datetime.now(UTC))) == AT_ONCE:
                    pass
            except (SQLAlchemyError, OSError) as error:
                log.warning("pledge_reminders_wait", error=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    async def announce(self, today: date) -> int:
        """Announce at most AT_ONCE stages that have come by `today` (Asia/Shanghai); gives back how many."""
        async with self._engine.begin() as connection:
            due = [
                (pledge, stage)
                for pledge in await queries.lock_to_remind(connection, today, AT_ONCE)
                if (stage := stage_of(pledge.due_on, today)) is not None
                and await queries.add_reminder(connection, pledge, stage)
            ]
            for pledge, stage in due:
                await announcements.pledge_due(connection, self._announcer, pledge, stage)
        for _, stage in due:
            metrics.PLEDGES_DUE.labels(str(stage)).inc()
        if due:
            self._relay.wake()
        return len(due)
