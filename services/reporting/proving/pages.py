"""The page where anybody checks a number that a screen has shown."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from services.reporting.hub import Hub
from services.reporting.proving.api import FOR_A_DAY, Proofs
from services.reporting.proving.schemas import Proof
from shared.problems import Problem

Render = Callable[..., HTMLResponse]
MAX_TYPED: Final = 120
NOT_FOUND: Final = "public, max-age=5"
"""A number that is on the screen now may be written a second later."""
Typed = Annotated[str, Query(max_length=MAX_TYPED)]


def verify_page_router(proofs: Proofs, hub: Hub, render: Render) -> APIRouter:
    """The route of the page."""
    router = APIRouter()

    @router.get("/verify")
    async def verify(campaign: Typed = "", digest: Typed = "") -> Response:
        """A form, and what was found. `digest` is taken as it is typed."""
        found, refused = await _look(proofs, campaign.strip(), digest.strip())
        context: dict[str, Any] = {
            "campaigns": sorted(hub.states(), key=lambda state: state.plan.window_start, reverse=True),
            "campaign": campaign,
            "digest": digest,
            "found": found,
            "refused": refused,
        }
        answer = render("verify.html", context, status=200 if refused is None else refused.status)
        answer.headers["Cache-Control"] = FOR_A_DAY if found else NOT_FOUND
        return answer

    return router


async def _look(proofs: Proofs, campaign: str, digest: str) -> tuple[Proof | None, Problem | None]:
    if not campaign or not digest:
        return None, None
    try:
        return await proofs.find(campaign, digest), None
    except Problem as problem:
        return None, problem
