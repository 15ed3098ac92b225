"""What comes by HTTP about disbursements.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk, finance | request a disbursement; add an invoice; put forward a budget |
| approver | approve or reject a disbursement that another person has requested; confirm a budget |
| finance | pay an approved disbursement; record what came back; state a year from before the ledger |
| desk, finance, approver | withdraw what is not paid |
| finance, approver | confirm a return that another person has recorded; withdraw a stated year that waits |
| approver | confirm a year that another person has stated |

Whoever changes a disbursement sends the ETag of what they have read as `If-Match` (428 without): nobody
decides on what was changed in between (412).
"""

from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from services.campaign import queries as campaigns
from services.campaign.api import (
    READERS,
    AfterId,
    BooksHere,
    CampaignPath,
    Limit,
    OrganisationQuery,
    Right,
    Sent,
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.organisations import queries as register
from services.campaign.organisations import rights
from services.campaign.schemas import Line
from services.campaign.spending import commands, queries
from services.campaign.spending.invoices import INVOICE_NUMBER, MAX_INVOICES, SIGNATURES
from services.campaign.spending.ratios import ratios_of
from services.campaign.spending.rules import DisbursementState
from services.campaign.spending.schemas import (
    Budget,
    BudgetBody,
    Disbursement,
    DisbursementBody,
    DisbursementPage,
    EndBody,
    Invoices,
    MoneyBackBody,
    PayBody,
    RatiosOfYear,
    Returns,
    StatedYear,
    StatedYearBody,
    StatedYears,
    YearBasis,
)
from services.campaign.spending.stated_years import years_used
from shared.access import Reach
from shared.events.fields import CAMPAIGN_ID, ORGANISATION_ID
from shared.money import MAX_AMOUNT_FEN
from shared.strict_json import FileRoute, StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["disbursements"])

READING = [Depends(allowed(*READERS))]


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
    """Nothing is reserved before another person approves. Refused (409) already when the plan or the
    budget would refuse it, with `remaining_fen`, or with the plan's `uses`.
    """
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
    """By another person than the requester (403). Past the fund's balance, its budget or the plan's cost: 409
    with `remaining_fen`. → DisbursementApproved
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
    disbursement_id: UUID,
    sent: Annotated[Sent, Depends(sent("pay_disbursement", "finance"))],
    body: PayBody | None = None,
) -> Response:
    """Of what is approved. 409 when refunds have taken the money meanwhile. → FundsDisbursed"""
    return await sent.run(
        lambda connection: commands.pay_disbursement(
            connection, sent.books.announcer, sent.actor, disbursement_id, body
        )
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/reject", response_model=Disbursement, summary="Reject a request"
)
async def reject_disbursement(
    disbursement_id: UUID,
    body: EndBody,
    sent: Annotated[Sent, Depends(sent("reject_disbursement", "approver"))],
) -> Response:
    """With the reason. What is to be asked for otherwise is asked for anew."""
    return await sent.run(
        lambda connection: commands.reject_disbursement(connection, sent.actor, disbursement_id, body)
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/withdraw",
    response_model=Disbursement,
    summary="Withdraw what is not paid",
)
async def withdraw_disbursement(
    disbursement_id: UUID,
    body: EndBody,
    sent: Annotated[Sent, Depends(sent("withdraw_disbursement", "desk", "finance", "approver"))],
) -> Response:
    """Requested or approved, with the reason; what was reserved is free again.
    → DisbursementWithdrawn, when it was approved
    """
    return await sent.run(
        lambda connection: commands.withdraw_disbursement(
            connection, sent.books.announcer, sent.actor, disbursement_id, body
        )
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/return",
    status_code=201,
    response_model=Disbursement,
    summary="Record money that came back (退回)",
)
async def ask_return(
    disbursement_id: UUID,
    body: MoneyBackBody,
    sent: Annotated[Sent, Depends(sent("ask_return", "finance"))],
) -> Response:
    """Of a payment, all of it or a part. It counts when another person has confirmed it."""
    return await sent.run(
        lambda connection: commands.ask_return(connection, sent.actor, disbursement_id, body), 201
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/return/confirm",
    response_model=Disbursement,
    summary="Confirm the return, second person",
)
async def confirm_return(
    disbursement_id: UUID, sent: Annotated[Sent, Depends(sent("confirm_return", "finance", "approver"))]
) -> Response:
    """The money is the fund's again; what was disbursed stays disbursed. → FundsReturned"""
    return await sent.run(
        lambda connection: commands.confirm_return(
            connection, sent.books.announcer, sent.actor, disbursement_id
        )
    )


