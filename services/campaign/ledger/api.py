"""The ledger by HTTP, below /v1/ledger.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read everything here, and check it |
| finance | write and discard vouchers, openings and reversals; ask to close a month |
| finance, approver | book what another person has written; confirm a close that another person has asked for
|

Whoever has a role at an organisation alone sees and books what names campaigns of it or below, and nothing
that names none: unrestricted money, months, journals and the check are of all.

Donations, their reversals and payments are booked by themselves. `at` names positions, such as
`at=books:12&at=donations:intake.wechat/0:40`: what is not named is not counted; without any, all there is.
"""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from services.campaign.api import READERS, AfterId, BooksHere, Limit, Right, Sent, allowed, sent
from services.campaign.ledger import checking, commands, queries
from services.campaign.ledger.accounts import CHART
from services.campaign.ledger.drafts import DraftState
from services.campaign.ledger.entries import Kind
from services.campaign.ledger.queries import StatementPlace
from services.campaign.ledger.schemas import (
    ChartLine,
    Check,
    Draft,
    DraftPage,
    EntryPage,
    FundPage,
    JournalHead,
    Period,
    Periods,
    ReversalBody,
    Statement,
    StatementLine,
    TrialBalance,
    VoucherBody,
)
from services.campaign.organisations import rights
from services.campaign.schemas import Day
from shared.events.fields import CAMPAIGN_ID
from shared.forms import form
from shared.refusals import NotFound, Refused
from shared.strict_json import StrictJsonRoute

MAX_PERIODS: Final = 240
"""Twenty years."""

router = APIRouter(prefix="/v1/ledger", route_class=StrictJsonRoute, tags=["ledger"])
reading: Final[list[Any]] = [Depends(allowed(*READERS))]
SeeingHere = Annotated[Right, Depends(allowed(*READERS, somewhere=True))]

MONTH: Final = form(r"^20\d\d-(0[1-9]|1[0-2])$", "a month, such as 2026-11")
MonthPath = Annotated[str, Path(pattern=MONTH, description="A month in Asia/Shanghai, such as 2026-11")]
CampaignQuery = Annotated[str | None, Query(pattern=CAMPAIGN_ID, description="One fund alone")]
JournalQuery = Annotated[str, Query(min_length=1, max_length=200, description="Such as books")]
At = Annotated[
    list[str], Query(max_length=1000, description="Positions, each <journal>:<sequence>; none: all there is")
]


class PositionUnusable(Refused):
    """Text that names no position."""

    code = "ledger-position-unusable"
    title = "The position can't be used"
    status = 422


# ---------------------------------------------------------------- two people


@router.post("/vouchers", status_code=201, response_model=Draft, summary="Write a voucher (制单)")
async def draft_voucher(
    body: VoucherBody, sent: Annotated[Sent, Depends(sent("draft_voucher", "finance", somewhere=True))]
) -> Response:
    """Booked when another person says so. A campaign's fund can't be changed by one."""
    return await sent.run(lambda connection: commands.draft_voucher(connection, sent.actor, body), 201)


@router.post("/openings", status_code=201, response_model=Draft, summary="Write the opening balances (期初)")
async def draft_opening(
    body: VoucherBody, sent: Annotated[Sent, Depends(sent("draft_opening", "finance"))]
) -> Response:
    """What there was before this system, once: 409 while an opening stands."""
    return await sent.run(
        lambda connection: commands.draft_voucher(connection, sent.actor, body, Kind.OPENING), 201
    )


@router.post("/reversals", status_code=201, response_model=Draft, summary="Write a reversal (冲销)")
async def draft_reversal(
    body: ReversalBody, sent: Annotated[Sent, Depends(sent("draft_reversal", "finance", somewhere=True))]
) -> Response:
    """Of a voucher or an opening, once, with its reason. Donations and payments have their own way back
    (409).
    """
    return await sent.run(lambda connection: commands.draft_reversal(connection, sent.actor, body), 201)


