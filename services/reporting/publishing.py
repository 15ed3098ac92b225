"""From committed totals to the topic `totals`: each campaign at most 40 times a second, nothing forgotten."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import metrics, queries
from services.reporting.pacing import Pacing
from services.reporting.totals import CampaignState
from shared.broker import TOTALS, Publisher, PublishFailed

log = structlog.get_logger(__name__)

PUBLISH_S: Final = 0.025
FAILED_PAUSE_S: Final = 1.0


async def publish_all(engine: AsyncEngine, publisher: Publisher) -> None:
    """Publish every campaign once, as the database has it now. Raises PublishFailed, SQLAlchemyError."""
    await asyncio.gather(*(_send(publisher, state) for state in await queries.read_states(engine)))


async def _send(publisher: Publisher, state: CampaignState) -> None:
    await publisher.send(TOTALS, state.model_dump_json().encode(), key=state.campaign_id.encode())


class TotalsPublisher:
    """Publishes the states of campaigns that have changed, as the database has them then.

    What is published is read after the commit, so it may be newer than the change that caused it, never
    older. A process that dies in between leaves a change unpublished; the screens read the database every
    two seconds for that (following.py).
    """

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._pacing = Pacing(PUBLISH_S)
        self._changed = asyncio.Event()

    def changed(self, campaigns: Iterable[str]) -> None:
        """These campaigns have new committed totals."""
        for campaign in campaigns:
            self._pacing.mark(campaign)
        self._changed.set()

    async def run(self) -> None:
        """Publish what changes, and first every campaign, for the process before this one may have died
        before it could. Never returns; a failure is tried again after a pause.
        """
        loop = asyncio.get_running_loop()
        await self._mark_all()
        while True:
            wait_s = self._pacing.due_in_s(loop.time())
            if wait_s is None:
                self._changed.clear()
                await self._changed.wait()
            elif wait_s > 0:
                await asyncio.sleep(wait_s)
            else:
                await self._publish(self._pacing.take(loop.time()))

    async def _mark_all(self) -> None:
        while True:
            try:
                return self.changed(await queries.read_campaign_ids(self._engine))
            except (SQLAlchemyError, OSError) as error:
                log.warning("campaigns_not_read", error=repr(error)[:300])
            await asyncio.sleep(FAILED_PAUSE_S)

    async def _publish(self, campaigns: set[str]) -> None:
        try:
            states = await queries.read_states(self._engine, campaigns)
            await asyncio.gather(*(_send(self._publisher, state) for state in states))
            # What a part has got, its parent shows with the tree.
            self.changed({state.plan.parent_id for state in states if state.plan.parent_id} - campaigns)
        except (SQLAlchemyError, OSError, PublishFailed) as error:
            log.warning("totals_not_published", error=repr(error)[:300], campaigns=len(campaigns))
            self.changed(campaigns)
            await asyncio.sleep(FAILED_PAUSE_S)
        else:
            metrics.TOTALS_PUBLISHED.inc(len(states))
        metrics.TOTALS_WAITING.set(self._pacing.waiting)
