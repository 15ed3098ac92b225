"""What receipts and their trace have to say of campaigns, from the campaigns' events.

In a consumer group of its own: it reads the events from the first one, so that a campaign that was launched
before there were receipts is known too. The newest event of a campaign wins by its sequence, and a movement
of money is kept under the position of its event, so neither a repeat nor a late one does harm, and no mark
is needed.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.receipts import queries
from services.donation.trace.movements import movements_of
from services.donation.trace.queries import add_movements
from shared import dead_letters
from shared.broker import KafkaSettings, Records
from shared.events.campaigns import CampaignData

SERVICE = "donation"


class ReceiptCampaigns:
    """Keeps title, organisation and licence of each campaign, and what moved in its fund."""

    def __init__(self, settings: KafkaSettings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine

    async def __call__(self, records: Records) -> None:
        """Take one batch. What is no event goes to the dead letters by the service's other reader."""
        events, _ = dead_letters.usable_events(self._settings, SERVICE, records)
        newest = {
            event.data.campaign_id: (event.sequence, event.data)
            for event in sorted(events, key=lambda event: event.sequence)
            if isinstance(event.data, CampaignData)
        }
        moved = movements_of(events)
        if newest or moved:
            async with self._engine.begin() as connection:
                await queries.save_campaigns(connection, newest)
                await add_movements(connection, moved)
