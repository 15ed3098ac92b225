"""The page of a screen in its layouts, its preview with sample numbers, and its code to scan."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from services.reporting.frames import frame_of
from services.reporting.hub import Hub
from services.reporting.looks.codes import code_svg
from services.reporting.looks.layouts import Layout, styles_of
from services.reporting.looks.samples import MAX_SAMPLE_FEN, SAMPLE_FEN, sample_of

Render = Callable[..., HTMLResponse]
LayoutQuery = Annotated[Layout | None, Query()]
FenQuery = Annotated[int, Query(ge=0, le=MAX_SAMPLE_FEN)]
CODE_FOR: Final = "public, max-age=300"
SAMPLE_RETRY_MS: Final = 4_000
"""A sample's stream ends at once and is asked again, so that a preview holds no connection."""


def screen_pages_router(hub: Hub, render: Render, *, public_url: str) -> APIRouter:
    """The routes of the screens' pages. `public_url`: where the audience's phones reach this service; empty:
    where the request came in.
    """
    router = APIRouter()

    def page(
        campaign_id: str, layout: Layout | None, *, stream: str, air: str, status: int = 200
    ) -> Response:
        context = {
            "campaign_id": campaign_id,
            "stream": stream,
            "air": air,
            "layout": layout or "fitting",
            "styles": styles_of(layout),
        }
        return render("screen.html", context, status=status)

    @router.get("/screens/{campaign_id}")
    async def screen(campaign_id: str, layout: LayoutQuery = None) -> Response:
        """A screen may be opened before its campaign is filed: the page says so and goes on asking."""
        status = 200 if hub.state(campaign_id) else 404
        stream = f"/v1/campaigns/{quote(campaign_id, safe='')}/stream"
        return page(campaign_id, layout, stream=stream, air="live", status=status)

    @router.get("/screens/{campaign_id}/preview")
    async def preview(campaign_id: str, layout: LayoutQuery = None, fen: FenQuery = SAMPLE_FEN) -> Response:
        """The same page over sample numbers, marked all over."""
        stream = f"/screens/{quote(campaign_id, safe='')}/preview/stream?fen={fen}"
        return page(campaign_id, layout, stream=stream, air="sample")

    @router.get("/screens/{campaign_id}/preview/stream")
    async def preview_stream(campaign_id: str, fen: FenQuery = SAMPLE_FEN) -> Response:
        known = hub.state(campaign_id)
        sample = sample_of(campaign_id, known.plan if known else None, fen, datetime.now(UTC))
        frame = frame_of("snapshot", sample, sample["version"])
        beat = frame_of("heartbeat", {"as_of": sample["as_of"]}, None)
        body = b"retry: %d\n\n" % SAMPLE_RETRY_MS + frame + beat
        return Response(body, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @router.get("/screens/{campaign_id}/codes/follow.svg")
    async def follow_code(campaign_id: str, request: Request) -> Response:
        """Leads a phone to the same number."""
        base = public_url or str(request.base_url).rstrip("/")
        svg = code_svg(f"{base}/screens/{quote(campaign_id, safe='')}?layout=phone")
        headers = {"Cache-Control": CODE_FOR, "X-Content-Type-Options": "nosniff"}
        return Response(svg, media_type="image/svg+xml", headers=headers)

    return router
