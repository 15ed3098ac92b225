"""What comes by HTTP about funds.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk | write the terms of a named fund |
| desk, finance | confirm the terms that another person has written, or withdraw them |
| finance | ask for a transfer, a split, or that a named fund becomes a charitable trust |
| approver | approve a transfer or a split that another person has asked for |
| finance, approver | withdraw or refuse one that waits |

Whoever decides sends the ETag of what they have read as `If-Match` (428 without): nobody approves what was
changed in between (412).
"""

from datetime import UTC, date, datetime
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
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.days import today_of
from services.campaign.funds import commands, queries
from services.campaign.funds.named import TermsState
from services.campaign.funds.schemas import (
    CorrectionBody,
    FundTurnover,
    NamedFund,
    NamedFundBody,
    NamedFundLine,
    NamedFundPage,
    Split,
    SplitBody,
    SplitPage,
    Transfer,
    TransferPage,
    TrustBody,
    WithdrawBody,
)
from services.campaign.organisations import rights
from shared.events.fields import CAMPAIGN_ID
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["funds"])

OnDay = Annotated[
    date | None, Query(description="At the end of this day in Asia/Shanghai; without it, today")
]
READING = [Depends(allowed(*READERS))]

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
    "/v1/campaigns/{campaign_id}/trust-conversions",
    status_code=201,
    response_model=Transfer,
    summary="Ask that a named fund becomes a charitable trust (慈善信托)",
)
async def ask_trust(
    campaign_id: CampaignPath, body: TrustBody, sent: Annotated[Sent, Depends(sent("ask_trust", "finance"))]
) -> Response:
    """The money leaves the books to the trustee when another person approves the transfer."""
    return await sent.run(
        lambda connection: commands.ask_trust(connection, sent.actor, campaign_id, body), 201
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


# ---------------------------------------------------------------- a donation split over several funds


@router.post(
    "/v1/campaigns/{campaign_id}/splits",
    status_code=201,
    response_model=Split,
    summary="Ask that a donation is split over several funds (拆分)",
)
async def ask_split(
    campaign_id: CampaignPath, body: SplitBody, sent: Annotated[Sent, Depends(sent("ask_split", "finance"))]
) -> Response:
    """In amounts, or in shares that are rounded to the fen. The donation is read off the log of events within
    seconds (`donation`); nothing moves before another person approves.
    """
    return await sent.run(
        lambda connection: commands.ask_split(connection, sent.actor, campaign_id, body), 201
    )


@router.post("/v1/splits/{split_id}/approve", response_model=Split, summary="Approve: the parts move")
async def approve_split(
    split_id: UUID, sent: Annotated[Sent, Depends(sent("approve_split", "approver"))]
) -> Response:
    """By another person than the one who asked (403). The parts are what is left of the donation, to the fen:
    409 with `left_fen` when amounts don't add up to it, with `remaining_fen` past the fund's balance.
    → FundsTransferred for each part
    """
    return await sent.run(
        lambda connection: commands.approve_split(connection, sent.books.announcer, sent.actor, split_id)
    )


@router.post("/v1/splits/{split_id}/withdraw", response_model=Split, summary="Withdraw or refuse a split")
async def withdraw_split(
    split_id: UUID,
    body: WithdrawBody,
    sent: Annotated[Sent, Depends(sent("withdraw_split", "finance", "approver"))],
) -> Response:
    """Before it is approved, with the reason."""
    return await sent.run(lambda connection: commands.withdraw_split(connection, sent.actor, split_id, body))


@router.post(
    "/v1/splits/{split_id}/correct",
    response_model=Split,
    summary="Ask for the corrections after a reversal of a split donation",
)
async def correct_split(
    split_id: UUID, sent: Annotated[Sent, Depends(sent("correct_split", "finance"))]
) -> Response:
    """A transfer from each part's fund that has too much, in proportion; another person approves each."""
    return await sent.run(lambda connection: commands.correct_split(connection, sent.actor, split_id))


@router.get("/v1/splits/to-correct", summary="List splits whose donation has gone back since, oldest first")
async def list_to_correct(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    *,
    after: AfterId = None,
    limit: Limit = 50,
) -> SplitPage:
    """Each stays in it until corrections have brought back what the other funds have too much."""
    async with books.engine.connect() as connection:
        seen = await rights.seen(connection, right.reach)
        items = await queries.list_to_correct(connection, seen=seen, after=after, limit=limit)
    return SplitPage(items=items, next=next_after([str(item.split_id) for item in items], limit))


@router.get(
    "/v1/campaigns/{campaign_id}/splits",
    summary="List splits of donations from and to a campaign's fund, oldest first",
    dependencies=READING,
)
async def list_splits(
    campaign_id: CampaignPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> SplitPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_splits(connection, campaign_id, after=after, limit=limit)
    return SplitPage(items=items, next=next_after([str(item.split_id) for item in items], limit))


@router.get("/v1/splits/{split_id}", response_model=Split, summary="Read a split", dependencies=READING)
async def read_split(split_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag; what the log says of the donation changes it without a new version."""
    async with books.engine.connect() as connection:
        found = await queries.split(connection, split_id)
    return tagged(found, found.version)


# ---------------------------------------------------------------- named funds


@router.post(
    "/v1/campaigns/{campaign_id}/named-fund",
    status_code=201,
    response_model=NamedFund,
    summary="Write the terms of a named fund (冠名基金)",
)
async def write_terms(
    campaign_id: CampaignPath,
    body: NamedFundBody,
    sent: Annotated[Sent, Depends(sent("write_terms", "desk"))],
) -> Response:
    """Of a programme. New terms replace the ones before, when another person has confirmed them: `If-Match`
    says which ones (428 without).
    """
    return await sent.run(
        lambda connection: commands.write_terms(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/campaigns/{campaign_id}/named-fund/confirm",
    response_model=NamedFund,
    summary="Confirm the terms, second person",
)
async def confirm_terms(
    campaign_id: CampaignPath, sent: Annotated[Sent, Depends(sent("confirm_terms", "desk", "finance"))]
) -> Response:
    """From now on they stand."""
    return await sent.run(
        lambda connection: commands.decide_terms(connection, sent.actor, campaign_id, TermsState.CONFIRMED)
    )


@router.post(
    "/v1/campaigns/{campaign_id}/named-fund/withdraw",
    response_model=NamedFund,
    summary="Withdraw or refuse the terms that wait",
)
async def withdraw_terms(
    campaign_id: CampaignPath, sent: Annotated[Sent, Depends(sent("withdraw_terms", "desk", "finance"))]
) -> Response:
    """What stood before stands."""
    return await sent.run(
        lambda connection: commands.decide_terms(connection, sent.actor, campaign_id, TermsState.WITHDRAWN)
    )


@router.get(
    "/v1/campaigns/{campaign_id}/named-fund",
    response_model=NamedFund,
    summary="Read a named fund",
    dependencies=READING,
)
async def read_named_fund(campaign_id: CampaignPath, books: BooksHere) -> Response:
    """With the version of its newest terms as the ETag."""
    async with books.engine.connect() as connection:
        found = await commands.named_fund(connection, campaign_id)
    return tagged(found, found.version)


@router.get("/v1/named-funds", summary="List named funds in reach and how long their money lies")
async def list_named_funds(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    *,
    on: OnDay = None,
    after: Annotated[
        str | None, Query(pattern=CAMPAIGN_ID, description="The `next` of the part before")
    ] = None,
    limit: Limit = 50,
) -> NamedFundPage:
    """In the order of their campaigns. Part by part: send `next` as `after` until it is null."""
    day = on or today_of(datetime.now(UTC))
    async with books.engine.connect() as connection:
        seen = await rights.seen(connection, right.reach)
        standing = await queries.list_standing(connection, seen=seen, after=after, limit=limit)
        items = [
            NamedFundLine(
                terms=terms,
                turnover=await queries.turnover(
                    connection, terms.campaign_id, day, idle_after_days=terms.idle_after_days
                ),
            )
            for terms in standing
        ]
    return NamedFundPage(items=items, next=next_after([each.campaign_id for each in standing], limit))


@router.get(
    "/v1/campaigns/{campaign_id}/turnover",
    summary="How long a fund's money lies: days of balance, idle money",
    dependencies=READING,
)
async def read_turnover(campaign_id: CampaignPath, books: BooksHere, on: OnDay = None) -> FundTurnover:
    """Of every fund; idle is one only against the terms of a named fund."""
    day = on or today_of(datetime.now(UTC))
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        terms = await queries.standing_terms(connection, campaign_id)
        after_days = None if terms is None else terms.idle_after_days
        return await queries.turnover(connection, campaign_id, day, idle_after_days=after_days)
