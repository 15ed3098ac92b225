"""The role `screens`: the number that is shown, and all that is answered over HTTP."""

import asyncio
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Route

from services.reporting.api import operations_router, public_router
from services.reporting.disclosure.publishing import Shelf, reports_router
from services.reporting.federation import FederationView, organisations_router
from services.reporting.following import TotalsFollower
from services.reporting.hub import Hub
from services.reporting.lag import LagWatch
from services.reporting.looks.api import themes_router
from services.reporting.looks.wardrobe import Wardrobe
from services.reporting.looks.watching import ThemeWatch
from services.reporting.operations import OperationsDesk
from services.reporting.pages import Views, pages_router
from services.reporting.proving.api import Proofs, proofs_router
from services.reporting.proving.history import History
from services.reporting.roles import Role
from services.reporting.screens import api as screens_api
from services.reporting.screens import links
from services.reporting.screens.stream import ScreenStreamEndpoint
from services.reporting.screens.watching import ScreenWatch
from services.reporting.settings import Settings
from services.reporting.snapshot import SnapshotEndpoint
from services.reporting.stream import StreamEndpoint
from shared import service


def screens(settings: Settings, engine: AsyncEngine, stopping: Callable[[], asyncio.Event]) -> Role:
    """All of its parts, wired. `stopping`: set as soon as the process is told to stop."""
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
