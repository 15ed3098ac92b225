"""What comes by HTTP about goods given in kind (物资).

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk | enter, rewrite and cancel a gift in kind; carry goods to another store |
| desk, finance | confirm a gift that another person has entered |
| desk, finance | ask for a distribution, a return, a write-off, a reversal |
| approver | approve what another person has asked for |

Goods are shown apart from money and never added to it. Whoever decides, rewrites or cancels sends the ETag
of what they have read as `If-Match` (428 without).
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated
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
from services.campaign.goods import commands, queries
from services.campaign.goods.rules import GiftState, MovementKind, MovementState
from services.campaign.goods.schemas import (
    Carries,
    CarryBody,
    CountedBody,
    DistributionBody,
    Gift,
    GiftBody,
    GiftChanges,
    GiftPage,
    GoodsFigures,
    GoodsReturnBody,
    GoodsReversalBody,
    Item,
    ItemPage,
    Movement,
    MovementPage,
    ReasonBody,
    WriteOffBody,
)
from services.campaign.organisations import rights
from shared import versions
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["goods"])

READING = [Depends(allowed(*READERS))]

# ---------------------------------------------------------------- gifts


@router.post(
    "/v1/campaigns/{campaign_id}/goods-gifts",
    status_code=201,
    response_model=Gift,
    summary="Enter a gift in kind (物资入库)",
)
async def enter_gift(
    campaign_id: CampaignPath, body: GiftBody, sent: Annotated[Sent, Depends(sent("enter_gift", "desk"))]
) -> Response:
    """It counts, and lies in the store, when another person has counted it."""
    return await sent.run(
        lambda connection: commands.enter_gift(connection, sent.actor, campaign_id, body), 201
    )


@router.put("/v1/goods-gifts/{gift_id}", response_model=Gift, summary="Rewrite what nobody has confirmed yet")
async def rewrite_gift(
    gift_id: UUID,
    body: GiftBody,
    books: BooksHere,
    right: Annotated[Right, Depends(allowed("desk"))],
    if_match: VersionHeader = None,
) -> Response:
    """The whole gift is replaced, its items get new ids. `If-Match` is required (428)."""
    actor = Actor(right.person, versions.expected_version(versions.require_if_match(if_match)), right.reach)
    async with books.engine.begin() as connection:
        gift = await commands.rewrite_gift(connection, actor, gift_id, body)
    return tagged(gift, gift.version)


@router.post(
    "/v1/goods-gifts/{gift_id}/confirm", response_model=Gift, summary="Count and confirm, second person"
)
async def confirm_gift(
    gift_id: UUID,
    body: CountedBody,
    sent: Annotated[Sent, Depends(sent("confirm_gift", "desk", "finance"))],
) -> Response:
    """With the value read off the papers; another than was entered is refused (409). → GoodsReceived"""
    return await sent.run(
        lambda connection: commands.confirm_gift(connection, sent.books.announcer, sent.actor, gift_id, body)
    )


@router.post(
    "/v1/goods-gifts/{gift_id}/cancel", response_model=Gift, summary="Cancel what was entered by mistake"
)
async def cancel_gift(
    gift_id: UUID, body: ReasonBody, sent: Annotated[Sent, Depends(sent("cancel_gift", "desk"))]
) -> Response:
    """Before it is confirmed. A confirmed gift is taken back by a reversal."""
    return await sent.run(lambda connection: commands.cancel_gift(connection, sent.actor, gift_id, body))


@router.post(
    "/v1/goods-gifts/{gift_id}/reversals",
    status_code=201,
    response_model=Movement,
    summary="Ask for a reversal: back to the donor, or recorded by mistake (冲回)",
)
async def ask_reversal(
    gift_id: UUID,
    body: GoodsReversalBody,
    sent: Annotated[Sent, Depends(sent("ask_reversal", "desk", "finance"))],
) -> Response:
    """Of what lies in the store still; what was received goes down by its value when it is approved."""
    return await sent.run(
        lambda connection: commands.ask_reversal(connection, sent.actor, gift_id, body), 201
    )


@router.get(
    "/v1/campaigns/{campaign_id}/goods-gifts",
    summary="List a campaign's gifts in kind, oldest first",
    dependencies=READING,
)
async def list_gifts(
    campaign_id: CampaignPath,
    books: BooksHere,
    state: GiftState | None = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> GiftPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_gifts(connection, campaign_id, state=state, after=after, limit=limit)
    return GiftPage(items=items, next=next_after([str(item.gift_id) for item in items], limit))


@router.get("/v1/goods-gifts/{gift_id}", response_model=Gift, summary="Read a gift", dependencies=READING)
async def read_gift(gift_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        gift = await queries.gift(connection, gift_id)
    return tagged(gift, gift.version)


@router.get("/v1/goods-gifts/{gift_id}/versions", summary="Who made its versions", dependencies=READING)
async def read_gift_versions(gift_id: UUID, books: BooksHere) -> GiftChanges:
    """The newest 200, newest first."""
    async with books.engine.connect() as connection:
        await queries.gift(connection, gift_id)
        return await queries.gift_changes(connection, gift_id)


# ---------------------------------------------------------------- movements


@router.post(
    "/v1/campaigns/{campaign_id}/goods-distributions",
    status_code=201,
    response_model=Movement,
    summary="Ask for a distribution (物资发放)",
)
async def ask_distribution(
    campaign_id: CampaignPath,
    body: DistributionBody,
    sent: Annotated[Sent, Depends(sent("ask_distribution", "desk", "finance"))],
) -> Response:
    """Nothing is set aside before another person approves. Past the store: 409 with `remaining_quantity`."""
    return await sent.run(
        lambda connection: commands.ask_distribution(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/campaigns/{campaign_id}/goods-write-offs",
    status_code=201,
    response_model=Movement,
    summary="Ask for a write-off (报损)",
)
async def ask_write_off(
    campaign_id: CampaignPath,
    body: WriteOffBody,
    sent: Annotated[Sent, Depends(sent("ask_write_off", "desk", "finance"))],
) -> Response:
    """Of what is expired, damaged or lost."""
    return await sent.run(
        lambda connection: commands.ask_write_off(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/goods-movements/{movement_id}/returns",
    status_code=201,
    response_model=Movement,
    summary="Ask to take back what a distribution gave out (退库)",
)
async def ask_return(
    movement_id: UUID,
    body: GoodsReturnBody,
    sent: Annotated[Sent, Depends(sent("ask_return", "desk", "finance"))],
) -> Response:
    """Into the store, at the value it went out with."""
    return await sent.run(
        lambda connection: commands.ask_return(connection, sent.actor, movement_id, body), 201
    )


@router.post(
    "/v1/goods-movements/{movement_id}/approve",
    response_model=Movement,
    summary="Approve a movement, second person",
)
async def approve_movement(
    movement_id: UUID, sent: Annotated[Sent, Depends(sent("approve_movement", "approver"))]
) -> Response:
    """The goods move with their value. When others took them meanwhile: 409 with `remaining_quantity`.
    → GoodsDistributed, GoodsReturned, GoodsWrittenOff or GoodsReversed
    """
    return await sent.run(
        lambda connection: commands.approve_movement(
            connection, sent.books.announcer, sent.actor, movement_id
        )
    )


@router.post(
    "/v1/goods-movements/{movement_id}/withdraw", response_model=Movement, summary="Withdraw or refuse it"
)
async def withdraw_movement(
    movement_id: UUID,
    body: ReasonBody,
    sent: Annotated[Sent, Depends(sent("withdraw_movement", "desk", "finance", "approver"))],
) -> Response:
    """Before it is approved, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw_movement(connection, sent.actor, movement_id, body)
    )


