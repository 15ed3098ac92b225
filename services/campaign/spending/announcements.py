"""What the other services hear of a disbursement: its use and its beneficiaries, never the payee."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.spending.schemas import Disbursement
from shared.events import DisbursementApproved, Event, EventData, FundsDisbursed
from shared.events.campaigns import DisbursementApprovedData, FundsDisbursedData


async def disbursement_approved(
    connection: AsyncConnection, announcer: Announcer, disbursement: Disbursement
) -> None:
    """DisbursementApproved: the amount is reserved."""
    data = DisbursementApprovedData.model_validate(disbursement.model_dump())
    await _append(connection, announcer, DisbursementApproved, disbursement, data)


async def funds_disbursed(
    connection: AsyncConnection, announcer: Announcer, disbursement: Disbursement
) -> None:
    """FundsDisbursed: the amount has gone out to its use; the payee is not published."""
    data = FundsDisbursedData.model_validate(disbursement.model_dump())
    await _append(connection, announcer, FundsDisbursed, disbursement, data)


async def _append(
    connection: AsyncConnection,
    announcer: Announcer,
    event_class: type[Event],
    disbursement: Disbursement,
    data: EventData,
) -> None:
    await announcer.append(
        connection, event_class, disbursement.campaign_id, disbursement.disbursement_id, data
    )
