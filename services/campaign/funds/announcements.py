"""What the other services hear of funds: the money that moved, never who decided or why."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.funds.schemas import Transfer
from shared.events import FundsTransferred
from shared.events.campaigns import FundsTransferredData


async def funds_transferred(connection: AsyncConnection, announcer: Announcer, transfer: Transfer) -> None:
    """FundsTransferred, among the events of the campaign whose fund gives."""
    data = FundsTransferredData(
        transfer_id=transfer.transfer_id,
        campaign_id=transfer.from_campaign_id,
        to_campaign_id=transfer.to_campaign_id,
        kind=transfer.kind.value,
        amount_fen=transfer.amount_fen,
        decided_on=transfer.decided_on,
        trustee=transfer.trustee,
        trust=transfer.trust,
        split_id=transfer.split_id,
        donation_id=transfer.donation_id,
    )
    await announcer.append(
        connection, FundsTransferred, transfer.from_campaign_id, transfer.transfer_id, data
    )
