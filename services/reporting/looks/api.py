"""Themes of campaigns' screens: colours, picture, title, without code.

| who (role) | may |
| --- | --- |
| everybody | read a theme and its picture |
| desk | decide a theme, send a picture, read which themes there were |
| administrator | the same |

The role is asked for at the campaign's organisation or above it. No theme is ever changed: each `PUT` adds a
version, and the history says who decided which. `If-Match` is required (428). A colour that can't be read is
refused, and the nearest that can is offered as `nearest`.
"""

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.api import FRESH_FOR_A_SECOND, PUBLIC
from services.reporting.looks import commands, queries
from services.reporting.looks.commands import Designer, told
from services.reporting.looks.pictures import MAX_BYTES, read_picture
from services.reporting.looks.schemas import DIGEST, Theme, ThemeBody, ThemeHistory, ThemePicture
from services.reporting.screens import rights
from shared import versions
from shared.access import Person, require_somewhere
from shared.events.fields import CAMPAIGN_ID
from shared.problems import Problem, answers
from shared.strict_json import FileRoute, StrictJsonRoute

PLACE: Final = "/v1/campaigns/{campaign_id}/theme"
HISTORY: Final = 100
"""Versions told, the newest first."""
MAX_DECODING: Final = 2
FOR_EVER: Final = "public, max-age=31536000, immutable"
IMAGE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary", "examples": ["\x89PNG…"]}}
            for kind in ("image/png", "image/jpeg", "image/webp")
        },
    }
}
PICTURE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"image/*": {}}}}
UNKNOWN_PICTURE: Final = Problem(404, "unknown-picture", "The campaign has no such picture.")

CampaignPath = Annotated[str, Path(pattern=CAMPAIGN_ID)]
VersionHeader = Annotated[str | None, Header(description="The ETag it was decided on; *: any")]
Desk = Annotated[Person, Depends(require_somewhere("desk"))]


def themes_router(engine: AsyncEngine) -> APIRouter:
    """The routes of all themes."""
    router = APIRouter(tags=["themes"])
    router.include_router(_reading(engine))
    router.include_router(_deciding(engine))
    router.include_router(_taking_pictures(engine))
    return router


def _reading(engine: AsyncEngine) -> APIRouter:
    router = APIRouter(prefix=PLACE, route_class=StrictJsonRoute)

    @router.get("", summary="A campaign's theme", response_model=Theme)
    async def theme(campaign_id: CampaignPath) -> Response:
        """Version 0 is the house's own, where nobody has decided another."""
        async with engine.connect() as connection:
            rows = await queries.newest_themes(connection, campaign_id)
        return _tagged(told(campaign_id, rows[0] if rows else None), FRESH_FOR_A_SECOND, PUBLIC)

    @router.get("/history", summary="Which themes there were, and who decided them")
    async def history(campaign_id: CampaignPath, person: Desk) -> ThemeHistory:
        """The newest first, a hundred at most."""
        async with engine.connect() as connection:
            await rights.require_campaign(connection, person.reach("desk"), campaign_id)
            rows = await queries.newest_themes(connection, campaign_id, HISTORY)
        return ThemeHistory(themes=[told(campaign_id, row) for row in rows])

    @router.get(
        "/pictures/{digest}",
        summary="A theme's picture",
        response_class=Response,
        responses=PICTURE | answers(UNKNOWN_PICTURE),
    )
    async def picture(
        campaign_id: CampaignPath,
        digest: Annotated[str, Path(pattern=DIGEST, description="SHA-256", examples=["0f" * 32])],
    ) -> Response:
        """The bytes of this hash, for ever."""
        async with engine.connect() as connection:
            row = await queries.picture(connection, campaign_id, digest)
        if row is None:
            raise UNKNOWN_PICTURE
        headers = {"Cache-Control": FOR_EVER, "ETag": f'"{digest}"', "X-Content-Type-Options": "nosniff"}
        return Response(row["content"], media_type=row["media_type"], headers=headers)

    return router


def _deciding(engine: AsyncEngine) -> APIRouter:
    router = APIRouter(prefix=PLACE, route_class=StrictJsonRoute)

    @router.put("", summary="Decide a campaign's theme", response_model=Theme)
    async def put_theme(
        campaign_id: CampaignPath, body: ThemeBody, person: Desk, if_match: VersionHeader = None
    ) -> Response:
        """The whole theme is replaced, on open screens within seconds. Look at it first:
        `/screens/{campaign_id}/preview?layout=…&theme=…`, where `theme` is this body or a version.
        """
        expected = versions.expected_version(versions.require_if_match(if_match))
        async with engine.begin() as connection:
            theme = await commands.put_theme(connection, _designer(person), campaign_id, body, expected)
        return _tagged(theme, "no-store", {})

    return router


class PictureRoute(FileRoute):
    """A route that takes a picture."""

    max_bytes = MAX_BYTES


def _taking_pictures(engine: AsyncEngine) -> APIRouter:
    router = APIRouter(prefix=PLACE, route_class=PictureRoute)
    decoding = asyncio.Semaphore(MAX_DECODING)

    @router.put("/picture", summary="Send a background picture", openapi_extra=IMAGE)
    async def put_picture(campaign_id: CampaignPath, request: Request, person: Desk) -> ThemePicture:
        """PNG, JPEG or WebP, at most 200,000 bytes and 3840 × 2160 pixels, standing still, without EXIF data.
        Its bytes say what it is. A theme then names its `digest`; the same bytes again are the same.
        """
        content = await request.body()
        async with decoding:
            picture = await asyncio.to_thread(read_picture, content)
        async with engine.begin() as connection:
            await commands.put_picture(connection, _designer(person), campaign_id, picture)
        return picture.told

    return router


def _designer(person: Person) -> Designer:
    return Designer(person.name, person.reach("desk"))


def _tagged(theme: Theme, cache: str, headers: dict[str, str]) -> Response:
    tag = {"ETag": versions.etag(theme.version), "Cache-Control": cache}
    return Response(theme.model_dump_json(), media_type="application/json", headers=headers | tag)
