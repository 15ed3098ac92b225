"""What comes by HTTP about pledges.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk | enter, rewrite and cancel a pledge; ask for a correction; record a delivery |
| desk, finance | confirm what another person has entered, corrected or recorded; ask for a release |
| approver | approve a release that another person has asked for |

Whoever decides second sends the ETag of what they have read as `If-Match` (428 without): nobody confirms what
was changed in between (412).
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.campaign import queries as campaigns
from services.campaign.api import (
    READERS,
    AfterId,
    BooksHere,
    CampaignPath,
    Limit,
    Right,
    Sent,
    VersionHeader,
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.commands import Actor
from services.campaign.days import today_of
from services.campaign.organisations import rights
from services.campaign.pledges import commands, queries
from services.campaign.pledges.rules import PledgeState
from services.campaign.pledges.schemas import (
    ConfirmBody,
    Correction,
    CorrectionBody,
    Delivery,
    DeliveryBody,
    DuePage,
    PaymentPage,
    Pledge,
    PledgeBody,
    PledgePage,
    PromisedTotal,
    ReasonBody,
    Release,
    ReleaseBody,
    Steps,
    VersionPage,
)
from shared import versions
from shared.events.fields import CAMPAIGN_ID
from shared.forms import form
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["pledges"])

READING = [Depends(allowed(*READERS))]
PAYMENT_PLACE: Final = form(
    r"^[A-Za-z0-9._/-]{1,200}:[0-9]{1,18}$", "<source>:<sequence>, such as intake.wechat/2:17"
)

# ---------------------------------------------------------------- entered, read back, confirmed


@router.post(
    "/v1/campaigns/{campaign_id}/pledges",
    status_code=201,
    response_model=Pledge,
    summary="Enter a placard (认捐, 举牌)",
)
async def enter_pledge(
    campaign_id: CampaignPath,
    body: PledgeBody,
    sent: Annotated[Sent, Depends(sent("enter_pledge", "desk"))],
) -> Response:
    """Company, amount and due date are enough. It counts when another person has read it back."""
    return await sent.run(
        lambda connection: commands.enter_pledge(connection, sent.actor, campaign_id, body), 201
    )


@router.put("/v1/pledges/{pledge_id}", response_model=Pledge, summary="Rewrite what nobody has confirmed yet")
async def rewrite_pledge(
    pledge_id: UUID,
    body: PledgeBody,
    books: BooksHere,
    right: Annotated[Right, Depends(allowed("desk"))],
    if_match: VersionHeader = None,
) -> Response:
    """The whole pledge is replaced and the versions before it are kept. `If-Match` is required (428)."""
    actor = Actor(right.person, versions.expected_version(versions.require_if_match(if_match)), right.reach)
    async with books.engine.begin() as connection:
        pledge = await commands.rewrite_pledge(connection, actor, pledge_id, body)
    return tagged(pledge, pledge.version)


@router.post(
    "/v1/pledges/{pledge_id}/confirm", response_model=Pledge, summary="Read back and confirm, second person"
)
async def confirm_pledge(
    pledge_id: UUID,
    body: ConfirmBody,
    sent: Annotated[Sent, Depends(sent("confirm_pledge", "desk", "finance"))],
) -> Response:
    """With the amount read off the placard; another than was entered is refused (409). → PledgeMade"""
    return await sent.run(
        lambda connection: commands.confirm_pledge(
            connection, sent.books.announcer, sent.actor, pledge_id, body
        )
    )


@router.post(
    "/v1/pledges/{pledge_id}/cancel", response_model=Pledge, summary="Cancel what was entered by mistake"
)
async def cancel_pledge(
    pledge_id: UUID, body: ReasonBody, sent: Annotated[Sent, Depends(sent("cancel_pledge", "desk"))]
) -> Response:
    """Before it is confirmed. A confirmed pledge is corrected, kept, or released."""
    return await sent.run(lambda connection: commands.cancel_pledge(connection, sent.actor, pledge_id, body))


# ---------------------------------------------------------------- corrected


@router.post(
    "/v1/pledges/{pledge_id}/correction",
    status_code=201,
    response_model=Pledge,
    summary="Ask for a correction of a confirmed pledge",
)
async def ask_correction(
    pledge_id: UUID, body: CorrectionBody, sent: Annotated[Sent, Depends(sent("ask_correction", "desk"))]
) -> Response:
    """With the whole pledge as it should be, and the reason. Nothing moves before another person confirms."""
    return await sent.run(
        lambda connection: commands.ask_correction(connection, sent.actor, pledge_id, body), 201
    )


@router.post(
    "/v1/pledges/{pledge_id}/correction/confirm",
    response_model=Pledge,
    summary="Confirm the correction, second person",
)
async def confirm_correction(
    pledge_id: UUID,
    sent: Annotated[Sent, Depends(sent("confirm_correction", "desk", "finance"))],
    body: ConfirmBody | None = None,
) -> Response:
    """With the amount read off the placard; without it, or with another than was asked for, it is refused
    (409). The promised total moves by the difference. → PledgeCorrected
    """
    return await sent.run(
        lambda connection: commands.confirm_correction(
            connection, sent.books.announcer, sent.actor, pledge_id, body
        )
    )


@router.post(
    "/v1/pledges/{pledge_id}/correction/withdraw", response_model=Pledge, summary="Withdraw the correction"
)
async def withdraw_correction(
    pledge_id: UUID,
    body: ReasonBody,
    sent: Annotated[Sent, Depends(sent("withdraw_correction", "desk", "finance"))],
) -> Response:
    """Before it is confirmed, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw(connection, sent.actor, pledge_id, Correction, body)
    )


