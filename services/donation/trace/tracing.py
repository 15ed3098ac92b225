"""Where the money of a receipt stands (善款去向): for whoever has the paper, as JSON and as a page.

Number and code are checked as receipts/checking.py checks them, within the same limits, and the answer to a
wrong pair is the same. Beyond what that check tells, a trace has the receipt's own sums in each campaign, and
the campaign's figures that everybody may know. No donor's name, no payee, no other donation is in it.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.receipts.checking import public_state, require_receipt
from services.donation.receipts.issuing import TRACE_PAGE
from services.donation.receipts.public_pages import MAX_TYPED, add_page
from services.donation.trace import queries
from services.donation.trace.schemas import FundFigures, Goods, Helped, Part, Trace, Transfer, Use
from services.donation.trace.shares import Fund, share_of

PAGES: Final = FilePath(__file__).parent / "pages"
_ONE_LOOK: Final = "REPEATABLE READ"


async def trace(engine: AsyncEngine, number: str, code: str) -> Trace:
    """Where the money of a receipt stands. Raises the Problems of checking.require_receipt.

    All of it is read in one look, and for one moment: what was announced after the donations were last
    counted is left to the next.
    """
    async with engine.connect() as raw:
        connection = await raw.execution_options(isolation_level=_ONE_LOOK)
        row = await require_receipt(connection, number, code)
        at = await queries.stated_at(connection)
        parts = await _parts(connection, row.number, at) if at and row.valid else []
    return Trace(
        number=row.number,
        state=public_state(row),
        replaced_by=row.replaced_by,
        amount_fen=row.amount_fen,
        back_fen=row.overstated_fen,
        stated_at=at,
        parts=parts,
    )


async def _parts(connection: AsyncConnection, number: str, at: datetime) -> list[Part]:
    own = await queries.own_parts(connection, number, at)
    campaigns = [row.campaign_id for row in own]
    figures = await queries.funds(connection, campaigns, at)
    uses, helped = await queries.uses(connection, campaigns, at)
    transfers = await queries.transfers(connection, campaigns, at)
    return [
        _part(
            row,
            figures[row.campaign_id],
            [each for each in uses if each.campaign_id == row.campaign_id],
            [each for each in helped if each.campaign_id == row.campaign_id],
            [each for each in transfers if each.campaign_id == row.campaign_id],
        )
        for row in own
    ]


def _part(
    own: Row[Any],
    figures: Row[Any],
    uses: list[Row[Any]],
    helped: list[Row[Any]],
    transfers: list[Row[Any]],
) -> Part:
    fund = Fund(
        received_fen=figures.received_fen,
        reversed_fen=figures.reversed_fen,
        moved_in_fen=figures.moved_in_fen,
        moved_out_fen=figures.moved_out_fen,
        split_fen=figures.split_fen,
        paid_fen=figures.paid_fen,
        returned_fen=figures.returned_fen,
    )
    share = share_of(own.own_fen or 0, fund)

    def helped_by(use: Row[Any]) -> list[Helped]:
        return [
            Helped(count=each.number, unit=each.unit, of=each.of or None)
            for each in helped
            if (each.kind, each.use) == (use.kind, use.use)
        ]

    return Part(
        campaign_id=own.campaign_id,
        title=own.title,
        own_fen=share.own_fen,
        spent_fen=share.spent_fen,
        moved_fen=share.moved_fen,
        left_fen=share.left_fen,
        spent_basis_points=share.spent_basis_points,
        new_fen=own.new_fen or 0,
        fund=FundFigures(
            received_fen=fund.received_fen,
            reversed_fen=fund.reversed_fen,
            split_fen=fund.split_fen,
            moved_in_fen=fund.moved_in_fen,
            in_fen=fund.in_fen,
            spent_fen=fund.spent_fen,
            returned_fen=fund.returned_fen,
            moved_out_fen=fund.moved_out_fen,
            left_fen=fund.left_fen,
        ),
        uses=[
            Use(
                use=each.use,
                titles=each.titles or [],
                spent_fen=each.paid_fen - each.returned_fen,
                returned_fen=each.returned_fen,
                payments=each.payments,
                last_on=each.last_on,
                helped=helped_by(each),
            )
            for each in uses
            if each.kind == "payment"
        ],
        transfers=[Transfer.model_validate(each, from_attributes=True) for each in transfers],
        goods_in_fen=figures.goods_in_fen,
        goods_lost_fen=figures.goods_lost_fen,
        goods=[
            Goods(
                use=each.use,
                titles=each.titles or [],
                value_fen=each.paid_fen - each.returned_fen,
                last_on=each.last_on,
                helped=helped_by(each),
            )
            for each in uses
            if each.kind == "goods_out"
        ],
    )


def tracing_router(engine: AsyncEngine, admit: Callable[[Request], None]) -> APIRouter:
    """The routes of the trace: JSON, page, style sheet. `admit` raises when there is too much at once."""
    router = APIRouter()

    @router.get(
        "/v1/receipts/trace/{number}", tags=["receipts"], summary="Where a receipt's money stands (善款去向)"
    )
    async def trace_receipt(
        request: Request,
        response: Response,
        number: Annotated[str, Path(max_length=MAX_TYPED)],
        code: Annotated[str, Query(max_length=MAX_TYPED, description="The check code on the receipt")],
    ) -> Trace:
        """Public. 404 unless both are of one receipt; 422 for a slip of the pen; 429 for too many."""
        admit(request)
        response.headers["Cache-Control"] = "no-store"
        return await trace(engine, number, code)

    async def find(number: str, code: str) -> Trace:
        return await trace(engine, number, code)

    add_page(router, TRACE_PAGE, PAGES, admit, find)
    return router
