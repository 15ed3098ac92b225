"""From committed totals to the topic `totals`: each campaign at most 40 times a second, nothing forgotten."""

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import structlog
from opentelemetry.trace import SpanKind
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import metrics, queries
from services.reporting.news import News
from services.reporting.pacing import Pacing
from services.reporting.totals import CampaignState
from shared import tracing
from shared.broker import TOTALS, Publisher, PublishFailed

log = structlog.get_logger(__name__)

PUBLISH_S: Final = 0.025
FAILED_PAUSE_S: Final = 1.0
NOTHING_NEW: Final[Mapping[str, News]] = MappingProxyType({})


async def publish_all(engine: AsyncEngine, publisher: Publisher) -> None:
    """Publish every campaign once, as the database has it now. Raises PublishFailed, SQLAlchemyError."""
    states = await queries.read_states(engine)
    await asyncio.gather(*(_send(publisher, state, News()) for state in states))


async def _send(publisher: Publisher, state: CampaignState, news: News) -> None:
    value, key = state.model_dump_json().encode(), state.campaign_id.encode()
    with tracing.going_on(news.places, f"publish {TOTALS}", SpanKind.PRODUCER):
        await publisher.send(TOTALS, value, key=key, headers=news.headers())


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
        self._news: dict[str, News] = {}

    def changed(self, campaigns: Iterable[str], news: Mapping[str, News] = NOTHING_NEW) -> None:
        """These campaigns have new committed totals; `news`: what goes along with theirs."""
        for campaign, new in news.items():
            self._news[campaign] = self._news.get(campaign, News()).and_then(new)
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
        news = {each: self._news.pop(each) for each in campaigns & self._news.keys()}
        try:
            states = await queries.read_states(self._engine, campaigns)
            await asyncio.gather(
                *(_send(self._publisher, state, news.get(state.campaign_id, News())) for state in states)
            )
            # What a part has got, its parent shows with the tree.
            self.changed({state.plan.parent_id for state in states if state.plan.parent_id} - campaigns)
        except (SQLAlchemyError, OSError, PublishFailed) as error:
            log.warning("totals_not_published", error=repr(error)[:300], campaigns=len(campaigns))
            self.changed(campaigns, news)
            await asyncio.sleep(FAILED_PAUSE_S)
        else:
            metrics.TOTALS_PUBLISHED.inc(len(states))
        metrics.TOTALS_WAITING.set(self._pacing.waiting)
