"""The pages: list of campaigns, screens, reports, operations with its sign-in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response, Security
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import APIKeyCookie
from jinja2 import Environment, FileSystemLoader, StrictUndefined

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
from services.reporting.sessions import COOKIE, SESSION_S, Sessions
from shared.access import BEARER, Operators, Person, Role, require
from shared.problems import Problem
from shared.static_files import SHARED, StaticFile, read_static, static_router

PAGES: Final = Path(__file__).parent / "pages"
VIEWERS: Final[tuple[Role, ...]] = ("viewer", "desk", "moderator", "finance", "approver")
"""Whoever works on the evening may look at it."""
SESSION: Final = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="session", description="A browser's, from POST /login."
)
MAX_FORM_BYTES: Final = 4_096
SIGN_IN: Final = "/login"
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


class Access:
    """Who may see the operations desk: by bearer token, or by the session of a browser.

    Without an operators' file the desk is open: so it is on one's own machine.
    """

    def __init__(self, operators: Operators | None, sessions: Sessions) -> None:
        self.operators = operators
        self.sessions = sessions
        self._by_token = require(*VIEWERS)

    def viewer(
        self,
        request: Request,
        _: Annotated[object, Security(BEARER, scopes=VIEWERS)] = None,
        __: Annotated[object, Security(SESSION)] = None,
    ) -> Person | None:
        """The person who asks; None when the desk is open. Raises Problem 401 or 403."""
        if self.operators is None:
            return None
        person = self.sessions.person(request.cookies.get(COOKIE))
        return person or self._by_token(request)


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


def pages_router(views: Views, access: Access, *, public_url: str, secure_cookies: bool) -> APIRouter:
    """The routes of all pages."""
    router = APIRouter(include_in_schema=False)
    static = read_static(SHARED, PAGES / "static")
    render = _renderer(static)
    router.include_router(static_router(static))
    router.include_router(_organisation_pages_router(views.federation, render))
    router.include_router(_sign_in_router(access, render, secure_cookies=secure_cookies))
    router.include_router(report_pages_router(views.shelf, render))
    looks = Looks(views.wardrobe, render)
    router.include_router(screen_pages_router(views.hub, looks, public_url=public_url))
    router.include_router(screen_links_router(views.screens, looks))
    router.include_router(verify_page_router(views.proofs, views.hub, render))

    @router.get("/")
    async def index() -> Response:
        states = sorted(views.hub.states(), key=lambda state: state.plan.window_start, reverse=True)
        return render("index.html", {"campaigns": [CampaignSummary.of(state) for state in states]})

    @router.get("/operations")
    async def operations(request: Request) -> Response:
        try:
            person = access.viewer(request)
        except Problem:
            return RedirectResponse(SIGN_IN, 303, headers={"Cache-Control": "no-store"})
        return render("operations.html", {"signed_in": person is not None})

    return router


def _organisation_pages_router(federation: FederationView, render: Render) -> APIRouter:
    router = APIRouter()

    @router.get("/organisations")
    async def organisations() -> Response:
        return render("organisations.html", {"known": await federation.listed()})

    @router.get("/organisations/{organisation_id}")
    async def organisation(organisation_id: str) -> Response:
        found = await federation.look()
        shown = found.totals(organisation_id)
        if shown is None:
            return render("organisations.html", {"known": found.listed()}, status=404)
        return render("organisation.html", {"shown": shown, "above": found.names.get(shown.parent_id or "")})

    return router


def _sign_in_router(access: Access, render: Render, *, secure_cookies: bool) -> APIRouter:
    router = APIRouter()

    @router.get(SIGN_IN)
    async def sign_in_page() -> Response:
        return render("login.html", {"refused": None})

    @router.post(SIGN_IN)
    async def sign_in(request: Request) -> Response:
        _refuse_foreign_form(request)
        person = access.operators.find(await _token_of(request)) if access.operators else None
        if person is None:
            return render("login.html", {"refused": "wrongToken"}, status=401)
        if not person.reach(*VIEWERS).everywhere:
            return render("login.html", {"refused": "roleEverywhere"}, status=403)
        answer = RedirectResponse("/operations", 303, headers={"Cache-Control": "no-store"})
        key = access.sessions.open(person)
        answer.set_cookie(
            COOKIE, key, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure_cookies
        )
        return answer

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        _refuse_foreign_form(request)
        access.sessions.close(request.cookies.get(COOKIE))
        answer = RedirectResponse(SIGN_IN, 303, headers={"Cache-Control": "no-store"})
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=secure_cookies)
        return answer

    return router


def _renderer(static: Mapping[str, StaticFile]) -> Render:
    environment = Environment(
        loader=FileSystemLoader(PAGES / "templates"), autoescape=True, undefined=StrictUndefined
    )
    # Templates may write {{ static("screen.css") }}: the address changes with the content.
    environment.globals["static"] = lambda path: f"/static/{path}?v={static[path].digest}"

    def render(template: str, context: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
        return HTMLResponse(environment.get_template(template).render(context), status, headers=PAGE_HEADERS)

    return render


def _refuse_foreign_form(request: Request) -> None:
    """A form sent from another site is refused (the cookie is SameSite=Strict besides)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Problem(403, "foreign-form", "Sign in on this server's own page.")


async def _token_of(request: Request) -> str:
    """The token field of the form, read by hand: one field is not worth a form parser."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise Problem(413, "form-too-large", "The form holds a token and nothing else.")
    values = parse_qs(body.decode("utf-8", "replace")).get("token", [""])
    return values[0].strip()
