"""The reporting service put together: the only place where its parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import held, queries
from services.reporting.handlers import Counting
from services.reporting.publishing import TotalsPublisher
from services.reporting.roles import Role
from services.reporting.settings import Settings
from services.reporting.traffic import TRAFFIC
from shared import database, service
from shared.access import Operators
from shared.broker import (
    CAMPAIGN_EVENTS,
    DEAD_LETTER,
    DONATION_EVENTS,
    REPORTING_GROUP,
    Publisher,
    consuming,
    make_broker,
    subscribe_batches,
)

log = structlog.get_logger(__name__)

PRUNE_S: Final = 3_600.0


def create_app(settings: Settings) -> FastAPI:
    """The application of the roles that `settings` name."""
    engine = database.create_engine(
        settings.database_url,
        "reporting-" + settings.roles.replace(",", "-"),
        plan_once=settings.has_role("worker"),
    )
    roles: list[Role] = []
    if settings.has_role("worker"):
        roles.append(_worker(settings, engine))
    if settings.has_role("screens"):
        from services.reporting.showing import screens  # noqa: PLC0415 - a worker need not load any of it

        roles.append(screens(settings, engine, lambda: app.state.stopping))
    app = service.create_app(
        "reporting",
        parts=[_disposing(engine), *(part for role in roles for part in role.parts)],
        checks={"database": lambda: database.check(engine)}
        | {name: check for role in roles for name, check in role.checks.items()},
        routers=[router for role in roles for router in role.routers],
        description="Totals of campaigns: the number, its proof, the screens' stream, the operations desk.",
        published=service.Published(traffic=TRAFFIC),
    )
    # Before the others: the stream's route is asked first, and stands in for the one that only documents it.
    app.router.routes[:0] = [route for role in roles for route in role.routes]
    for role in roles:
        for name, value in role.state.items():
            setattr(app.state, name, value)
    app.state.operators = Operators.of("reporting", settings)
    return app


def _worker(settings: Settings, engine: AsyncEngine) -> Role:
    publisher = Publisher(settings)
    totals = TotalsPublisher(engine, publisher)
    broker = make_broker(settings)
    counting = Counting(settings, engine, publisher, totals)
    topics = [DONATION_EVENTS, CAMPAIGN_EVENTS, DEAD_LETTER]
    subscribe_batches(broker, settings, counting.handle, group=REPORTING_GROUP, topics=topics)
    return Role(
        parts=[
            publisher,
            service.background("totals", totals.run),
            service.background("prune", lambda: _prune(engine)),
            service.background("held", lambda: held.watch(engine)),
            consuming(broker),
        ],
        checks={"kafka": publisher.check},
    )


@asynccontextmanager
async def _disposing(engine: AsyncEngine) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await engine.dispose()


async def _prune(engine: AsyncEngine) -> None:
    """Drop the pace of days gone by, every hour."""
    while True:
        try:
            await queries.prune_arrivals(engine, datetime.now(UTC))
        except (SQLAlchemyError, OSError) as error:
            log.warning("arrivals_not_pruned", error=repr(error)[:300])
        await asyncio.sleep(PRUNE_S)
