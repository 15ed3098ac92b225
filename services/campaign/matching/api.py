"""What comes by HTTP about matching gifts (配捐).

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk, finance | enter a match, ask to close one; cancel what nobody has confirmed |
| desk, finance, approver | confirm what another person has entered |
| approver | close what another person has asked to close |

Whoever changes one sends the ETag of what they have read as `If-Match` (428 without).
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.campaign import queries as campaigns
from services.campaign.api import (
    READERS,
    AfterId,
    BooksHere,
    CampaignPath,
    Limit,
    Sent,
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.matching import commands, queries
from services.campaign.matching.schemas import (
    ClosingBody,
    ConfirmBody,
    Match,
    MatchBody,
    MatchPage,
    ReasonBody,
)
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["matching"])

READING = [Depends(allowed(*READERS))]


@router.post(
    "/v1/campaigns/{campaign_id}/matches",
    status_code=201,
    response_model=Match,
    summary="Enter a matching gift (配捐)",
)
async def enter_match(
    campaign_id: CampaignPath,
    body: MatchBody,
    sent: Annotated[Sent, Depends(sent("enter_match", "desk", "finance"))],
) -> Response:
    """What a company adds to what others give in a window, up to a cap. It counts when another person has
    confirmed it, which has to be before the window begins.
    """
    return await sent.run(
        lambda connection: commands.enter_match(connection, sent.actor, campaign_id, body), 201
    )


@router.post("/v1/matches/{match_id}/confirm", response_model=Match, summary="Confirm, second person")
async def confirm_match(
    match_id: UUID,
    body: ConfirmBody,
    sent: Annotated[Sent, Depends(sent("confirm_match", "desk", "finance", "approver"))],
) -> Response:
    """With the cap read in the agreement. 409 when donations in its window may have been counted already.
    → MatchOffered
    """
    return await sent.run(
        lambda connection: commands.confirm_match(
            connection, sent.books.announcer, sent.actor, match_id, body
        )
    )


@router.post("/v1/matches/{match_id}/cancel", response_model=Match, summary="Cancel, before it is confirmed")
async def cancel_match(
    match_id: UUID,
    body: ReasonBody,
    sent: Annotated[Sent, Depends(sent("cancel_match", "desk", "finance"))],
) -> Response:
    """With the reason. A confirmed match is a promise made in public (art. 41) and stays."""
    return await sent.run(lambda connection: commands.cancel_match(connection, sent.actor, match_id, body))


@router.post("/v1/matches/{match_id}/closing", response_model=Match, summary="Ask that it becomes a pledge")
async def ask_closing(
    match_id: UUID,
    body: ClosingBody,
    sent: Annotated[Sent, Depends(sent("ask_closing", "desk", "finance"))],
) -> Response:
    """When its window is over, with the day on which the company pays."""
    return await sent.run(lambda connection: commands.ask_closing(connection, sent.actor, match_id, body))


@router.post("/v1/matches/{match_id}/close", response_model=Match, summary="Close it, second person")
async def close_match(
    match_id: UUID, sent: Annotated[Sent, Depends(sent("close_match", "approver"))]
) -> Response:
    """What is matched now becomes a confirmed pledge, which donations keep. → MatchClosed, PledgeMade"""
    return await sent.run(
        lambda connection: commands.close_match(connection, sent.books.announcer, sent.actor, match_id)
    )


@router.get(
    "/v1/campaigns/{campaign_id}/matches",
    summary="List the matches promised to a campaign, or of its donations",
    dependencies=READING,
)
async def list_matches(
    campaign_id: CampaignPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> MatchPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_matches(connection, campaign_id, after=after, limit=limit)
    return MatchPage(items=items, next=next_after([str(item.match_id) for item in items], limit))


@router.get("/v1/matches/{match_id}", response_model=Match, summary="Read a match", dependencies=READING)
async def read_match(match_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag, and what it comes to now."""
    async with books.engine.connect() as connection:
        match = await queries.match(connection, match_id)
    return tagged(match, match.version)