@router.get(
    "/v1/campaigns/{campaign_id}/goods-movements",
    summary="List a campaign's movements of goods, oldest first",
    dependencies=READING,
)
async def list_movements(
    campaign_id: CampaignPath,
    books: BooksHere,
    *,
    kind: Annotated[MovementKind | None, Query(description="Of this kind only")] = None,
    state: MovementState | None = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> MovementPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_movements(
            connection, campaign_id, kind=kind, state=state, after=after, limit=limit
        )
    return MovementPage(items=items, next=next_after([str(item.movement_id) for item in items], limit))


@router.get(
    "/v1/goods-movements/{movement_id}",
    response_model=Movement,
    summary="Read a movement",
    dependencies=READING,
)
async def read_movement(movement_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        movement = await queries.movement(connection, movement_id)
    return tagged(movement, movement.version)


# ---------------------------------------------------------------- the store


@router.get(
    "/v1/campaigns/{campaign_id}/goods",
    summary="A campaign's goods at their values, apart from money",
    dependencies=READING,
)
async def read_goods(campaign_id: CampaignPath, books: BooksHere) -> GoodsFigures:
    """Received − reversed = distributed − returned + written off + in store, at one moment."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        return await queries.figures(connection, campaign_id)


@router.get(
    "/v1/campaigns/{campaign_id}/goods-in-store",
    summary="List what lies in a campaign's stores",
    dependencies=READING,
)
async def list_store(
    campaign_id: CampaignPath,
    books: BooksHere,
    store: Annotated[str | None, Query(min_length=1, max_length=200, description="In this one only")] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> ItemPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_store(connection, campaign_id, store=store, after=after, limit=limit)
    return ItemPage(items=items, next=next_after([str(item.item_id) for item in items], limit))


@router.post(
    "/v1/goods-items/{item_id}/carry", response_model=Item, summary="Carry goods to another store (移库)"
)
async def carry(
    item_id: UUID, body: CarryBody, sent: Annotated[Sent, Depends(sent("carry", "desk"))]
) -> Response:
    """All that is left of them. `from_store` says where they were seen; elsewhere by now: 409."""
    return await sent.run(lambda connection: commands.carry(connection, sent.actor, item_id, body))


@router.get("/v1/goods-items/{item_id}/carries", summary="Where goods have lain", dependencies=READING)
async def read_carries(item_id: UUID, books: BooksHere) -> Carries:
    """The newest 200, newest first."""
    async with books.engine.connect() as connection:
        await queries.item(connection, item_id)
        return await queries.carries(connection, item_id)


@router.get("/v1/goods-expiring", summary="List what expires soon, or has, in any store in reach")
async def list_expiring(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    within_days: Annotated[int, Query(ge=-1, le=3660, description="-1: what has expired already")] = 90,
    after: AfterId = None,
    limit: Limit = 50,
) -> ItemPage:
    """The first to expire first; days are those of Asia/Shanghai."""
    latest = today_of(datetime.now(UTC)) + timedelta(days=within_days)
    async with books.engine.connect() as connection:
        seen = await rights.seen(connection, right.reach)
        items = await queries.list_expiring(connection, latest, seen=seen, after=after, limit=limit)
    return ItemPage(items=items, next=next_after([str(item.item_id) for item in items], limit))
