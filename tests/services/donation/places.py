"""A place where the donation service can work: its topics, its database, and the means to look at both."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from httpx import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from deploy.topics import remove_topics
from services.donation.channels import queries as channel_queries
from services.donation.channels.schemes import Scheme
from services.donation.handlers import CampaignHandler, IntakeHandler
from services.donation.models import metadata
from services.donation.settings import Settings
from services.donation.signatures import key_of, new_secret
from shared import database
from shared.broker import CAMPAIGN_EVENTS, INTAKE_INTERNAL, INTAKE_PREFIX, Publisher, Record
from shared.dead_letters import DeadLetter
from shared.events import CONTENT_TYPE_HEADER, Event
from shared.secret_box import SecretBox
from tests.services.donation.builders import Campaigns, as_json, commanding, new_id
from tests.services.donation.topics import Follower, Pen, Put
from tests.waiting import looking, until


class Place:
    """Topics and a database of their own."""

    def __init__(self, settings: Settings, engine: AsyncEngine, publisher: Publisher) -> None:
        self.settings = settings
        self.engine = engine
        self._looking = looking(engine)
        self.publisher = publisher
        self.log = Follower(settings)
        self.pen = Pen(settings)
        self._spare_topics: list[str] = []

    def handler(self, publisher: Publisher | None = None) -> IntakeHandler:
        """A worker's handler; nothing of it outlives a batch, so each call makes a new one."""
        return IntakeHandler(self.settings, self.engine, publisher or self.publisher)

    def campaign_handler(self) -> CampaignHandler:
        return CampaignHandler(self.settings, self.engine, self.publisher, lambda: None)

    async def channel(self) -> str:
        """A new channel's intake topic. Made in sets: one request to the broker for all."""
        if not self._spare_topics:
            await self.stock(20)
        return self._spare_topics.pop()

    async def stock(self, count: int) -> None:
        """Make topics for so many channels: a worker that starts later reads them at once."""
        self._spare_topics += await self.pen.make_topics(count)

    async def put(self, topic: str, *records: Put | bytes | dict[str, Any], partition: int = 0) -> list[int]:
        """Write to an intake topic as a channel's own producer does; gives back the offsets."""
        puts = [
            each if isinstance(each, Put) else Put(each if isinstance(each, bytes) else as_json(each))
            for each in records
        ]
        return await self.pen.put(topic, partition, *puts)

    async def batch(self, *topics: str) -> tuple[Record, ...]:
        """All that lies on these topics, as a worker is given it."""
        return tuple([record for topic in topics for record in await self.log.records(topic)])

    async def work(self, *topics: str) -> tuple[Record, ...]:
        """Have a worker take all that lies on these topics in one batch."""
        batch = await self.batch(*topics)
        await self.handler()(batch)
        return batch

    async def internal(self, *messages: dict[str, Any]) -> tuple[Record, ...]:
        """Put records of the service's own on its topic; gives them as a worker would have them."""
        offsets = await self.put(INTAKE_INTERNAL, *messages)
        batch = await self.batch(INTAKE_INTERNAL)
        return tuple(record for record in batch if record.partition == 0 and record.offset in offsets)

    async def tell(self, *events: Event) -> None:
        """Publish campaign events, as the campaign service does."""
        by_source: dict[str, list[tuple[bytes | None, bytes]]] = {}
        for event in events:
            by_source.setdefault(event.source, []).append((event.subject.encode(), event.to_bytes()))
        for source, records in by_source.items():
            partition = int(source.rpartition("/")[2])
            await self.publisher.send_in_order(CAMPAIGN_EVENTS, partition, records, [CONTENT_TYPE_HEADER])

    async def topics(self) -> set[str]:
        """The names of all topics of the broker."""
        return await self.pen.topics()

    async def campaign(self, status: str = "launched", closed_at: datetime | None = None) -> str:
        """A campaign of its own in a state, written as the handler leaves it."""
        campaign_id = new_id("gala")
        await self.set_campaign(campaign_id, status, closed_at)
        return campaign_id

    async def set_campaign(self, campaign_id: str, status: str, closed_at: datetime | None = None) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO campaigns VALUES (:campaign_id, :status, :closed_at)"
                    " ON CONFLICT (campaign_id) DO UPDATE SET status = :status, closed_at = :closed_at"
                ),
                {"campaign_id": campaign_id, "status": status, "closed_at": closed_at},
            )

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self._looking.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]

    async def value(self, statement: str, **values: Any) -> Any:
        return (await self.rows(statement, **values))[0][0]

    async def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in the database."""
        return {
            table.name: sorted(await self.rows(f"SELECT * FROM {table.name}"), key=repr)
            for table in metadata.sorted_tables
        }

    async def letters(self, topic: str) -> list[DeadLetter]:
        """The dead letters of an intake topic, as they lie on theirs."""
        letters = [
            DeadLetter.model_validate_json(record.value or b"")
            for record in await self.log.records("dead-letter")
        ]
        return sorted(
            (letter for letter in letters if letter.topic == topic),
            key=lambda letter: (letter.partition, letter.offset),
        )

    async def blocked(self, sessions: int) -> None:
        """Return when so many sessions of this database wait for a lock."""

        async def look() -> bool:
            waiting = await self.value(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(waiting >= sessions)

        await until(look)


@asynccontextmanager
async def at_place(settings: Settings) -> AsyncIterator[Place]:
    engine = database.create_engine(settings.database_url, "tests")
    async with database.disposing(engine), Publisher(settings) as publisher:
        place = Place(settings, engine, publisher)
        await place.log.start()
        await place.pen.start()
        try:
            yield place
        finally:
            await place.pen.stop()
            await place.log.stop()
            await remove_topics(settings.kafka_bootstrap_servers, settings.kafka_namespace)


class Channel:
    """A registered channel that signs what it sends, with the reference library."""

    def __init__(self, service: "Service", name: str, secret: str) -> None:
        self._service = service
        self.name = name
        self.topic = INTAKE_PREFIX + name
        self.secret = secret
        self._webhook = Webhook(secret)

    def at(self, service: "Service") -> "Channel":
        """The same channel, sending to another place."""
        return Channel(service, self.name, self.secret)

    def signed(self, body: bytes, *, message_id: str | None = None, **headers: str | None) -> dict[str, str]:
        """The headers of a request; a header named here replaces its own, None leaves it out."""
        message_id, now = message_id or new_id("msg"), datetime.now(UTC)
        made: dict[str, str | None] = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._sign(message_id, now, body),
            "content-type": "application/json",
        }
        made |= {name.replace("_", "-"): value for name, value in headers.items()}
        return {name: value for name, value in made.items() if value is not None}

    def _sign(self, message_id: str, at: datetime, body: bytes) -> str:
        try:
            return self._webhook.sign(message_id, at, body.decode())
        except UnicodeDecodeError:  # the reference library signs text only
            signed = b".".join((message_id.encode(), str(int(at.timestamp())).encode(), body))
            return "v1," + base64.b64encode(hmac.digest(key_of(self.secret), signed, "sha256")).decode()

    async def post(
        self, path: str, body: Any, *, message_id: str | None = None, **headers: str | None
    ) -> Response:
        content = body if isinstance(body, bytes) else as_json(body)
        return await self._service.http.post(
            f"/v1/channels/{self.name}/{path}",
            content=content,
            headers=self.signed(content, message_id=message_id, **headers),
        )

    async def give(self, body: Any, **options: Any) -> Response:
        return await self.post("donations", body, **options)

    async def reverse(self, body: Any, **options: Any) -> Response:
        return await self.post("reversals", body, **options)


async def registered(place: Place, count: int, scheme: Scheme = "webhooks") -> list[tuple[str, str]]:
    """Channels with their secrets, made before the service starts: a worker sees a topic that is made later
    only when it looks for new ones, which is every ten seconds.
    """
    topics = await place.pen.make_topics(count)
    box = SecretBox(place.settings.channel_key.get_secret_value())
    channels = [(topic.removeprefix(INTAKE_PREFIX), new_secret()) for topic in topics]
    async with place.engine.begin() as connection:
        for name, secret in channels:
            row = {
                "channel": name,
                "title": "测试",
                "state": "active",
                "limit_per_second": 20_000,
                "scheme": scheme,
            }
            await channel_queries.add_channel(connection, row)
            key = {"channel": name, "purpose": "signing", "key_id": "1", "sealed": box.seal(name, secret)}
            await channel_queries.add_key(connection, key)
    return channels


class Service:
    """A place with the whole service running in it."""

    def __init__(
        self,
        place: Place,
        http: AsyncClient,
        channels: Sequence[tuple[str, str]] = (),
        of_files: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.place = place
        self.http = http
        self.campaigns = Campaigns()
        """The one campaign service this service hears: a second one's sequences would count as repeats."""
        self._spare_channels = list(channels)
        self._spare_channels_of_files = list(of_files)

    async def channel(self, **settings: Any) -> Channel:
        """A channel of the test's own; registered now when it has settings of its own."""
        if self._spare_channels and not settings:
            return Channel(self, *self._spare_channels.pop())
        new = {"channel": new_id("ch"), "title": "测试", **settings}
        answer = await self.http.post("/v1/channels", json=new, headers=commanding())
        assert answer.status_code == 201, answer.text
        return Channel(self, answer.json()["channel"], answer.json()["secret"])

    def files_channel(self) -> Channel:
        """A channel of the test's own that sends files; it has no settings yet."""
        return Channel(self, *self._spare_channels_of_files.pop())

    async def status(self, donation_id: UUID | str, *wanted: str) -> dict[str, Any]:
        """Where a donation stands, as soon as its status is one of these."""

        async def look() -> Any:
            answer = await self.http.get(f"/v1/donations/{donation_id}")
            view = answer.json()
            return view if answer.status_code == 200 and view["status"] in wanted else None

        return dict(await until(look))


async def together(*work: Any) -> Sequence[Any]:
    """Start all of it in the same moment and wait for all."""
    return await asyncio.gather(*work)
