"""Writing down whom an event is to be told, in the transaction that moves its mark."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.partners import queries
from services.notification.partners.metrics import WRITTEN
from services.notification.partners.projection import outgoing
from shared.events import ConsentWithdrawn, Event


async def tell_partners(connection: AsyncConnection, events: Sequence[Event]) -> int:
    """Write one delivery for each event and endpoint that wants it; gives back how many."""
    await queries.add_unnamed(connection, [each for each in events if isinstance(each, ConsentWithdrawn)])
    wishes = await queries.wishes(connection)
    wanted = {each for _, wish in wishes for each in wish.event_types}
    public = [found for event in events if event.type in wanted and (found := outgoing(event))]
    told = [(endpoint_id, event) for event in public for endpoint_id, wish in wishes if wish.takes(event)]
    written = await queries.add_deliveries(connection, told)
    WRITTEN.labels("event").inc(written)
    return written
