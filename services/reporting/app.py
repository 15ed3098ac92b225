"""The reporting service put together: the only place where its parts meet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Route

from services.reporting import held, queries
from services.reporting.api import operations_router, public_router
from services.reporting.disclosure.publishing import Shelf, reports_router
from services.reporting.federation import FederationView, organisations_router
from services.reporting.following import TotalsFollower
from services.reporting.handlers import Counting
from services.reporting.hub import Hub
from services.reporting.lag import LagWatch
from services.reporting.looks.api import themes_router
from services.reporting.looks.wardrobe import Wardrobe
from services.reporting.looks.watching import ThemeWatch
from services.reporting.operations import OperationsDesk
from services.reporting.pages import Views, pages_router
from services.reporting.proving.api import Proofs, proofs_router
from services.reporting.proving.history import History
from services.reporting.publishing import TotalsPublisher
from services.reporting.screens import api as screens_api
from services.reporting.screens import links
from services.reporting.screens.stream import ScreenStreamEndpoint
from services.reporting.screens.watching import ScreenWatch
from services.reporting.settings import Settings
from services.reporting.snapshot import SnapshotEndpoint
from services.reporting.stream import StreamEndpoint
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
from shared.service import Check

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
        roles.append(_screens(settings, engine, lambda: app.state.stopping))
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


@dataclass(frozen=True, slots=True)
class Role:
    """What a role adds to the process."""

    parts: Sequence[AbstractAsyncContextManager[Any]]
    checks: Mapping[str, Check]
    routers: Sequence[APIRouter] = ()
    routes: Sequence[Route] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    """What its routes find in `app.state`."""


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


def _screens(settings: Settings, engine: AsyncEngine, stopping: Callable[[], asyncio.Event]) -> Role:
    history = History(engine)
    hub = Hub(max_streams=settings.max_streams, shown=history.take)
    proofs = Proofs(engine)
    follower = TotalsFollower(settings, engine, hub)
    lag = LagWatch(settings)
    desk = OperationsDesk(engine, hub, lag, follower)
    shelf = Shelf(engine)
    federation = FederationView(engine)
    watch = ScreenWatch(engine, hub)
    themes = ThemeWatch(engine, hub)
    return Role(
        parts=[
            service.background("hub", hub.watch),
            service.background("end-of-streams", lambda: hub.stop_at(stopping())),
            service.background("totals-topic", follower.run),
            service.background("totals-database", follower.look),
            service.background("lag", lag.run),
            service.background("screens", watch.run),
            service.background("themes", themes.run),
            service.background("history", history.run),
        ],
        checks={"totals": follower.check},
        routers=[
            public_router(hub, engine),
            proofs_router(proofs),
            operations_router(desk),
            reports_router(shelf),
            screens_api.router,
            themes_router(engine),
            organisations_router(federation),
            pages_router(
                Views(hub, shelf, federation, watch, proofs, Wardrobe(engine)),
                public_url=settings.public_url.rstrip("/"),
            ),
        ],
        routes=[
            Route("/v1/campaigns/{campaign_id}/totals", SnapshotEndpoint(hub), methods=["GET"]),
            Route("/v1/campaigns/{campaign_id}/stream", StreamEndpoint(hub), methods=["GET"]),
            Route(links.PLACE + "/stream", ScreenStreamEndpoint(hub, watch), methods=["GET"]),
        ],
        state={"screens": screens_api.Parts.of(engine, hub, watch)},
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
