"""What the other services hear of a pledge: the name it agreed to show, never who decided or why."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.pledges.schemas import Pledge, Release
from shared.events import (
    Event,
    EventData,
    PledgeCorrected,
    PledgeDue,
    PledgeFulfilled,
    PledgeMade,
    PledgeReleased,
)
from shared.events.campaigns import (
    PledgeCorrectedData,
    PledgedGoods,
    PledgeDueData,
    PledgeFulfilledData,
    PledgeMadeData,
    PledgeReleasedData,
)


async def pledge_made(connection: AsyncConnection, announcer: Announcer, pledge: Pledge) -> None:
    """PledgeMade: from now on it is promised."""
    data = PledgeMadeData(**_named(pledge), **_terms(pledge))
    await _append(connection, announcer, PledgeMade, pledge, data)


async def pledge_corrected(
    connection: AsyncConnection, announcer: Announcer, pledge: Pledge, previous_fen: int
) -> None:
    """PledgeCorrected: the promised total moves by the difference."""
    data = PledgeCorrectedData(**_named(pledge), **_terms(pledge), previous_amount_fen=previous_fen)
    await _append(connection, announcer, PledgeCorrected, pledge, data)


async def pledge_fulfilled(connection: AsyncConnection, announcer: Announcer, pledge: Pledge) -> None:
    """PledgeFulfilled: for the first time all of it has come in."""
    data = PledgeFulfilledData(**_named(pledge), fulfilled_fen=pledge.fulfilled_fen)
    await _append(connection, announcer, PledgeFulfilled, pledge, data)


async def pledge_due(connection: AsyncConnection, announcer: Announcer, pledge: Pledge, stage: int) -> None:
    """PledgeDue: somebody may be reminded."""
    data = PledgeDueData(
        **_named(pledge), open_fen=pledge.open_fen, due_on=pledge.due_on, days_after_due=stage
    )
    await _append(connection, announcer, PledgeDue, pledge, data)


async def pledge_released(
    connection: AsyncConnection, announcer: Announcer, pledge: Pledge, release: Release
) -> None:
    """PledgeReleased, with the statement that art. 41 wants public. The reason stays here."""
    data = PledgeReleasedData(
        **_named(pledge),
        released_fen=pledge.released_fen,
        report_reference=release.report_reference,
        public_statement=release.public_statement,
    )
    await _append(connection, announcer, PledgeReleased, pledge, data)


def _named(pledge: Pledge) -> dict[str, Any]:
    return {
        "pledge_id": pledge.pledge_id,
        "campaign_id": pledge.campaign_id,
        "company": pledge.shown_name,
        "amount_fen": pledge.amount_fen,
    }


def _terms(pledge: Pledge) -> dict[str, Any]:
    goods = None if pledge.goods is None else PledgedGoods(**pledge.goods.model_dump())
    return {"due_on": pledge.due_on, "placard": pledge.placard, "goods": goods}


async def _append(
    connection: AsyncConnection,
    announcer: Announcer,
    event_class: type[Event],
    pledge: Pledge,
    data: EventData,
) -> None:
    await announcer.append(connection, event_class, pledge.campaign_id, pledge.pledge_id, data)
