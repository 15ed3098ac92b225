"""What comes from Kafka: donation events, added up per fund, and what their sums reach."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.campaign import metrics, queries
from services.campaign.announcements import Announcer
from services.campaign.fund_receipts import ReceiptSums, sum_by_fund
from services.campaign.milestones import Threshold, reached
from shared import dead_letters
from shared.broker import KafkaSettings, Publisher, Records
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
        """Decode, count each event once, add up, announce what is reached: one transaction a batch."""
        events, letters = dead_letters.usable_events(self.kafka, SERVICE, records)
        for letter in letters:
            await dead_letters.publish(self.publisher, letter)
        with metrics.BATCH_SECONDS.time():
            async with self.engine.begin() as connection:
                sums = sum_by_fund(await admit(connection, events))
                announced = await book(connection, self.announcer, sums) if sums else []
        for threshold in announced:
            metrics.THRESHOLDS_REACHED.labels(threshold.kind).inc()
        if announced:
            self.relay.wake()


async def book(
    connection: AsyncConnection, announcer: Announcer, sums: Mapping[tuple[str, str], ReceiptSums]
) -> list[Threshold]:
    """Add sums to the funds and announce the goal and milestones they reach, each once for ever."""
    await queries.add_receipts(connection, sums)
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
