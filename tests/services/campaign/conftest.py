"""The campaign service on the real broker and database, in the test's own process."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.app import create_app
from services.campaign.settings import Settings
from shared import database
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, Publisher, ensure_topic
from shared.events import CONTENT_TYPE_HEADER, Event, decode_event
from tests.databases import Databases
from tests.services.campaign.builders import (
    DESK,
    GRANTS,
    ROLES,
    SECOND_DESK,
    VIEWER,
    Operator,
    a_pledge,
    token,
)
from tests.waiting import looking, until


class Service:
    """A running campaign service: its API, and a look into its database."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, client: AsyncClient, publisher: Publisher
    ) -> None:
        self.settings = settings
        self.engine = engine
        self._looking = looking(engine)
        self.client = client
        self.publisher = publisher

    def operator(self, person: str) -> Operator:
        return Operator(self.client, person)

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self._looking.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]

    async def rows_changed(self, statement: str, **values: Any) -> None:
        """Change rows by hand."""
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def outbox(self, campaign_id: str) -> list[Any]:
        """The events of a campaign, in their order."""
        rows = await self.rows("SELECT value FROM outbox WHERE key = :key ORDER BY id", key=campaign_id)
        return [decode_event(bytes(row[0])) for row in rows]

    async def balance(self, campaign_id: str) -> dict[str, Any]:
        answer = await self.operator(VIEWER).get(f"/campaigns/{campaign_id}/balance")
        assert answer.status_code == 200, answer.text
        balance: dict[str, Any] = answer.json()
        return balance

    async def entered(self, campaign_id: str, amount_fen: int = 100, **changes: Any) -> str:
        """The id of a pledge that waits for its second person."""
        body = a_pledge(amount_fen, **changes)
        answer = await self.operator(DESK).post(f"/campaigns/{campaign_id}/pledges", body)
        assert answer.status_code == 201, answer.text
        pledge_id: str = answer.json()["pledge_id"]
        return pledge_id

    async def pledge(self, campaign_id: str, amount_fen: int = 100, **changes: Any) -> str:
        """The id of a pledge that one person has entered and another confirmed."""
        pledge_id = await self.entered(campaign_id, amount_fen, **changes)
        path, read = f"/pledges/{pledge_id}/confirm", {"amount_fen": amount_fen}
        answer = await self.operator(SECOND_DESK).post(path, read, if_match='"1"')
        assert answer.status_code == 200, answer.text
        return pledge_id

    async def publish(self, events: Sequence[Event], partition: int = 0) -> None:
        """Put donation events on Kafka, as the donation service does."""
        records = [(None, event.to_bytes()) for event in events]
        await self.publisher.send_in_order(DONATION_EVENTS, partition, records, [CONTENT_TYPE_HEADER])

    async def book(self, events: Sequence[Event], partition: int = 0) -> None:
        """Put donation events on Kafka, and wait until the service has counted them.

        A source lies on one partition: what is spread over two may come too early, and is then never counted.
        """
        await self.publish(events, partition)
        wanted = {event.source: event.sequence for event in events}

        async def counted() -> bool:
            marks = dict(await self.rows("SELECT source, sequence FROM marks"))
            return all(marks.get(source, -1) >= sequence for source, sequence in wanted.items())

        await until(counted)

    async def records(self, topic: str) -> list[bytes]:
        """The values of everything that lies on a topic now."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.servers, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            partitions = [
                TopicPartition(self.settings.topic(topic), number)
                for number in range(self.settings.partitions)
            ]
            consumer.assign(partitions)
            left = {place: end for place, end in (await consumer.end_offsets(partitions)).items() if end}
            values: list[bytes] = []
            while left:
                for place, found in (await consumer.getmany(timeout_ms=200)).items():
                    values += [record.value for record in found]
                    if found[-1].offset + 1 >= left.get(place, 0):
                        left.pop(place, None)
            return values
        finally:
            await consumer.stop()

    async def somebody_waits_for_a_lock(self) -> bool:
        waiting = await self.rows(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(waiting[0][0])

    async def announced(self, campaign_id: str) -> list[str]:
        """The types of a campaign's events without what they have in common, such as "campaign.filed"."""
        return [short_type(event) for event in await self.outbox(campaign_id)]


def short_type(event: Event) -> str:
    return event.type.removeprefix("org.shanliu.").removesuffix(".v1")


@pytest.fixture(scope="session")
def operators_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    operators: Sequence[dict[str, Any]] = [
        {
            "person": person,
            "roles": ROLES.get(person, []),
            "grants": GRANTS.get(person, []),
            "token_sha256": hashlib.sha256(token(person).encode()).hexdigest(),
        }
        for person in (*ROLES, *GRANTS)
    ]
    path = tmp_path_factory.mktemp("campaign") / "operators.json"
    path.write_text(json.dumps(operators))
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def settings(kafka: str, databases: Databases, operators_file: Path) -> Settings:
    """One namespace and one database: the tests differ by their campaigns and sources."""
    return await new_settings(kafka, databases, operators_file)


async def new_settings(kafka: str, databases: Databases, operators_file: Path) -> Settings:
    """A namespace and a database that nobody else has."""
    made = Settings(
        database_url=await asyncio.to_thread(databases.fresh, "campaign"),
        kafka_bootstrap_servers=kafka,
        kafka_namespace=f"t{uuid4().hex[:8]}.",
        operators_file=operators_file,
    )
    for topic in (DONATION_EVENTS, CAMPAIGN_EVENTS, DEAD_LETTER):
        await ensure_topic(made, topic)
    return made


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    """Start the service as app.py puts it together, and stop it."""
    app = create_app(settings)
    engine = database.create_engine(settings.database_url, "tests")
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url="http://campaign") as client,
        Publisher(settings) as publisher,
    ):
        yield Service(settings, engine, client, publisher)
    await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(settings: Settings) -> AsyncIterator[Service]:
    async with running(settings) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def apart(kafka: str, databases: Databases, operators_file: Path) -> AsyncIterator[Service]:
    """A service with everything of its own, for what concerns all campaigns at once."""
    async with running(await new_settings(kafka, databases, operators_file)) as started:
        yield started