# ---------------------------------------------------------------- goods delivered


@router.post(
    "/v1/pledges/{pledge_id}/delivery",
    status_code=201,
    response_model=Pledge,
    summary="Record promised goods that came in",
)
async def ask_delivery(
    pledge_id: UUID, body: DeliveryBody, sent: Annotated[Sent, Depends(sent("ask_delivery", "desk"))]
) -> Response:
    """They count when another person has seen them."""
    return await sent.run(
        lambda connection: commands.ask_delivery(connection, sent.actor, pledge_id, body), 201
    )


@router.post(
    "/v1/pledges/{pledge_id}/delivery/confirm",
    response_model=Pledge,
    summary="Confirm the delivery, second person",
)
async def confirm_delivery(
    pledge_id: UUID, sent: Annotated[Sent, Depends(sent("confirm_delivery", "desk", "finance"))]
) -> Response:
    """Adds its quantity and value to what is fulfilled. → PledgeFulfilled when that is all"""
    return await sent.run(
        lambda connection: commands.confirm_delivery(connection, sent.books.announcer, sent.actor, pledge_id)
    )


@router.post(
    "/v1/pledges/{pledge_id}/delivery/withdraw", response_model=Pledge, summary="Withdraw the delivery"
)
async def withdraw_delivery(
    pledge_id: UUID,
    body: ReasonBody,
    sent: Annotated[Sent, Depends(sent("withdraw_delivery", "desk", "finance"))],
) -> Response:
    """Before it is confirmed, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw(connection, sent.actor, pledge_id, Delivery, body)
    )


# ---------------------------------------------------------------- released


@router.post(
    "/v1/pledges/{pledge_id}/release",
    status_code=201,
    response_model=Pledge,
    summary="Ask for a release (Charity Law art. 41)",
)
async def ask_release(
    pledge_id: UUID, body: ReleaseBody, sent: Annotated[Sent, Depends(sent("ask_release", "desk", "finance"))]
) -> Response:
    """With the report to the civil-affairs bureau and the public statement; nobody is released without."""
    return await sent.run(
        lambda connection: commands.ask_release(connection, sent.actor, pledge_id, body), 201
    )


@router.post(
    "/v1/pledges/{pledge_id}/release/approve",
    response_model=Pledge,
    summary="Approve the release, second person",
)
async def approve_release(
    pledge_id: UUID, sent: Annotated[Sent, Depends(sent("approve_release", "approver"))]
) -> Response:
    """What is open now is no longer asked for. It stays in the promised total, shown apart.
    → PledgeReleased
    """
    return await sent.run(
        lambda connection: commands.approve_release(connection, sent.books.announcer, sent.actor, pledge_id)
    )


@router.post(
    "/v1/pledges/{pledge_id}/release/withdraw",
    response_model=Pledge,
    summary="Withdraw or refuse the release",
)
async def withdraw_release(
    pledge_id: UUID,
    body: ReasonBody,
    sent: Annotated[Sent, Depends(sent("withdraw_release", "desk", "finance", "approver"))],
) -> Response:
    """Before it is approved, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw(connection, sent.actor, pledge_id, Release, body)
    )


