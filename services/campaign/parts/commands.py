"""What people do with parts: one command, inside the transaction of its caller."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import commands as campaigns
from services.campaign import queries as campaign_queries
from services.campaign.commands import Actor
from services.campaign.parts import queries, rules
from services.campaign.parts.schemas import PartBody, plan_of
from services.campaign.schemas import Campaign


async def create_part(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: PartBody
) -> Campaign:
    """Write a part's draft: what it does not state, its parent's plan does. Raises NoPartsOfParts,
    ParentOver, TooManyParts, OutsideWindow, CampaignExists, …
    """
    parent = await campaign_queries.campaign(connection, campaign_id, lock=True)
    is_part, parts = parent.parent_id is not None, await queries.count_parts(connection, campaign_id)
    rules.require_parent(parent.state, is_part=is_part, parts=parts)
    whole = plan_of(parent, body)
    rules.require_inside((parent.window_start, parent.window_end), (whole.window_start, whole.window_end))
    return await campaigns.create_campaign(
        connection, actor, whole, parent_id=campaign_id, part_kind=body.part_kind
    )
