"""What comes by HTTP about parts (分活动) of a campaign.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk | create a part; it is launched, paused and closed as every campaign is |
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.campaign import queries as campaigns
from services.campaign.api import READERS, BooksHere, CampaignPath, Sent, allowed, sent
from services.campaign.parts import commands, queries
from services.campaign.parts.schemas import Part, PartBody, Tree
from services.campaign.schemas import Campaign
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["parts"])


@router.post(
    "/v1/campaigns/{campaign_id}/parts",
    status_code=201,
    response_model=Campaign,
    summary="Create a part (分活动): a team, a county, a company",
)
async def create_part(
    campaign_id: CampaignPath,
    body: PartBody,
    sent: Annotated[Sent, Depends(sent("create_part", "desk"))],
) -> Response:
    """A draft with a fund of its own, under its parent's filing number; launch it while the parent is
    launched. What it does not state is as in its parent's plan.
    """
    return await sent.run(
        lambda connection: commands.create_part(connection, sent.actor, campaign_id, body), 201
    )


@router.get(
    "/v1/campaigns/{campaign_id}/parts",
    summary="A campaign with its parts, and what they make together",
    dependencies=[Depends(allowed(*READERS))],
)
async def read_tree(campaign_id: CampaignPath, books: BooksHere) -> Tree:
    """Everything is read at one moment; `total` is the sum of the campaign's own figures and its parts'."""
    async with books.engine.connect() as connection:
        one_moment = await connection.execution_options(isolation_level="REPEATABLE READ")
        own = await campaigns.balance(one_moment, campaign_id)
        parts = [
            Part.model_validate(
                part.model_dump() | {"balance": await campaigns.balance(one_moment, part.campaign_id)}
            )
            for part in await queries.parts(one_moment, campaign_id)
        ]
    return Tree.of(own, parts)
