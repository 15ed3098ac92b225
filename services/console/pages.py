"""The console's pages: a shell with a head and the ways to every page, and one template for each page."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.console.guard import Guard
from services.console.sessions import Session
from shared.access import Person, Role
from shared.static_files import StaticFile, addresses_of, static_router

PAGES: Final = Path(__file__).parent / "pages"
SIGN_IN: Final = "/sign-in"
Language = Literal["zh", "en"]

EVERYBODY: Final[tuple[Role, ...]] = ("viewer", "desk", "moderator", "finance", "approver")
"""An administrator sees every page anyhow."""

HEADERS: Final = {
    # Nothing from elsewhere, nothing inline: a name or a message can never become a script.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        " font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    # A page has the session's token in it.
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name names its template, module and texts; `key` leads to it behind "g". It is there as
    soon as its template is.
    """

    name: str
    path: str
    zh: str
    en: str
    key: str
    roles: tuple[Role, ...] = EVERYBODY
    group: Literal["live", "desk", "money", "public", "system"] = "live"


ALL: Final = (
    Page("tonight", "/", "今晚", "Tonight", "t"),
    Page("screens", "/screens", "大屏", "Screens", "s", ("viewer", "desk")),
    Page("campaigns", "/campaigns", "活动", "Campaigns", "c", group="desk"),
    Page("placards", "/placards", "举牌", "Placards", "p", ("desk", "viewer", "finance", "approver"), "desk"),
    Page("messages", "/messages", "留言", "Messages", "m", ("moderator",), "desk"),
    Page("donations", "/donations", "捐赠", "Donations", "d", ("viewer", "desk", "finance"), "desk"),
    Page("held", "/held", "暂挂", "Held", "h", ("viewer", "desk", "finance"), "desk"),
    Page("dead-letters", "/dead-letters", "死信", "Dead letters", "x", ("viewer", "desk", "finance"), "desk"),
    Page("spending", "/spending", "拨付", "Spending", "e", ("viewer", "finance", "approver"), "money"),
    Page(
        "reconciliation",
        "/reconciliation",
        "对账",
        "Reconciliation",
        "r",
        ("viewer", "desk", "finance"),
        "money",
    ),
    Page(
        "personal-data",
        "/personal-data",
        "个人信息",
        "Personal data",
        "y",
        ("finance", "approver"),
        "public",
    ),
    Page("disclosure", "/disclosure", "公开", "Disclosure", "i", ("viewer", "finance", "approver"), "public"),
    Page("channels", "/channels", "渠道", "Channels", "n", ("viewer", "desk", "finance"), "system"),
    Page("partners", "/partners", "伙伴", "Partners", "b", ("viewer", "desk"), "system"),
    Page("audit", "/audit", "审计", "Audit", "a", ("administrator",), "system"),
    Page("accounts", "/accounts", "账号", "Accounts", "u", ("administrator",), "system"),
)

Render = Callable[..., HTMLResponse]


def renderer(static: Mapping[str, StaticFile]) -> Render:
    """What makes a page of a template."""
    environment = Environment(
        loader=FileSystemLoader(PAGES / "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.globals["static"] = addresses_of(static)

    def render(
        request: Request, template: str, context: Mapping[str, Any], *, status: int = 200
    ) -> HTMLResponse:
        chosen = {"language": language_of(request), "theme": theme_of(request)}
        text = environment.get_template(template).render({**chosen, **context})
        return HTMLResponse(text, status, headers=HEADERS)

    return render


def language_of(request: Request) -> Language:
    """The language that the address or the switch on a page has chosen; Chinese without."""
    chosen = request.query_params.get("lang") or request.cookies.get("shanliu_language")
    return "en" if chosen == "en" else "zh"


def theme_of(request: Request) -> str:
    """Dark or light, as the switch was left; empty: as the machine has it."""
    chosen = request.cookies.get("shanliu_theme", "")
    return chosen if chosen in {"dark", "light"} else ""


def may_see(person: Person, page: Page) -> bool:
    """Whether a person has anything to do on a page. What they may do there the services decide."""
    return person.reach(*page.roles).organisations != frozenset()


def existing() -> list[Page]:
    """The pages whose template is there."""
    return [page for page in ALL if (PAGES / "templates" / f"{page.name}.html").is_file()]


def pages_router(
    guard: Guard, render: Render, static: Mapping[str, StaticFile], screens_url: str
) -> APIRouter:
    """The routes of all pages and of the files they load."""
    router = APIRouter(include_in_schema=False)
    router.include_router(static_router(static))
    pages = existing()
    for page in pages:
        router.add_api_route(page.path, _shown(page, pages, guard, render, screens_url), methods=["GET"])
    return router


def _shown(
    page: Page, pages: list[Page], guard: Guard, render: Render, screens_url: str
) -> Callable[..., Any]:
    async def show(request: Request) -> Response:
        session = await guard.session_or_none(request)
        if session is None:
            wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            to = f"{SIGN_IN}?next={quote(wanted, safe='')}" if wanted != "/" else SIGN_IN
            return RedirectResponse(to, 303, headers={"Cache-Control": "no-store"})
        seen = [each for each in pages if may_see(session.person, each)]
        shell = shell_context(session, page, seen, screens_url)
        if page not in seen:
            needed = " ".join(page.roles)
            return render(request, "refused.html", {**shell, "needed": needed}, status=403)
        return render(request, f"{page.name}.html", shell)

    show.__name__ = f"page_{page.name}"
    return show


def shell_context(session: Session, page: Page, seen: list[Page], screens_url: str) -> dict[str, Any]:
    """What the shell of a page needs. `told` is for the page's script."""
    person = session.person
    told = {
        "person": person.name,
        "roles": sorted(person.roles),
        "grants": {place: sorted(roles) for place, roles in person.grants.items()},
        "way": session.way,
        "screens_url": screens_url,
        "pages": [{"path": each.path, "key": each.key, "zh": each.zh, "en": each.en} for each in seen],
    }
    return {
        "page": page,
        "pages": seen,
        "person": person,
        "csrf": session.csrf,
        "told": json.dumps(told, ensure_ascii=False),
    }
