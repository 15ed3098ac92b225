"""A rebuild of reporting from so many donation events, with its workers and screens running.

The events are the donation service's own, sent by its own publishing, with position, previous and envelope;
they are there before the clock starts. Clock: from the start of the command's process to its end, when the
new projection is in place.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from deploy.bench import meters
from deploy.bench.donations import Series
from deploy.bench.ground import Base, Ground, prepared
from deploy.bench.report import Figure, Result
from deploy.local.processes import wait_until
from deploy.local.roles import as_owner
from services.donation.booking import Published
from services.donation.handlers import Outcome, publish
from services.donation.intake import donation_id_of
from shared.broker import Publisher
from shared.events import DonationReceived
from shared.events.donations import DonationReceivedData

EVENTS: Final = 1_000_000
SECONDS: Final = 60.0
CAMPAIGN: Final = "bench"
CHANNELS: Final = ("wechat", "alipay", "ecny")
EVENING: Final = timedelta(hours=3)
BATCH: Final = 2_000
PATIENCE_S: Final = 240.0
SERVICES: Final = ("campaign", "reporting-worker", "reporting")
COUNTED: Final = "SELECT coalesce(sum(donations), 0)::bigint FROM campaign_totals"
TOTAL: Final = "SELECT coalesce(sum(received_fen), 0)::bigint FROM campaign_totals"
SPOIL: Final = "UPDATE campaign_totals SET received_fen = received_fen + 1"


async def measure(base: Base, events: int = EVENTS) -> Result:
    """Publish `events` donations, let the worker count them, spoil a total, and rebuild."""
    result = Result("rebuild")
    async with prepared(base) as ground:
        await ground.start(*SERVICES)
        await ground.launch(CAMPAIGN)
        await _send(ground, events)
        total_fen = Series.of("", CAMPAIGN).total_fen(events)
        await _counted(ground, events)
        await ground.value("reporting", SPOIL)
        await base.checkpoint()
        meter = meters.CpuMeter({**ground.pids, **base.pids})
        meter.begin()
        begun_s = time.monotonic()
        url, owner = as_owner(base.admin_url, ground.wiring.databases["reporting"])
        child = ground.spawn(
            "rebuild",
            "services.reporting",
            "rebuild",
            f"--as-role={owner}",
            environment={**ground.environment("reporting"), "DATABASE_URL": url},
        )
        await asyncio.to_thread(wait_until, lambda: not child.running, PATIENCE_S)
        seconds = time.monotonic() - begun_s
        cpu = meter.end()
        if child.exit_code != 0:
            result.wrong.append(f"the rebuild ended with {child.exit_code}")
        if (found := await ground.value("reporting", TOTAL)) != total_fen:
            result.wrong.append(f"{found} fen after it instead of {total_fen}")
    goal = SECONDS * max(1.0, events / EVENTS)
    result.figures = [
        Figure(f"{events:,} events counted again, in place", seconds, "s", goal, "lower"),
        Figure("rate", events / seconds, "events/s"),
    ]
    result.details = {"cpu_cores": cpu}
    return result


async def _send(ground: Ground, events: int) -> None:
    """Publish the donations of an evening, in order, as the donation worker does."""
    async with Publisher(ground.kafka) as publisher:
        batch: list[Published] = []
        for event in _events(events, ground.wiring.partitions):
            batch.append(event)
            if len(batch) == BATCH:
                await publish(publisher, Outcome(batch))
                batch = []
        await publish(publisher, Outcome(batch))


def _events(count: int, partitions: int) -> Iterator[Published]:
    """Donations by three channels, a quarter of them unnamed, an eighth of the others companies'; each source
    leaves out a sequence now and then, as repeats do.
    """
    series = Series.of("rebuild", CAMPAIGN)
    first_at = series.occurred_at - EVENING
    last: defaultdict[str, int | None] = defaultdict(lambda: None)
    for number in range(count):
        channel, partition = CHANNELS[number % len(CHANNELS)], number // len(CHANNELS) % partitions
        source = f"intake.{channel}/{partition}"
        before = last[source]
        sequence = 0 if before is None else before + 1 + (number % 100 == 0)
        at = first_at + EVENING * number / count
        donor = series.donor(number)
        donation_id = donation_id_of(channel, series.transaction_id(number))
        data = DonationReceivedData(
            donation_id=donation_id,
            channel=channel,
            campaign_id=CAMPAIGN,
            amount_fen=series.amount_fen(number),
            occurred_at=at,
            received_at=at,
            donor_kind="company" if donor["kind"] == "company" else "person",
            shown_name=None if donor["display"] == "anonymous" else donor.get("alias", donor["name"]),
        )
        last[source] = sequence
        value = DonationReceived.bytes_at(
            source, sequence, before, subject=str(donation_id), time=at, data=data
        )
        yield Published(partition, str(donation_id).encode(), value)


async def _counted(ground: Ground, events: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        counted = 0
        while counted < events:
            await asyncio.sleep(0.2)
            counted = await ground.value("reporting", COUNTED)
