"""What comes from Kafka: donation events, added up per fund, booked in the ledger, and what they reach."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.campaign import metrics, queries
from services.campaign.announcements import Announcer
from services.campaign.fund_receipts import sum_by_fund
from services.campaign.funds import queries as funds
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_donations
from services.campaign.matching import booking as matches
from services.campaign.milestones import Threshold, reached
from services.campaign.pledges import booking
from services.campaign.pledges.fulfilment import payments_in
from services.campaign.pledges.schemas import Pledge
from shared import dead_letters
from shared.broker import KafkaSettings, Publisher, Records
from shared.events import Event
from shared.outbox import Relay
from shared.positions import admit

SERVICE = "campaign"


@dataclass(frozen=True, slots=True)
class DonationEvents:
    """Takes batches of donation.events and books them."""

    engine: AsyncEngine
    kafka: KafkaSettings
    publisher: Publisher
    announcer: Announcer
    relay: Relay

    async def take(self, records: Records) -> None:
        """Decode, count each event once, book, announce what is reached: one transaction a batch."""
        events, letters = dead_letters.usable_events(self.kafka, SERVICE, records)
        for letter in letters:
            await dead_letters.publish(self.publisher, letter)
        with metrics.BATCH_SECONDS.time():
            async with self.engine.begin() as connection:
                announced, pledges = await count(connection, self.announcer, events)
        for threshold in announced:
            metrics.THRESHOLDS_REACHED.labels(threshold.kind).inc()
        if announced or pledges:
            self.relay.wake()


async def count(
    connection: AsyncConnection, announcer: Announcer, events: Sequence[Event]
) -> tuple[list[Threshold], list[Pledge]]:
    """Move the marks, and do what the events that count now do. Gives the thresholds that were announced and
    the pledges that were paid for. Pledges are locked before funds, and the outbox last.
    """
    fresh = await admit(connection, events)
    pledges = await booking.book(connection, payments_in(fresh))
    announced = await book(connection, announcer, fresh)
    for pledge in pledges:
        await booking.announce_if_fulfilled(connection, announcer, pledge)
    return announced, pledges


async def book(connection: AsyncConnection, announcer: Announcer, events: Sequence[Event]) -> list[Threshold]:
    """Add admitted events to the funds and to the ledger, and announce the goal and milestones they reach,
    each once for ever.
    """
    sums = sum_by_fund(events)
    if not sums:
        return []
    await queries.add_receipts(connection, sums)
    await funds.note_reversals(connection, events)
    await bookkeeping.book(connection, of_donations(events))
    await matches.book(connection, events, sorted({campaign for campaign, _ in sums}))
    waiting = await queries.lock_waiting_thresholds(connection, sorted({campaign for campaign, _ in sums}))
    if not waiting:
        return []
    net_fen = await queries.net_received(connection, sorted(waiting))
    announced = [
        each
        for campaign_id, thresholds in waiting.items()
        for each in reached(thresholds, net_fen[campaign_id])
    ]
    for threshold in announced:
        await queries.mark_reached(connection, threshold)
        await announcer.threshold_reached(connection, threshold, net_fen[threshold.campaign_id])
    return announced
