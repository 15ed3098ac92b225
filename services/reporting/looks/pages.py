"""The page of a screen in its layouts and themes, its preview with sample numbers, and its codes to scan."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from services.reporting.caching import cacheable
from services.reporting.frames import frame_of
from services.reporting.hub import Hub
from services.reporting.looks.codes import code_svg
from services.reporting.looks.layouts import Layout, styles_of
from services.reporting.looks.samples import MAX_SAMPLE_FEN, SAMPLE_FEN, sample_of
from services.reporting.looks.schemas import Theme
from services.reporting.looks.style import style_of
from services.reporting.looks.wardrobe import Wardrobe
from shared.problems import Problem, unprocessable

Render = Callable[..., HTMLResponse]
Code = Literal["follow", "donate"]
LayoutQuery = Annotated[Layout | None, Query()]
FenQuery = Annotated[int, Query(ge=0, le=MAX_SAMPLE_FEN)]
ThemeQuery = Annotated[str, Query(max_length=2_000)]
CODE_FOR: Final = "public, max-age=300"
FOR_EVER: Final = "public, max-age=31536000, immutable"
SAMPLE_RETRY_MS: Final = 4_000
"""A sample's stream ends at once and is asked again, so that a preview holds no connection."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What a screen's page is made of besides its number."""

    wardrobe: Wardrobe
    render: Render

    async def page(
        self,
        campaign_id: str,
        layout: Layout | None,
        *,
        stream: str,
        air: str,
        theme: Theme | None = None,
        theme_query: str | None = None,
        status: int = 200,
        **more: Any,
    ) -> HTMLResponse:
        """The page over the stream at `stream`; without a theme, in the one that holds."""
        theme = theme or await self.wardrobe.current(campaign_id)
        place = f"/screens/{quote(campaign_id, safe='')}"
        asked = theme_query or str(theme.version)
        worn = urlencode({"theme": asked})
        context = {
            "campaign_id": campaign_id,
            "stream": stream,
            "air": air,
            "layout": layout or "fitting",
            "styles": styles_of(layout),
            "theme_style": f"{place}/theme.css?{worn}" if asked != "0" else None,
            "theme_version": theme.version,
            "follow_code": f"{place}/codes/follow.svg",
            "donate_code": f"{place}/codes/donate.svg?{worn}",
            "donation_url": theme.donation_url,
            "rankings": theme.rankings,
            **more,
        }
        return self.render("screen.html", context, status=status)


def screen_pages_router(hub: Hub, looks: Looks, *, public_url: str) -> APIRouter:
    """The routes of the screens' pages. `public_url`: where the audience's phones reach this service; empty:
    where the request came in.
    """
    router = APIRouter()
    router.include_router(_preview_router(hub, looks))

    @router.get("/screens/{campaign_id}")
    async def screen(campaign_id: str, request: Request, layout: LayoutQuery = None) -> Response:
        """A screen may be opened before its campaign is filed: the page says so and goes on asking."""
        status = 200 if hub.state(campaign_id) else 404
        stream = f"/v1/campaigns/{quote(campaign_id, safe='')}/stream"
        page = await looks.page(campaign_id, layout, stream=stream, air="live", status=status)
        return cacheable(request, page)

    @router.get("/screens/{campaign_id}/theme.css")
    async def theme_style(campaign_id: str, theme: ThemeQuery) -> Response:
        worn = await _asked_theme(looks.wardrobe, campaign_id, theme)
        picture = f"/v1/campaigns/{quote(campaign_id, safe='')}/theme/pictures/{worn.picture}"
        headers = {"Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
        return Response(style_of(worn, picture=picture), media_type="text/css", headers=headers)

    @router.get("/screens/{campaign_id}/codes/{code}.svg")
    async def code(campaign_id: str, code: Code, request: Request, theme: ThemeQuery = "0") -> Response:
        """Leads a phone to the same number, or to where the public donates by the theme that is worn."""
        base = public_url or str(request.base_url).rstrip("/")
        address: str | None = f"{base}/screens/{quote(campaign_id, safe='')}?layout=phone"
        if code == "donate":
            address = (await _asked_theme(looks.wardrobe, campaign_id, theme)).donation_url
        if address is None:
            raise Problem(404, "no-donation-address", "The campaign's theme names no donation_url.")
        headers = {"Cache-Control": CODE_FOR, "X-Content-Type-Options": "nosniff"}
        return Response(code_svg(address), media_type="image/svg+xml", headers=headers)

    return router


def _preview_router(hub: Hub, looks: Looks) -> APIRouter:
    router = APIRouter()

    @router.get("/screens/{campaign_id}/preview")
    async def preview(
        campaign_id: str, layout: LayoutQuery = None, fen: FenQuery = SAMPLE_FEN, theme: ThemeQuery = ""
    ) -> Response:
        """The same page over sample numbers, marked all over; in a theme of any version, or in one that
        nobody has decided yet: the body of PUT …/theme.
        """
        worn = await _asked_theme(looks.wardrobe, campaign_id, theme) if theme else None
        stream = f"/screens/{quote(campaign_id, safe='')}/preview/stream?fen={fen}"
        return await looks.page(
            campaign_id, layout, stream=stream, air="sample", theme=worn, theme_query=theme
        )

    @router.get("/screens/{campaign_id}/preview/stream")
    async def preview_stream(campaign_id: str, fen: FenQuery = SAMPLE_FEN) -> Response:
        known = hub.state(campaign_id)
        sample = sample_of(campaign_id, known.plan if known else None, fen, datetime.now(UTC))
        frame = frame_of("snapshot", sample, sample["version"])
        beat = frame_of("heartbeat", {"as_of": sample["as_of"]}, None)
        body = b"retry: %d\n\n" % SAMPLE_RETRY_MS + frame + beat
        return Response(body, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return router


async def _asked_theme(wardrobe: Wardrobe, campaign_id: str, asked: str) -> Theme:
    """The theme of a version, or a draft. Raises Problem 404 and 422, and ContrastTooLow."""
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 18):
        try:
            return wardrobe.draft(campaign_id, asked)
        except ValidationError as error:
            raise unprocessable(error.errors()) from None
    found = await wardrobe.of_version(campaign_id, int(asked))
    if found is None:
        raise Problem(404, "unknown-theme", "The campaign has no theme of this version.")
    return found