@router.post(
    "/v1/disbursements/{disbursement_id}/return/withdraw",
    response_model=Disbursement,
    summary="Withdraw a return that was recorded by mistake",
)
async def withdraw_return(
    disbursement_id: UUID, sent: Annotated[Sent, Depends(sent("withdraw_return", "finance", "approver"))]
) -> Response:
    """Before it is confirmed."""
    return await sent.run(
        lambda connection: commands.withdraw_return(connection, sent.actor, disbursement_id)
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


@router.get("/v1/disbursements", summary="List disbursements of all campaigns in reach, newest first")
async def list_all_disbursements(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    *,
    organisation_id: OrganisationQuery = None,
    campaign_id: Annotated[
        str | None, Query(pattern=CAMPAIGN_ID, description="Of this campaign alone")
    ] = None,
    state: DisbursementState | None = None,
    return_waits: Annotated[
        bool | None, Query(description="true: a return of it waits for its second person")
    ] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> DisbursementPage:
    """`state=requested` waits for an approver. Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        asked = right.reach if organisation_id is None else Reach(frozenset({organisation_id}))
        items = await queries.newest_disbursements(
            connection,
            seen=await rights.seen(connection, asked),
            campaign_id=campaign_id,
            state=state,
            return_waits=return_waits,
            after=after,
            limit=limit,
        )
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


@router.get(
    "/v1/disbursements/{disbursement_id}/returns",
    summary="What came back of it, newest first",
    dependencies=READING,
)
async def list_returns(disbursement_id: UUID, books: BooksHere) -> Returns:
    """What waits for its second person, and what was done or withdrawn by whom."""
    async with books.engine.connect() as connection:
        await queries.disbursement(connection, disbursement_id)
        return Returns(items=await queries.list_returns(connection, disbursement_id))


# ---------------------------------------------------------------- the budget


@router.post(
    "/v1/campaigns/{campaign_id}/budget",
    status_code=201,
    response_model=Budget,
    summary="Put forward a budget by use (预算)",
)
async def ask_budget(
    campaign_id: CampaignPath,
    body: BudgetBody,
    sent: Annotated[Sent, Depends(sent("ask_budget", "desk", "finance"))],
) -> Response:
    """Whole, for uses of the filed plan. It is in force when another person has confirmed it."""
    return await sent.run(
        lambda connection: commands.ask_budget(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/campaigns/{campaign_id}/budget/confirm", response_model=Budget, summary="Confirm it, second person"
)
async def confirm_budget(
    campaign_id: CampaignPath, sent: Annotated[Sent, Depends(sent("confirm_budget", "approver"))]
) -> Response:
    """`If-Match` is the budget's. Refused where a line is below what is spent or reserved (409)."""
    return await sent.run(lambda connection: commands.confirm_budget(connection, sent.actor, campaign_id))


@router.post(
    "/v1/campaigns/{campaign_id}/budget/withdraw", response_model=Budget, summary="Withdraw what waits"
)
async def withdraw_budget(
    campaign_id: CampaignPath,
    sent: Annotated[Sent, Depends(sent("withdraw_budget", "desk", "finance", "approver"))],
) -> Response:
    """By either of the two; the budget in force stays."""
    return await sent.run(lambda connection: commands.withdraw_budget(connection, sent.actor, campaign_id))


@router.get(
    "/v1/campaigns/{campaign_id}/budget",
    response_model=Budget,
    summary="Read the budget, what is spent of it and what is left",
    dependencies=READING,
)
async def read_budget(campaign_id: CampaignPath, books: BooksHere) -> Response:
    """With its version as the ETag, and what waits for its second person."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        found = await queries.budget(connection, campaign_id)
    return tagged(found, found.version)


# ---------------------------------------------------------------- invoices

FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in SIGNATURES},
    }
}
InvoicePath = Annotated[int, Path(ge=1, le=MAX_INVOICES, description="The invoice's number")]


async def add_invoice(
    disbursement_id: UUID,
    request: Request,
    name: Annotated[Line, Query(description="What the file is called, such as 发票1.pdf")],
    sent: Annotated[Sent, Depends(sent("add_invoice", "desk", "finance"))],
    *,
    invoice_number: Annotated[
        str | None, Query(pattern=INVOICE_NUMBER, description="As it stands on the invoice (发票号码)")
    ] = None,
    amount_fen: Annotated[
        int | None, Query(ge=1, le=MAX_AMOUNT_FEN, description="What the invoice comes to, in fen")
    ] = None,
) -> Response:
    """The body is the file: PDF, PNG or JPEG by its content, at most 5 MB, at most 20 of a disbursement. It
    is kept with its SHA-256 and is never changed or removed.
    """
    content, media_type = await request.body(), request.headers.get("content-type", "")
    return await sent.run(
        lambda connection: commands.add_invoice(
            connection,
            sent.actor,
            disbursement_id,
            name=name,
            media_type=media_type,
            content=content,
            invoice_number=invoice_number,
            amount_fen=amount_fen,
        ),
        201,
    )


router.add_api_route(
    "/v1/disbursements/{disbursement_id}/invoices",
    add_invoice,
    methods=["POST"],
    status_code=201,
    response_model=Disbursement,
    summary="Add an invoice (发票)",
    openapi_extra=FILE,
    route_class_override=FileRoute,
)


@router.get("/v1/disbursements/{disbursement_id}/invoices", summary="List its invoices", dependencies=READING)
async def list_invoices(disbursement_id: UUID, books: BooksHere) -> Invoices:
    """With their numbers, amounts and hashes, and where else the same file or the same number was sent in."""
    async with books.engine.connect() as connection:
        await queries.disbursement(connection, disbursement_id)
        return Invoices(items=await queries.list_invoices(connection, disbursement_id))


@router.get(
    "/v1/disbursements/{disbursement_id}/invoices/{number}",
    summary="Download an invoice",
    dependencies=READING,
    response_class=Response,
    responses={200: {"content": {name: {} for name in SIGNATURES}}},
)
async def read_invoice(disbursement_id: UUID, number: InvoicePath, books: BooksHere) -> Response:
    """To be saved, never shown by this origin: a file from outside runs nothing here."""
    async with books.engine.connect() as connection:
        name, media_type, digest, content = await queries.invoice_file(connection, disbursement_id, number)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
        "ETag": f'"{digest.hex()}"',
    }
    return Response(content, media_type=media_type, headers=headers)


# ---------------------------------------------------------------- art. 61


OrganisationPath = Annotated[str, Path(pattern=ORGANISATION_ID, description="The organisation's id")]


@router.get(
    "/v1/organisations/{organisation_id}/ratios",
    summary="What it spent of its income, and on management (Charity Law art. 61)",
    dependencies=READING,
)
async def read_ratios(
    organisation_id: OrganisationPath,
    year: Annotated[int, Query(ge=2003, le=2199, description="The year in Asia/Shanghai")],
    books: BooksHere,
) -> RatiosOfYear:
    """By the ledger as it stands now: of the organisation's own campaigns, without those below it. Money
    without a campaign belongs to no organisation here and is not in it. A year that the ledger has nothing of
    is taken from its confirmed statement; `basis` says which.
    """
    async with books.engine.connect() as connection:
        await register.organisation(connection, organisation_id)
        ledger = await queries.years(connection, organisation_id, year)
        stated = await queries.confirmed_years(connection, organisation_id, year)
    used = years_used(year, ledger, stated)
    found = ratios_of(year, {each: known.figures for each, known in used.items()})
    return RatiosOfYear(
        organisation_id=organisation_id,
        year=year,
        **asdict(found.year),
        last_income_fen=found.last_income_fen,
        mean_income_fen=found.mean_income_fen,
        spent_of_last_bp=found.spent_of_last_bp,
        spent_of_mean_bp=found.spent_of_mean_bp,
        management_bp=found.management_bp,
        spends_enough=found.spends_enough,
        management_within=found.management_within,
        basis=[
            YearBasis(year=each, basis=known.basis, income_fen=known.figures.income_fen)
            for each, known in used.items()
        ],
    )


# ---------------------------------------------------------------- years from before the ledger


@router.post(
    "/v1/organisations/{organisation_id}/stated-years",
    status_code=201,
    response_model=StatedYear,
    summary="State a year from before the ledger (以前年度)",
)
async def state_year(
    organisation_id: OrganisationPath,
    body: StatedYearBody,
    sent: Annotated[Sent, Depends(sent("state_year", "finance"))],
) -> Response:
    """As the audited account has it. It counts when another person has confirmed it. Refused (409) where the
    ledger has an income or an expense of the organisation's own campaigns in the year, or a statement of it
    waits or is confirmed.
    """
    return await sent.run(
        lambda connection: commands.state_year(connection, sent.actor, organisation_id, body), 201
    )


@router.post(
    "/v1/stated-years/{statement_id}/confirm",
    response_model=StatedYear,
    summary="Confirm a stated year, second person",
)
async def confirm_stated_year(
    statement_id: UUID, sent: Annotated[Sent, Depends(sent("confirm_stated_year", "approver"))]
) -> Response:
    """By another person than who has recorded it (403), and for good."""
    return await sent.run(
        lambda connection: commands.confirm_stated_year(connection, sent.actor, statement_id)
    )


@router.post(
    "/v1/stated-years/{statement_id}/withdraw",
    response_model=StatedYear,
    summary="Withdraw a stated year that waits",
)
async def withdraw_stated_year(
    statement_id: UUID, sent: Annotated[Sent, Depends(sent("withdraw_stated_year", "finance", "approver"))]
) -> Response:
    """Before it is confirmed; the year can be stated anew."""
    return await sent.run(
        lambda connection: commands.withdraw_stated_year(connection, sent.actor, statement_id)
    )


@router.get(
    "/v1/organisations/{organisation_id}/stated-years",
    summary="List its stated years, oldest statement first",
    dependencies=READING,
)
async def list_stated_years(
    organisation_id: OrganisationPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> StatedYears:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await register.organisation(connection, organisation_id)
        items = await queries.list_stated_years(connection, organisation_id, after=after, limit=limit)
    return StatedYears(items=items, next=next_after([str(item.statement_id) for item in items], limit))


@router.get(
    "/v1/stated-years/{statement_id}",
    response_model=StatedYear,
    summary="Read a stated year",
    dependencies=READING,
)
async def read_stated_year(statement_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        stated = await queries.stated_year(connection, statement_id)
    return tagged(stated, stated.version)
