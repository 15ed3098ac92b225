"""What is done to themes: one is decided, a picture is sent."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting.looks import queries
from services.reporting.looks.pictures import Picture, PictureUnusable
from services.reporting.looks.rules import require_readable, veil_of
from services.reporting.looks.schemas import Theme, ThemeBody
from services.reporting.screens import rights
from shared import versions
from shared.access import Reach
from shared.refusals import Refused

MAX_PICTURES: Final = 20
"""Of one campaign, 200 KB each."""


class TooManyPictures(Refused):
    """A campaign has as many pictures as it may."""

    code = "too-many-pictures"
    title = "The campaign has as many pictures as it may"


@dataclass(frozen=True, slots=True)
class Designer:
    """Who decides, and where they may."""

    person: str
    reach: Reach


def told(campaign_id: str, row: RowMapping | None) -> Theme:
    """A stored theme, or the house's own, as it is answered."""
    body = ThemeBody() if row is None else ThemeBody.model_validate(row["theme"])
    stored = {"version": 0} if row is None else {k: row[k] for k in ("version", "changed_by", "changed_at")}
    return Theme(campaign_id=campaign_id, veil=veil_of(body), **body.model_dump(), **stored)


async def put_theme(
    connection: AsyncConnection, designer: Designer, campaign_id: str, theme: ThemeBody, expected: int | None
) -> Theme:
    """Decide a theme: every screen wears it within seconds, open or not (watching.py). Raises
    ContrastTooLow, PictureUnusable, VersionChanged, OutOfReach.
    """
    await rights.require_campaign(connection, designer.reach, campaign_id)
    require_readable(theme)
    if theme.picture and not await queries.has_picture(connection, campaign_id, theme.picture):
        raise PictureUnusable("Send this picture first: PUT …/theme/picture.", fields=["picture"])
    rows = await queries.newest_themes(connection, campaign_id)
    current = rows[0]["version"] if rows else 0
    versions.require_version(current, expected)
    row = await queries.add_theme(
        connection, campaign_id, current + 1, theme.model_dump(mode="json"), designer.person
    )
    if row is None:
        raise versions.VersionChanged(
            "Somebody else has just changed it. Read it again.", fields=["If-Match"]
        )
    return told(campaign_id, row)


async def put_picture(
    connection: AsyncConnection, designer: Designer, campaign_id: str, picture: Picture
) -> None:
    """Keep a picture for a campaign's themes. Raises OutOfReach, TooManyPictures."""
    await rights.require_campaign(connection, designer.reach, campaign_id)
    known = await queries.has_picture(connection, campaign_id, picture.told.digest)
    if not known and await queries.count_pictures(connection, campaign_id) >= MAX_PICTURES:
        raise TooManyPictures(f"{MAX_PICTURES} pictures are kept for a campaign; use one of them.")
    row = {
        "campaign_id": campaign_id,
        "digest": picture.told.digest,
        "media_type": picture.told.media_type,
        "content": picture.content,
        "sent_by": designer.person,
    }
    await queries.add_picture(connection, row)
