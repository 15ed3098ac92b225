"""Where the money of a receipt stands (善款去向): for whoever has the paper, as JSON and as a page.

Number and code are checked as receipts/checking.py checks them, within the same limits, and the answer to a
wrong pair is the same. Beyond what that check tells, a trace has the receipt's own sums in each campaign, and
the campaign's figures that everybody may know. No donor's name, no payee, no other donation is in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.receipts.checking import REFUSALS, public_state, require_receipt
from services.donation.receipts.issuing import TRACE_PAGE
from services.donation.receipts.public_pages import MAX_TYPED, add_page
from services.donation.trace import queries
from services.donation.trace.schemas import FundFigures, Goods, Helped, Part, Trace, Transfer, Use
from services.donation.trace.shares import Fund, share_of

PAGES: Final = FilePath(__file__).parent / "pages"
MAX_KNOWN: Final = 1_000
"""KnownCampaigns whose figures are kept, until the next stated moment."""
_ONE_LOOK: Final = "REPEATABLE READ"


@dataclass(frozen=True, slots=True)
class KnownCampaign:
    """What everybody may know of a campaign at a moment: rows of queries.funds, uses, helped, transfers."""

    figures: Row[Any]
    uses: list[Row[Any]]
    helped: list[Row[Any]]
    transfers: list[Row[Any]]


class KnownCampaigns:
    """The campaigns' figures at the stated moment, read once for all who hold a receipt of them: after a gala
    thousands look at the same one, and its payments are many.
    """

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._known: dict[str, KnownCampaign] = {}

    async def at(
        self, connection: AsyncConnection, at: datetime, campaign_ids: Sequence[str]
    ) -> dict[str, KnownCampaign]:
        """These campaigns at a moment. Another moment than the one before forgets all."""
        if at != self._at or len(self._known) > MAX_KNOWN:
            self._at, self._known = at, {}
        known = self._known
        missing = [each for each in campaign_ids if each not in known]
        if missing:
            figures = await queries.funds(connection, missing, at)
            uses, helped = await queries.uses(connection, missing, at)
            transfers = await queries.transfers(connection, missing, at)
            for each in missing:
                known[each] = KnownCampaign(
                    figures[each], _of(each, uses), _of(each, helped), _of(each, transfers)
                )
        return {each: known[each] for each in campaign_ids}


def _of(campaign_id: str, rows: list[Row[Any]]) -> list[Row[Any]]:
    return [row for row in rows if row.campaign_id == campaign_id]


async def trace(engine: AsyncEngine, campaigns: KnownCampaigns, number: str, code: str) -> Trace:
    """Where the money of a receipt stands. Raises the Problems of checking.require_receipt.

    All of it is read in one look, and for one moment: what was announced after the donations were last
    counted is left to the next.
    """
    async with engine.connect() as raw:
        connection = await raw.execution_options(isolation_level=_ONE_LOOK)
        row = await require_receipt(connection, number, code)
        at = await queries.stated_at(connection)
        parts: list[Part] = []
        if at is not None and row.valid:
            own = await queries.own_parts(connection, row.number, at)
            known = await campaigns.at(connection, at, [each.campaign_id for each in own])
            parts = [_part(each, known[each.campaign_id]) for each in own]
    return Trace(
        number=row.number,
        state=public_state(row),
        replaced_by=row.replaced_by,
        amount_fen=row.amount_fen,
        back_fen=row.overstated_fen,
        stated_at=at,
        parts=parts,
    )


def _part(own: Row[Any], campaign: KnownCampaign) -> Part:
    figures, uses = campaign.figures, campaign.uses
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
            for each in campaign.helped
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
        transfers=[Transfer.model_validate(each, from_attributes=True) for each in campaign.transfers],
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
    router, campaigns = APIRouter(), KnownCampaigns()

    @router.get(
        "/v1/receipts/trace/{number}",
        tags=["receipts"],
        summary="Where a receipt's money stands (善款去向)",
        responses=REFUSALS,
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
        return await trace(engine, campaigns, number, code)

    async def find(number: str, code: str) -> Trace:
        return await trace(engine, campaigns, number, code)

    add_page(router, TRACE_PAGE, PAGES, admit, find)
    return router
