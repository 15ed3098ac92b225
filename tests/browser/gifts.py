"""Donations behind the console: campaigns that are told of, channels that sign, and what goes wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from shared.broker import CAMPAIGN_EVENTS, INTAKE_PREFIX, KafkaSettings, Publisher
from shared.events import CONTENT_TYPE_HEADER, Event
from tests.browser.consoles import CHANNELS, Console
from tests.browser.evening import until
from tests.services.donation.builders import Campaigns, a_donation, as_json


class Gifts:
    """What channels send to the donation service behind a console."""

    def __init__(self, console: Console, http: httpx.AsyncClient, publisher: Publisher) -> None:
        self.console = console
        self._http = http
        self._publisher = publisher
        self._campaigns = Campaigns()
        # A source that nobody else behind this console has, however many tests tell of campaigns.
        self._campaigns.source = f"tests-{uuid4().hex[:12]}/0"
        self._secrets: dict[str, str] = {}

    async def tell(self, event_class: type[Event], campaign_id: str, **changes: Any) -> None:
        """A campaign's event, as the campaign service publishes it, known to the donation service."""
        event = self._campaigns.event(event_class, campaign_id, datetime.now(UTC), **changes)
        record = (campaign_id.encode(), event.to_bytes())
        await self._publisher.send_in_order(CAMPAIGN_EVENTS, 0, [record], [CONTENT_TYPE_HEADER])

    async def give(self, channel: str = CHANNELS[0], **changes: Any) -> tuple[dict[str, Any], str]:
        """A donation that the channel reports, signed; its body and its id."""
        body = a_donation(**changes)
        content, now, message_id = as_json(body), datetime.now(UTC), uuid4().hex
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(await self._secret(channel)).sign(message_id, now, content.decode()),
            "content-type": "application/json",
        }
        answer = await self._http.post(f"/v1/channels/{channel}/donations", content=content, headers=headers)
        assert answer.status_code == 202, answer.text
        return body, answer.json()["donation_id"]

    async def given(self, status: str = "received", **changes: Any) -> tuple[dict[str, Any], str]:
        """The same, as soon as it stands so."""
        body, donation_id = await self.give(**changes)
        await self.stands(donation_id, status)
        return body, donation_id

    async def stands(self, donation_id: str, status: str) -> None:
        """Wait until a donation stands so."""

        async def so() -> bool:
            answer = await self._http.get(f"/v1/donations/{donation_id}")
            return answer.status_code == 200 and bool(answer.json()["status"] == status)

        await until(f"{donation_id} is {status}", so)

    async def put(self, body: Any, channel: str = CHANNELS[0]) -> None:
        """A record on a channel's own topic, as one that publishes by itself writes it; whatever it is."""
        content = body if isinstance(body, bytes) else as_json(body)
        await self._publisher.send(INTAKE_PREFIX + channel, content, key=b"tests")

    async def _secret(self, channel: str) -> str:
        if channel not in self._secrets:
            administrator = await self.console.person("administrator")
            new = {"channel": channel, "title": CHANNELS_IN_WORDS.get(channel, channel)}
            answer = await administrator.post("donation/v1/channels", new)
            if answer.status_code == 201:
                self._secrets[channel] = answer.json()["secret"]
            else:  # another module's tests had it registered: a key of our own
                added = await administrator.post(
                    f"donation/v1/channels/{channel}/keys", {"overlap_hours": 24}
                )
                assert added.status_code == 201, added.text
                self._secrets[channel] = added.json()["secret"]
        return self._secrets[channel]


CHANNELS_IN_WORDS = dict(zip(CHANNELS, ("微信支付", "支付宝", "数字人民币"), strict=True))


@asynccontextmanager
async def gifts_of(console: Console) -> AsyncIterator[Gifts]:
    """The donation service behind the console, started, and the means to give to it."""
    await console.needs("donation")
    wiring = console.services.wiring
    settings = KafkaSettings(kafka_bootstrap_servers=wiring.kafka, kafka_namespace=wiring.namespace)
    async with (
        Publisher(settings) as publisher,
        httpx.AsyncClient(base_url=wiring.url("donation"), timeout=20) as http,
    ):
        yield Gifts(console, http, publisher)
