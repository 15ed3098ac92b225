"""What the other services hear of a disbursement: its use and its beneficiaries, never the payee."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.spending.schemas import Disbursement, Return
from shared.events import (
    DisbursementApproved,
    DisbursementWithdrawn,
    Event,
    EventData,
    FundsDisbursed,
    FundsReturned,
)
from shared.events.campaigns import (
    DisbursementApprovedData,
    DisbursementWithdrawnData,
    FundsDisbursedData,
    FundsReturnedData,
)


async def disbursement_approved(
    connection: AsyncConnection, announcer: Announcer, disbursement: Disbursement
) -> None:
    """DisbursementApproved: the amount is reserved."""
    data = DisbursementApprovedData.model_validate(disbursement.model_dump())
    await _append(connection, announcer, DisbursementApproved, disbursement, data)


async def disbursement_withdrawn(
    connection: AsyncConnection, announcer: Announcer, disbursement: Disbursement
) -> None:
    """DisbursementWithdrawn: what was reserved is free again; the reason stays here."""
    data = DisbursementWithdrawnData.model_validate(disbursement.model_dump())
    await _append(connection, announcer, DisbursementWithdrawn, disbursement, data)


async def funds_disbursed(
    connection: AsyncConnection, announcer: Announcer, disbursement: Disbursement
) -> None:
    """FundsDisbursed: the amount has gone out to its use; payee and line items are not published."""
    data = FundsDisbursedData.model_validate(disbursement.model_dump())
    await _append(connection, announcer, FundsDisbursed, disbursement, data)


async def funds_returned(
    connection: AsyncConnection, announcer: Announcer, disbursement: Disbursement, done: Return
) -> None:
    """FundsReturned: part of what went out has come back; the reason stays here."""
    data = FundsReturnedData(
        return_id=done.return_id,
        disbursement_id=disbursement.disbursement_id,
        campaign_id=disbursement.campaign_id,
        amount_fen=done.amount_fen,
        disbursed_fen=disbursement.amount_fen,
        returned_fen=disbursement.returned_fen,
        use=disbursement.use,
        returned_on=done.returned_on,
    )
    await _append(connection, announcer, FundsReturned, disbursement, data)


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
