"""The pages that anyone may open with a receipt in hand: how they are rendered, and what each answers.

Number and code stand in the address, so nothing may keep it: no cache, no referrer, no script.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from starlette.responses import Response

from services.donation.receipts.capitals import in_capitals
from services.donation.receipts.issuing import CHECK_PAGE, TRACE_PAGE
from services.donation.receipts.numbering import ACCOUNTING_TIME
from shared.money import format_yuan
from shared.problems import Problem

MAX_TYPED: Final = 64
PAGES: Final = Path(__file__).parent / "pages"
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:;"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address has the code
    "Cache-Control": "no-store",
}


@pass_context
def _in_language(context: Context, chinese: str, english: str) -> str:
    return chinese if context["lang"] == "zh" else english


def environment(*folders: Path) -> Environment:
    """Templates of these folders, before the shared ones. `t(chinese, english)` is the reader's language."""
    made = Environment(
        loader=FileSystemLoader([*folders, PAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.globals |= {
        "t": _in_language,
        "yuan": format_yuan,
        "in_capitals": in_capitals,
        "percent": _percent,
        "moment": lambda at: f"{at.astimezone(ACCOUNTING_TIME):%Y-%m-%d %H:%M:%S}",
        "check_page": CHECK_PAGE,
        "trace_page": TRACE_PAGE,
    }
    return made


@cache
def _page(folder: Path, name: str) -> Template:
    """Compiled once a process: with what it extends that takes 20 ms."""
    return environment(folder).get_template(f"{name}.html")


def _percent(part_fen: int, whole_fen: int) -> str:
    """A share as people read it, such as 62.35%; never rounded up."""
    points = part_fen * 10_000 // whole_fen if whole_fen else 0
    return f"{points // 100}.{points % 100:02d}%"


def add_page(
    router: APIRouter,
    address: str,
    folder: Path,
    admit: Callable[[Request], None],
    find: Callable[[str, str], Awaitable[Any]],
) -> None:
    """Add a page and its style sheet, `<its name>.html` and `.css` in `folder`. The page asks for number and
    code; with both it shows what `find` gives, or the Problem it raises. `admit` raises for too many.
    """
    name = address.rpartition("/")[2]
    page = _page(folder, name)
    style = (folder / f"{name}.css").read_bytes()

    @router.get(address, include_in_schema=False)
    async def shown(
        request: Request, number: str = "", code: str = "", lang: Literal["zh", "en"] = "zh"
    ) -> Response:
        number, code = number[:MAX_TYPED], code[:MAX_TYPED]
        found, problem = None, None
        if number or code:
            try:
                admit(request)
                found = await find(number, code)
            except Problem as refused:
                problem = refused
        context: dict[str, Any] = {"page": address, "number": number, "code": code, "lang": lang}
        context |= {"found": found, "problem": problem}
        status, headers = (problem.status, problem.headers or {}) if problem else (200, {})
        return HTMLResponse(page.render(context), status, headers=PAGE_HEADERS | headers)

    @router.get(f"{address}.css", include_in_schema=False)
    async def styled() -> Response:
        headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return Response(style, media_type="text/css", headers=headers)
