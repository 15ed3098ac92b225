"""The public pages: list of campaigns, screens, organisations, reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.reporting.caching import WITH_NUMBERS, cacheable
from services.reporting.disclosure.publishing import Shelf, report_pages_router
from services.reporting.federation import FederationView
from services.reporting.hub import Hub
from services.reporting.looks.pages import Looks, screen_pages_router
from services.reporting.looks.wardrobe import Wardrobe
from services.reporting.proving.api import Proofs
from services.reporting.proving.pages import verify_page_router
from services.reporting.schemas import CampaignSummary
from services.reporting.screens.pages import screen_links_router
from services.reporting.screens.watching import ScreenWatch
from shared.static_files import SHARED, StaticFile, addresses_of, read_static, static_router

PAGES: Final = Path(__file__).parent / "pages"
PAGE_HEADERS: Final = {
    # Nothing from elsewhere, nothing inline: a title or a name can never become a script.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


Render = Callable[..., HTMLResponse]


@dataclass(frozen=True, slots=True)
class Views:
    """What the pages show."""

    hub: Hub
    shelf: Shelf
    federation: FederationView
    screens: ScreenWatch
    proofs: Proofs
    wardrobe: Wardrobe


def pages_router(views: Views, *, public_url: str) -> APIRouter:
    """The routes of all pages."""
    router = APIRouter(include_in_schema=False)
    static = read_static(SHARED, PAGES / "static")
    render = _renderer(static)
    router.include_router(static_router(static))
    router.include_router(_organisation_pages_router(views.federation, render))
    router.include_router(report_pages_router(views.shelf, render))
    looks = Looks(views.wardrobe, render)
    router.include_router(screen_pages_router(views.hub, looks, public_url=public_url))
    router.include_router(screen_links_router(views.screens, looks))
    router.include_router(verify_page_router(views.proofs, views.hub, render))

    @router.get("/")
    async def index(request: Request) -> Response:
        states = sorted(views.hub.states(), key=lambda state: state.plan.window_start, reverse=True)
        campaigns = [CampaignSummary.of(state) for state in states]
        return cacheable(request, render("index.html", {"campaigns": campaigns}), WITH_NUMBERS)

    return router


def _organisation_pages_router(federation: FederationView, render: Render) -> APIRouter:
    router = APIRouter()

    @router.get("/organisations")
    async def organisations(request: Request) -> Response:
        page = render("organisations.html", {"known": await federation.listed()})
        return cacheable(request, page, WITH_NUMBERS)

    @router.get("/organisations/{organisation_id}")
    async def organisation(request: Request, organisation_id: str) -> Response:
        found = await federation.look()
        shown = found.totals(organisation_id)
        if shown is None:
            return render("organisations.html", {"known": found.listed()}, status=404)
        above = found.names.get(shown.parent_id or "")
        page = render("organisation.html", {"shown": shown, "above": above})
        return cacheable(request, page, WITH_NUMBERS)

    return router


def _renderer(static: Mapping[str, StaticFile]) -> Render:
    environment = Environment(
        loader=FileSystemLoader(PAGES / "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.globals["static"] = addresses_of(static)

    def render(template: str, context: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
        return HTMLResponse(environment.get_template(template).render(context), status, headers=PAGE_HEADERS)

    return render
