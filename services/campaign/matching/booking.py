"""What a batch adds to the matches, in the transaction that moves the marks of its events."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.matching import queries
from services.campaign.matching.rules import eligible_sums
from shared.events import Event


async def book(connection: AsyncConnection, events: Sequence[Event], campaign_ids: Sequence[str]) -> None:
    """Add what is eligible of a batch's donations and reversals: one statement where nothing is matched.

    Call it after bookkeeping.book, which shares the lock that a confirmation holds alone.
    """
    offers = await queries.offers(connection, campaign_ids)
    if offers and (sums := eligible_sums(events, offers)):
        await queries.add_sums(connection, sums)