@router.post("/drafts/{draft_id}/book", response_model=Draft, summary="Book a draft (审核)")
async def book_draft(
    draft_id: UUID, sent: Annotated[Sent, Depends(sent("book_draft", "finance", "approver"))]
) -> Response:
    """By another person than its writer (403). In a closed month: on the first open day after it."""
    return await sent.run(lambda connection: commands.book_draft(connection, sent.actor, draft_id))


@router.post("/drafts/{draft_id}/discard", response_model=Draft, summary="Throw a draft away")
async def discard_draft(
    draft_id: UUID, sent: Annotated[Sent, Depends(sent("discard_draft", "finance"))]
) -> Response:
    """It stays readable."""
    return await sent.run(lambda connection: commands.discard_draft(connection, sent.actor, draft_id))


@router.get("/drafts", summary="List drafts, oldest first")
async def list_drafts(
    books: BooksHere,
    right: SeeingHere,
    state: DraftState | None = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> DraftPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        seen = await rights.seen(connection, right.reach)
        items = await queries.list_drafts(connection, seen=seen, state=state, after=after, limit=limit)
    return DraftPage(items=items, next=str(items[-1].draft_id) if len(items) == limit else None)


@router.get("/drafts/{draft_id}", summary="Read a draft", dependencies=reading)
async def read_draft(draft_id: UUID, books: BooksHere) -> Draft:
    """With who wrote and who booked it."""
    async with books.engine.connect() as connection:
        return await queries.draft(connection, draft_id)


@router.post("/periods/{month}/close", response_model=Period, summary="Ask to close a month (结账)")
async def ask_to_close(
    month: MonthPath, sent: Annotated[Sent, Depends(sent("ask_to_close", "finance"))]
) -> Response:
    """And every month before it. Nothing is closed before another person confirms."""
    return await sent.run(lambda connection: commands.ask_to_close(connection, sent.actor, _month(month)))


@router.post("/periods/{month}/confirm", response_model=Period, summary="Confirm a close")
async def confirm_close(
    month: MonthPath, sent: Annotated[Sent, Depends(sent("confirm_close", "finance", "approver"))]
) -> Response:
    """By another person than the one who asked (403). It is never opened again."""
    return await sent.run(lambda connection: commands.confirm_close(connection, sent.actor, _month(month)))


@router.get("/periods", summary="Months that are closed or being closed, newest first", dependencies=reading)
async def list_periods(books: BooksHere) -> Periods:
    """A month that is not named is open, unless a later one is closed."""
    async with books.engine.connect() as connection:
        one_moment = await _one_moment(connection)
        closed = await queries.closed_month(one_moment)
        return Periods(closed=closed, items=await queries.list_periods(one_moment, MAX_PERIODS))


# ---------------------------------------------------------------- reading


@router.get(
    "/accounts",
    summary="The chart of accounts (会计科目)",
    dependencies=[Depends(allowed(*READERS, somewhere=True))],
)
async def read_chart() -> list[ChartLine]:
    """Every account. It is the same for all."""
    return [
        ChartLine(
            number=account.number,
            name=account.name,
            name_en=account.name_en,
            kind=account.kind,
            normal_side=account.normal_side,
        )
        for account in CHART.values()
    ]


@router.get("/trial-balance", summary="The trial balance (试算平衡表)", dependencies=reading)
async def read_trial_balance(
    books: BooksHere,
    campaign_id: CampaignQuery = None,
    day: Annotated[Day | None, Query(description="Up to and with this day")] = None,
    at: At = [],  # noqa: B006 - FastAPI copies it
) -> TrialBalance:
    """Of everything or of one fund, at a position and up to a day. Debits equal credits, always."""
    async with books.engine.connect() as connection:
        one_moment = await _one_moment(connection)
        positions = await _positions(one_moment, at)
        lines = await queries.sums(one_moment, positions, campaign_id=campaign_id, day=day)
    debit_fen, credit_fen = sum(each.debit_fen for each in lines), sum(each.credit_fen for each in lines)
    return TrialBalance(
        day=day,
        campaign_id=campaign_id,
        positions=positions,
        lines=lines,
        debit_fen=debit_fen,
        credit_fen=credit_fen,
        difference_fen=debit_fen - credit_fen,
    )


@router.get("/accounts/{number}/statement", summary="An account's postings (明细账)", dependencies=reading)
async def read_statement(
    number: Annotated[str, Path(max_length=10, description="A number of the chart")],
    books: BooksHere,
    *,
    campaign_id: CampaignQuery = None,
    after: Annotated[str | None, Query(max_length=300, description="The `next` of the part before")] = None,
    at: At = [],  # noqa: B006 - FastAPI copies it
    limit: Limit = 50,
) -> Statement:
    """By day, with the balance after each. For parts of one moment send the `positions` of the first as
    `at`.
    """
    if number not in CHART:
        raise NotFound("There is no such account in the chart.", fields=["number"])
    begin = _place(after)
    async with books.engine.connect() as connection:
        one_moment = await _one_moment(connection)
        positions = await _positions(one_moment, at)
        brought, items = await queries.statement(
            one_moment, number, positions, campaign_id=campaign_id, after=begin, limit=limit
        )
    last = items[-1] if len(items) == limit else None
    return Statement(
        account=number,
        campaign_id=campaign_id,
        positions=positions,
        brought_forward_fen=brought,
        items=items,
        next=None if last is None else str(_place_of(last)),
    )


@router.get("/journals", summary="Every journal's head", dependencies=reading)
async def list_journals(books: BooksHere) -> list[JournalHead]:
    """Kept elsewhere, a head proves every entry before it."""
    async with books.engine.connect() as connection:
        return await queries.heads(connection)


@router.get("/entries", summary="A journal's entries (序时账)", dependencies=reading)
async def list_entries(
    books: BooksHere,
    journal: JournalQuery,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The `next` of the part before")] = 0,
    limit: Limit = 50,
) -> EntryPage:
    """With their postings and hashes, in the order of the chain."""
    async with books.engine.connect() as connection:
        items = await queries.entries(connection, journal, after=after, limit=limit)
    return EntryPage(items=items, next=items[-1].sequence if len(items) == limit else None)


@router.get("/funds", summary="Each fund by the ledger, beside the guardrail's")
async def list_funds(
    books: BooksHere,
    right: SeeingHere,
    after: Annotated[str | None, Query(pattern=CAMPAIGN_ID, description="The `next` before")] = None,
    limit: Limit = 50,
) -> FundPage:
    """`equal` is true for every one, always."""
    async with books.engine.connect() as connection:
        seen = await rights.seen(connection, right.reach)
        items = await queries.funds(connection, seen=seen, after=after, limit=limit)
    return FundPage(items=items, next=items[-1].campaign_id if len(items) == limit else None)


@router.get("/check", summary="Look the whole ledger through", dependencies=reading)
async def read_check(books: BooksHere) -> Check:
    """Every chain from its first entry, the trial balance, every fund; says the first place that is
    broken.
    """
    async with books.engine.connect() as connection:
        return await checking.check(await _one_moment(connection))


async def _one_moment(connection: AsyncConnection) -> AsyncConnection:
    return await connection.execution_options(isolation_level="REPEATABLE READ")


async def _positions(connection: AsyncConnection, at: list[str]) -> dict[str, int]:
    """The asked positions, or those of now. Raises PositionUnusable."""
    if not at:
        return {head.journal: head.sequence for head in await queries.heads(connection)}
    positions = {}
    for text in at:
        journal, _, sequence = text.rpartition(":")
        if not journal or not sequence.isdecimal() or len(sequence) > 18:
            raise PositionUnusable("Send at=<journal>:<sequence>, such as at=books:12.", fields=["at"])
        positions[journal] = int(sequence)
    return positions


def _place(after: str | None) -> StatementPlace | None:
    """Raises PositionUnusable."""
    try:
        return None if after is None else StatementPlace.parse(after)
    except ValueError as error:
        raise PositionUnusable("Send the `next` of the part before.", fields=["after"]) from error


def _place_of(line: StatementLine) -> StatementPlace:
    return StatementPlace(line.booked_on, line.journal, line.sequence, line.line)


def _month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")
