"""What comes by HTTP about funds.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| finance | ask for a transfer |
| approver | approve a transfer that another person has asked for |
| finance, approver | withdraw or refuse one that waits |

Whoever decides sends the ETag of what they have read as `If-Match` (428 without): nobody approves what was
changed in between (412).
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
from services.campaign.funds import commands, queries
from services.campaign.funds.schemas import CorrectionBody, Transfer, TransferPage, WithdrawBody
from shared.access import require
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["funds"])

READING = [Depends(require(*READERS))]

# ---------------------------------------------------------------- transfers


@router.post(
    "/v1/campaigns/{campaign_id}/transfers",
    status_code=201,
    response_model=Transfer,
    summary="Ask that money goes to the fund it belongs to (调账)",
)
async def ask_correction(
    campaign_id: CampaignPath,
    body: CorrectionBody,
    sent: Annotated[Sent, Depends(sent("ask_transfer", "finance"))],
) -> Response:
    """From this campaign's fund to another's. Nothing moves before another person approves."""
    return await sent.run(
        lambda connection: commands.ask_correction(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/transfers/{transfer_id}/approve", response_model=Transfer, summary="Approve: the money moves"
)
async def approve_transfer(
    transfer_id: UUID, sent: Annotated[Sent, Depends(sent("approve_transfer", "approver"))]
) -> Response:
    """By another person than the one who asked (403). Past the fund's balance: 409 with `remaining_fen`.
    → FundsTransferred
    """
    return await sent.run(
        lambda connection: commands.approve_transfer(
            connection, sent.books.announcer, sent.actor, transfer_id
        )
    )


@router.post(
    "/v1/transfers/{transfer_id}/withdraw", response_model=Transfer, summary="Withdraw or refuse a transfer"
)
async def withdraw_transfer(
    transfer_id: UUID,
    body: WithdrawBody,
    sent: Annotated[Sent, Depends(sent("withdraw_transfer", "finance", "approver"))],
) -> Response:
    """Before it is approved, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw_transfer(connection, sent.actor, transfer_id, body)
    )


@router.get(
    "/v1/campaigns/{campaign_id}/transfers",
    summary="List transfers from and to a campaign's fund, oldest first",
    dependencies=READING,
)
async def list_transfers(
    campaign_id: CampaignPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> TransferPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_transfers(connection, campaign_id, after=after, limit=limit)
    return TransferPage(items=items, next=next_after([str(item.transfer_id) for item in items], limit))


@router.get(
    "/v1/transfers/{transfer_id}", response_model=Transfer, summary="Read a transfer", dependencies=READING
)
async def read_transfer(transfer_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        found = await queries.transfer(connection, transfer_id)
    return tagged(found, found.version)
