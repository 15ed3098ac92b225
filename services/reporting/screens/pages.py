"""The page that a screen's link opens."""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from services.reporting.looks.layouts import styles_of
from services.reporting.screens import links
from services.reporting.screens.watching import ScreenWatch

Render = Callable[..., HTMLResponse]
KEPT_NOWHERE: Final = "no-store"
"""Whoever has the address has the screen: no cache between keeps what it opens."""


def screen_links_router(watch: ScreenWatch, render: Render) -> APIRouter:
    """The route of all links."""
    router = APIRouter()

    @router.get(links.PLACE)
    async def screen(token: str) -> Response:
        """As the screen is registered: its layout, form of the number and language."""
        row = watch.opened_by(token)
        if row is None:
            answer = render("screen-gone.html", {}, status=404)
        else:
            answer = render(
                "screen.html",
                {
                    "campaign_id": row["campaign_id"],
                    "stream": links.path_of(token) + "/stream",
                    "air": "rehearsal" if row["rehearsal"] else row["control"],
                    "layout": row["layout"],
                    "styles": styles_of(row["layout"]),
                    "format": row["format"],
                    "language": row["language"],
                },
            )
        answer.headers["Cache-Control"] = KEPT_NOWHERE
        return answer

    return router
