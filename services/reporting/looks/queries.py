"""What is asked of, and written to, the themes."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

_CURRENT: Final = text(
    "SELECT campaign_id, version, theme, changed_by, changed_at FROM themes"
    " WHERE campaign_id = :campaign_id ORDER BY version DESC LIMIT :limit"
)
_ONE: Final = text(
    "SELECT campaign_id, version, theme, changed_by, changed_at FROM themes"
    " WHERE campaign_id = :campaign_id AND version = :version"
)
_HOLDING: Final = text(
    "SELECT DISTINCT ON (campaign_id) campaign_id, version, theme, changed_by, changed_at FROM themes"
    " WHERE campaign_id = ANY(:campaigns) ORDER BY campaign_id, version DESC"
)
_ADD: Final = text(
    "INSERT INTO themes (campaign_id, version, theme, changed_by)"
    " VALUES (:campaign_id, :version, :theme, :changed_by) ON CONFLICT DO NOTHING"
    " RETURNING campaign_id, version, theme, changed_by, changed_at"
).bindparams(bindparam("theme", type_=JSONB))
_PICTURE: Final = text(
    "SELECT media_type, content FROM theme_pictures WHERE campaign_id = :campaign_id AND digest = :digest"
)
_HAS_PICTURE: Final = text(
    "SELECT EXISTS (SELECT FROM theme_pictures WHERE campaign_id = :campaign_id AND digest = :digest)"
)
_ADD_PICTURE: Final = text(
    "INSERT INTO theme_pictures (campaign_id, digest, media_type, content, sent_by)"
    " VALUES (:campaign_id, :digest, :media_type, :content, :sent_by) ON CONFLICT DO NOTHING"
)
_PICTURES: Final = text("SELECT count(*) FROM theme_pictures WHERE campaign_id = :campaign_id")


async def newest_themes(
    connection: AsyncConnection, campaign_id: str, limit: int = 1
) -> Sequence[RowMapping]:
    """A campaign's themes, the one that holds first."""
    found = await connection.execute(_CURRENT, {"campaign_id": campaign_id, "limit": limit})
    return found.mappings().all()


async def holding_themes(connection: AsyncConnection, campaigns: Iterable[str]) -> Sequence[RowMapping]:
    """The themes that hold of these campaigns; none for those that wear the house's own."""
    return (await connection.execute(_HOLDING, {"campaigns": sorted(campaigns)})).mappings().all()


async def theme_of_version(connection: AsyncConnection, campaign_id: str, version: int) -> RowMapping | None:
    """One theme that a campaign has or had."""
    asked = {"campaign_id": campaign_id, "version": version}
    return (await connection.execute(_ONE, asked)).mappings().one_or_none()


async def add_theme(
    connection: AsyncConnection, campaign_id: str, version: int, theme: dict[str, Any], person: str
) -> RowMapping | None:
    """The theme as it stands now; None: somebody else has just added this version."""
    row = {"campaign_id": campaign_id, "version": version, "theme": theme, "changed_by": person}
    return (await connection.execute(_ADD, row)).mappings().one_or_none()


async def picture(connection: AsyncConnection, campaign_id: str, digest: str) -> RowMapping | None:
    """The media type and the bytes of a picture."""
    asked = {"campaign_id": campaign_id, "digest": digest}
    return (await connection.execute(_PICTURE, asked)).mappings().one_or_none()


async def has_picture(connection: AsyncConnection, campaign_id: str, digest: str) -> bool:
    """Whether a campaign has this picture."""
    asked = {"campaign_id": campaign_id, "digest": digest}
    return bool((await connection.execute(_HAS_PICTURE, asked)).scalar_one())


async def count_pictures(connection: AsyncConnection, campaign_id: str) -> int:
    """How many pictures a campaign has."""
    return int((await connection.execute(_PICTURES, {"campaign_id": campaign_id})).scalar_one())


async def add_picture(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Keep a picture; the same bytes a second time change nothing."""
    await connection.execute(_ADD_PICTURE, row)
