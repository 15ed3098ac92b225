"""Where a person may act: a right granted at an organisation holds for its campaigns and all below it."""

from typing import Final

from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.access import Reach
from shared.refusals import Refused

_SEEN: Final = text(
    "WITH RECURSIVE below AS (SELECT organisation_id FROM organisations WHERE organisation_id = ANY(:granted)"
    " UNION SELECT lower.organisation_id FROM organisations lower"
    "  JOIN below ON lower.parent_id = below.organisation_id)"
    " SELECT organisation_id FROM below ORDER BY organisation_id"
).bindparams(bindparam("granted", type_=ARRAY(Text)))
_OWNER: Final = text("SELECT organisation_id FROM campaigns WHERE campaign_id = :campaign_id")


class OutOfReach(Refused):
    """The right is there, but at another organisation."""

    code = "organisation-role-missing"
    title = "The role is not granted at this organisation"
    status = 403


async def seen(connection: AsyncConnection, reach: Reach) -> list[str] | None:
    """The organisations whose screens a list may show; None: everything."""
    if reach.organisations is None:
        return None
    return list((await connection.execute(_SEEN, {"granted": sorted(reach.organisations)})).scalars())


async def require_campaign(connection: AsyncConnection, reach: Reach, campaign_id: str) -> None:
    """Raise OutOfReach unless the campaign's organisation is in reach. One that has not been heard of here
    belongs to nobody yet, and is for those alone whose roles hold everywhere.
    """
    here = await seen(connection, reach)
    if here is None:
        return
    owner = (await connection.execute(_OWNER, {"campaign_id": campaign_id})).scalar_one_or_none()
    if owner not in here:
        raise OutOfReach(
            f"You have the role at {reach} and below. Ask somebody who has it there, or everywhere."
        )