# ---------------------------------------------------------------- read


@router.get(
    "/v1/campaigns/{campaign_id}/pledges",
    summary="List a campaign's pledges, oldest first",
    dependencies=READING,
)
async def list_pledges(
    campaign_id: CampaignPath,
    books: BooksHere,
    *,
    state: PledgeState | None = None,
    waits: Annotated[
        bool | None,
        Query(
            description="Whether it, or a correction, delivery or release of it, waits for a second person"
        ),
    ] = None,
    fulfilled: Annotated[bool | None, Query(description="Whether it is promised and fulfilled")] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> PledgePage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_pledges(
            connection,
            campaign_id,
            state=state,
            waits=waits,
            fulfilled=fulfilled,
            after=after,
            limit=limit,
        )
    return PledgePage(items=items, next=next_after([str(item.pledge_id) for item in items], limit))


@router.get(
    "/v1/campaigns/{campaign_id}/promised",
    summary="What was promised, and what became of it",
    dependencies=READING,
)
async def read_promised(campaign_id: CampaignPath, books: BooksHere) -> PromisedTotal:
    """Promised, fulfilled, released, open, overpaid: beside each other, and never with received money."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        return await queries.promised(connection, campaign_id)


@router.get(
    "/v1/campaigns/{campaign_id}/pledge-payments-to-look-at",
    summary="Payments that name a pledge and count towards none",
    dependencies=READING,
)
async def list_payments_to_look_at(
    campaign_id: CampaignPath,
    books: BooksHere,
    after: Annotated[
        str | None,
        Query(
            pattern=PAYMENT_PLACE,
            description="The `next` of the part before",
            examples=["intake.wechat/2:1041"],
        ),
    ] = None,
    limit: Limit = 50,
) -> PaymentPage:
    """The pledge is unknown, cancelled, or of another campaign. The money itself is received all the same."""
    place = None
    if after is not None:
        source, _, sequence = after.rpartition(":")
        place = source, int(sequence)
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_payments_to_look_at(connection, campaign_id, after=place, limit=limit)
    return PaymentPage(
        items=items, next=next_after([f"{item.source}:{item.sequence}" for item in items], limit)
    )


@router.get("/v1/pledges/due", summary="List what is due or overdue, oldest first")
async def list_due(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    *,
    within_days: Annotated[
        int, Query(ge=-1, le=366, description="Due in so many days; 0: by today, -1: overdue only")
    ] = 30,
    campaign_id: Annotated[
        str | None, Query(pattern=CAMPAIGN_ID, description="Of this campaign only")
    ] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> DuePage:
    """Open pledges of all campaigns in reach; days are those of Asia/Shanghai."""
    today = today_of(datetime.now(UTC))
    async with books.engine.connect() as connection:
        items = await queries.list_due(
            connection,
            today,
            seen=await rights.seen(connection, right.reach),
            latest=today + timedelta(days=within_days),
            campaign_id=campaign_id,
            after=after,
            limit=limit,
        )
    return DuePage(items=items, next=next_after([str(item.pledge_id) for item in items], limit))


@router.get("/v1/pledges/{pledge_id}", response_model=Pledge, summary="Read a pledge", dependencies=READING)
async def read_pledge(pledge_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        pledge = await queries.pledge(connection, pledge_id)
    return tagged(pledge, pledge.version)


@router.get(
    "/v1/pledges/{pledge_id}/steps", summary="Its corrections, deliveries, releases", dependencies=READING
)
async def read_steps(pledge_id: UUID, books: BooksHere) -> Steps:
    """What waits for its second person, and what was done or withdrawn by whom."""
    async with books.engine.connect() as connection:
        await queries.pledge(connection, pledge_id)
        return await queries.steps(connection, pledge_id)


@router.get("/v1/pledges/{pledge_id}/versions", summary="Its versions, oldest first", dependencies=READING)
async def list_versions(
    pledge_id: UUID,
    books: BooksHere,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The `next` of the part before")] = 0,
    limit: Limit = 50,
) -> VersionPage:
    """Each with who made it, when and why."""
    async with books.engine.connect() as connection:
        await queries.pledge(connection, pledge_id)
        items = await queries.list_versions(connection, pledge_id, after=after, limit=limit)
    return VersionPage(items=items, next=items[-1].version if len(items) == limit else None)
