"""What comes by HTTP about disbursements.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk, finance | request a disbursement |
| approver | approve a disbursement that another person has requested |
| finance | pay an approved disbursement |
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
    next_after,
    sent,
    tagged,
)
from services.campaign.spending import commands, queries
from services.campaign.spending.schemas import Disbursement, DisbursementBody, DisbursementPage
from shared.access import require
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["disbursements"])

READING = [Depends(require(*READERS))]


@router.post(
    "/v1/campaigns/{campaign_id}/disbursements",
    status_code=201,
    response_model=Disbursement,
    summary="Request a disbursement (拨付申请)",
)
async def request_disbursement(
    campaign_id: CampaignPath,
    body: DisbursementBody,
    sent: Annotated[Sent, Depends(sent("request_disbursement", "desk", "finance"))],
) -> Response:
    """Nothing is reserved before another person approves."""
    return await sent.run(
        lambda connection: commands.request_disbursement(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/approve",
    response_model=Disbursement,
    summary="Approve and reserve",
)
async def approve_disbursement(
    disbursement_id: UUID, sent: Annotated[Sent, Depends(sent("approve_disbursement", "approver"))]
) -> Response:
    """By another person than the requester (403). Past the fund's balance: 409 with `remaining_fen`.
    → DisbursementApproved
    """
    return await sent.run(
        lambda connection: commands.approve_disbursement(
            connection, sent.books.announcer, sent.actor, disbursement_id
        )
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/pay",
    response_model=Disbursement,
    summary="Note the payment",
)
async def pay_disbursement(
    disbursement_id: UUID, sent: Annotated[Sent, Depends(sent("pay_disbursement", "finance"))]
) -> Response:
    """Of what is approved. 409 when refunds have taken the money meanwhile. → FundsDisbursed"""
    return await sent.run(
        lambda connection: commands.pay_disbursement(
            connection, sent.books.announcer, sent.actor, disbursement_id
        )
    )


@router.get(
    "/v1/campaigns/{campaign_id}/disbursements",
    summary="List a campaign's disbursements, oldest first",
    dependencies=READING,
)
async def list_disbursements(
    campaign_id: CampaignPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> DisbursementPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_disbursements(connection, campaign_id, after=after, limit=limit)
    return DisbursementPage(
        items=items, next=next_after([str(item.disbursement_id) for item in items], limit)
    )


@router.get(
    "/v1/disbursements/{disbursement_id}",
    response_model=Disbursement,
    summary="Read a disbursement",
    dependencies=READING,
)
async def read_disbursement(disbursement_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        disbursement = await queries.disbursement(connection, disbursement_id)
    return tagged(disbursement, disbursement.version)
