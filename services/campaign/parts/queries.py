"""What is asked of the database about a campaign's parts. Every function runs in its caller's transaction."""

from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.models import campaigns
from services.campaign.parts.rules import PAUSED_WITH_PARENT
from services.campaign.schemas import Campaign

_LOCK_TREE: Final = text(
    "SELECT campaign_id FROM campaigns WHERE campaign_id = :campaign_id OR parent_id = :campaign_id"
    " OR campaign_id = (SELECT parent_id FROM campaigns WHERE campaign_id = :campaign_id)"
    " ORDER BY campaign_id FOR NO KEY UPDATE"
)
_PAUSED: Final = text(
    "SELECT campaign_id FROM (SELECT DISTINCT ON (campaign_id) campaign_id, action"
    "  FROM campaign_changes JOIN campaigns USING (campaign_id)"
    "  WHERE parent_id = :parent_id AND action IN ('pause', :with_parent)"
    "  ORDER BY campaign_id, campaign_changes.version DESC) AS last WHERE action = :with_parent"
)


async def lock_tree(connection: AsyncConnection, campaign_id: str) -> None:
    """Lock a campaign with its parts, or a part with its parent, in the order of their ids.

    A parent's step reaches its parts, and a part's step rests on its parent's state: all of them are locked
    at once, so that two of these never wait for each other in a ring.
    """
    await connection.execute(_LOCK_TREE, {"campaign_id": campaign_id})


async def parts(connection: AsyncConnection, campaign_id: str) -> list[Campaign]:
    """A campaign's parts in the order of their ids."""
    statement = (
        select(campaigns).where(campaigns.c.parent_id == campaign_id).order_by(campaigns.c.campaign_id)
    )
    return [Campaign.model_validate(row) for row in await connection.execute(statement)]


async def count_parts(connection: AsyncConnection, campaign_id: str) -> int:
    """How many parts a campaign has; its caller holds its lock, so that there are no more in a moment."""
    statement = select(func.count()).where(campaigns.c.parent_id == campaign_id)
    return int((await connection.execute(statement)).scalar_one())


async def paused_with_parent(connection: AsyncConnection, campaign_id: str) -> set[str]:
    """The parts whose last pause was their parent's."""
    asked = {"parent_id": campaign_id, "with_parent": PAUSED_WITH_PARENT}
    return set((await connection.execute(_PAUSED, asked)).scalars())
