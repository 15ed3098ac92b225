"""Partner webhooks: so many to 20 partners of which one hangs. How long until the other 19 have all of
theirs?

The events are on the topic when the clock starts; the notification service reads, signs and sends them.
Every partner has its own campaign, so that each event is one webhook.
"""

import asyncio
import contextlib
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from deploy.bench import meters
from deploy.bench.ground import ANSWER_S, Base, Ground, prepared
from deploy.bench.receivers import Received
from deploy.bench.report import Figure, Result, percentile
from deploy.local.layout import LOOPBACK, unused_ports
from deploy.local.problems import StackProblem
from deploy.local.processes import wait_until
from shared.broker import DONATION_EVENTS, Publisher
from shared.events import CONTENT_TYPE_HEADER, DonationReceived
from shared.events.donations import DonationReceivedData

WEBHOOKS: Final = 10_000
PARTNERS: Final = 20
GOAL_S: Final = 60.0
PATIENCE_S: Final = 300.0
READY_S: Final = 20.0
SETTINGS: Final = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOW_PRIVATE": "true"}
"""The partners are on this machine; every bound and time-out is as it is in earnest."""


async def measure(base: Base, webhooks: int = WEBHOOKS, partners: int = PARTNERS) -> Result:
    """Send `webhooks` to `partners`, the last of which hangs."""
    result = Result("webhooks")
    each = max(1, webhooks // partners)
    wanted = each * (partners - 1)
    async with prepared(base, more=SETTINGS) as ground:
        await ground.start("notification")
        file = ground.folder / "webhooks.json"
        await _receivers(ground, partners, str(file))
        events = _events(each, partners)
        meter = meters.CpuMeter({**ground.pids, **base.pids})
        meter.begin()
        begun_ns = time.monotonic_ns()
        await _publish(ground, events)
        delivered = await _delivered(ground, wanted)
        cpu = meter.end()
        child = ground.others.pop("receivers")
        await asyncio.to_thread(child.stop)
        received = Received.read(file).by_partner
        hanging = await ground.value("notification", _HANGING)
    well = received[:-1]
    for number, got in enumerate(well):
        distinct = {event_id for event_id, _ in got}
        if distinct != {event.id for event in events[number]}:
            result.wrong.append(f"partner {number} has {len(distinct)} of {each} events")
    if delivered != wanted:
        result.wrong.append(f"{delivered} of {wanted} deliveries are written down as delivered")
    if hanging != each:
        result.wrong.append(f"{hanging} of {each} still wait for the partner that hangs")
    at_s = sorted((at - begun_ns) / 1e9 for got in well for _, at in got)
    seconds = at_s[-1] if at_s else float("nan")
    repeats = sum(len(got) for got in well) - sum(len({name for name, _ in got}) for got in well)
    result.figures = [
        Figure(f"{wanted:,} to {partners - 1} partners, one more hangs", seconds, "s", GOAL_S, "lower"),
        Figure("rate", wanted / seconds, "/s", note=f"half after {percentile(at_s, 0.5):.1f} s"),
    ]
    result.details = {"cpu_cores": cpu, "repeats": repeats, "calls_of_the_hanging": len(received[-1])}
    return result


_HANGING: Final = """
SELECT count(*) FROM webhook_deliveries WHERE state IN ('pending', 'sending', 'retry')
"""
_DELIVERED: Final = "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'"


def _campaign(number: int) -> str:
    return f"partner-{number}"


async def _receivers(ground: Ground, partners: int, file: str) -> None:
    """Start the partners, and register each for the donations of its campaign."""
    (port,) = unused_ports(1)
    ground.spawn("receivers", "deploy.bench.receivers", str(port), str(partners), file)
    ready = (ground.folder / "webhooks.ready").exists
    if not await asyncio.to_thread(wait_until, ready, READY_S):
        raise StackProblem(f"The receivers are not there within {READY_S:.0f} s.")
    headers = {"authorization": f"Bearer {ground.credentials.operators['administrator']}"}
    async with httpx.AsyncClient(base_url=ground.wiring.url("notification"), timeout=ANSWER_S) as client:
        for number in range(partners):
            body: dict[str, Any] = {
                "url": f"http://{LOOPBACK}:{port}/{number}",
                "description": f"partner {number}",
                "owner_email": "owner@partner.example",
                "event_types": [DonationReceived.TYPE],
                "campaigns": [_campaign(number)],
            }
            key = {"idempotency-key": uuid.uuid4().hex}
            answer = await client.post("/v1/webhook-endpoints", json=body, headers=headers | key)
            if not answer.is_success:
                raise StackProblem(f"POST /v1/webhook-endpoints: {answer.status_code} {answer.text[:200]}")


def _events(each: int, partners: int) -> list[list[DonationReceived]]:
    """The donations to each partner's campaign, all of one source, the partners in turns."""
    now = datetime.now(UTC)
    made: list[list[DonationReceived]] = [[] for _ in range(partners)]
    for sequence in range(each * partners):
        data = DonationReceivedData(
            donation_id=uuid.uuid4(),
            channel="bench",
            campaign_id=_campaign(sequence % partners),
            amount_fen=100 + sequence,
            occurred_at=now,
            received_at=now,
            donor_kind="person",
        )
        event = DonationReceived.at(
            "intake.bench/0",
            sequence,
            sequence - 1 if sequence else None,
            subject=str(data.donation_id),
            time=now,
            data=data,
        )
        made[sequence % partners].append(event)
    return made


async def _publish(ground: Ground, events: list[list[DonationReceived]]) -> None:
    """Put them on the topic in the order of their source."""
    ordered = [event for turn in zip(*events, strict=True) for event in turn]
    async with Publisher(ground.kafka) as publisher:
        records: list[tuple[bytes | None, bytes]] = [(None, event.to_bytes()) for event in ordered]
        await publisher.send_in_order(DONATION_EVENTS, 0, records, [CONTENT_TYPE_HEADER])


async def _delivered(ground: Ground, wanted: int) -> int:
    """Wait until so many are written down as delivered, and give back how many are."""
    found = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while found < wanted:
                await asyncio.sleep(0.5)
                found = await ground.value("notification", _DELIVERED)
    return found
