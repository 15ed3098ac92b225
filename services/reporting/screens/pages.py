"""The page that a screen's link opens."""

from typing import Final

from fastapi import APIRouter, Response

from services.reporting.looks.pages import Looks
from services.reporting.screens import links
from services.reporting.screens.watching import ScreenWatch

KEPT_NOWHERE: Final = "no-store"
"""Whoever has the address has the screen: no cache between keeps what it opens."""


def screen_links_router(watch: ScreenWatch, looks: Looks) -> APIRouter:
    """The route of all links."""
    router = APIRouter()

    @router.get(links.PLACE)
    async def screen(token: str) -> Response:
        """As the screen is registered: its layout, form of the number and language."""
        row = watch.opened_by(token)
        if row is None:
            answer = looks.render("screen-gone.html", {}, status=404)
        else:
            answer = await looks.page(
                row["campaign_id"],
                row["layout"],
                stream=links.path_of(token) + "/stream",
                air="rehearsal" if row["rehearsal"] else row["control"],
                control=row["control"],
                format=row["format"],
                language=row["language"],
            )
        answer.headers["Cache-Control"] = KEPT_NOWHERE
        return answer

    return router
