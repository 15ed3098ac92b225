"""What comes by HTTP about decisions.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk, finance | put forward a change of use (art. 56), or where a remainder goes (art. 58) |
| approver | decide what another person has put forward |
| desk, finance, approver | withdraw or refuse what waits |

Whoever decides sends the ETag of what they have read as `If-Match` (428 without).
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
from services.campaign.decisions import commands, queries
from services.campaign.decisions.schemas import (
    ChangeOfUseBody,
    Decision,
    DecisionPage,
    RemainderBody,
    WithdrawBody,
)
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["decisions"])

READING = [Depends(allowed(*READERS))]


@router.post(
    "/v1/campaigns/{campaign_id}/changes-of-use",
    status_code=201,
    response_model=Decision,
    summary="Put forward other uses (变更用途, Charity Law art. 56)",
)
async def ask_change_of_use(
    campaign_id: CampaignPath,
    body: ChangeOfUseBody,
    sent: Annotated[Sent, Depends(sent("ask_change_of_use", "desk", "finance"))],
) -> Response:
    """Of a filed plan; the present uses stay until another person decides."""
    return await sent.run(
        lambda connection: commands.ask_change_of_use(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/campaigns/{campaign_id}/remainders",
    status_code=201,
    response_model=Decision,
    summary="Put forward where the rest goes (剩余财产, Charity Law art. 58)",
)
async def ask_remainder(
    campaign_id: CampaignPath,
    body: RemainderBody,
    sent: Annotated[Sent, Depends(sent("ask_remainder", "desk", "finance"))],
) -> Response:
    """Of a closed campaign; nothing moves before another person decides."""
    return await sent.run(
        lambda connection: commands.ask_remainder(connection, sent.actor, campaign_id, body), 201
    )


@router.post("/v1/decisions/{decision_id}/approve", response_model=Decision, summary="Decide, second person")
async def approve_decision(
    decision_id: UUID, sent: Annotated[Sent, Depends(sent("approve_decision", "approver"))]
) -> Response:
    """The uses change, or all that is left moves to the other fund; 409 with the figure while approved money
    waits to be paid. → UseChanged, or FundsTransferred and RemainderDecided
    """
    return await sent.run(
        lambda connection: commands.approve_decision(
            connection, sent.books.announcer, sent.actor, decision_id
        )
    )


@router.post("/v1/decisions/{decision_id}/withdraw", response_model=Decision, summary="Withdraw or refuse")
async def withdraw_decision(
    decision_id: UUID,
    body: WithdrawBody,
    sent: Annotated[Sent, Depends(sent("withdraw_decision", "desk", "finance", "approver"))],
) -> Response:
    """Before it is decided, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw_decision(connection, sent.actor, decision_id, body)
    )


@router.get(
    "/v1/campaigns/{campaign_id}/decisions",
    summary="List what was decided about a campaign, oldest first",
    dependencies=READING,
)
async def list_decisions(
    campaign_id: CampaignPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> DecisionPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_decisions(connection, campaign_id, after=after, limit=limit)
    return DecisionPage(items=items, next=next_after([str(item.decision_id) for item in items], limit))


@router.get(
    "/v1/decisions/{decision_id}", response_model=Decision, summary="Read a decision", dependencies=READING
)
async def read_decision(decision_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        decision = await queries.decision(connection, decision_id)
    return tagged(decision, decision.version)
