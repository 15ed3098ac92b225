"""The notification service on the real broker, database and SMTP."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.databases import run
from deploy.local.mailcatcher.mailbox import Mail, Mailbox, Mode
from deploy.local.mailcatcher.smtp import smtp_running
from deploy.topics import remove_topics
from services.notification.app import create_app
from services.notification.settings import Settings
from shared import database
from shared.broker import (
    CAMPAIGN_EVENTS,
    CONTACTS,
    DEAD_LETTER,
    DONATION_EVENTS,
    NOTIFICATION_EVENTS,
    Publisher,
)
from shared.events import CONTENT_TYPE_HEADER, Contact, Event, decode_event
from tests.databases import Databases
from tests.services.notification.builders import Source, contact
from tests.topics import make_declared
from tests.waiting import looking, until

OPERATORS = {"wu": ["viewer"], "li": ["desk"], "wang": ["finance"], "zhao": ["administrator"]}
PARTITIONS = 2
TOPICS = (DONATION_EVENTS, CAMPAIGN_EVENTS, CONTACTS, NOTIFICATION_EVENTS, DEAD_LETTER)
ADDRESS_KEY = SecretStr(base64.b64encode(b"k" * 32).decode())


def bearer(person: str) -> dict[str, str]:
    """The header by which a person is known."""
    return {"authorization": f"Bearer token-of-{person}"}


class World:
    """What stands around the service: the other services' events, the donors' mailboxes, the tables."""

    def __init__(
        self, settings: Settings, mailbox: Mailbox, engine: AsyncEngine, publisher: Publisher
    ) -> None:
        self.settings = settings
        self.mailbox = mailbox
        self.engine = engine
        self._looking = looking(engine)
        self.publisher = publisher
        self.intake = Source("intake.wechat/0")
        self.internal = Source("intake.internal/1")
        self.campaigns = Source("campaign/0")

    async def tell(self, *events: Event) -> None:
        """Publish events as the donation and campaign services do: one partition for each source."""
        by_source: dict[str, list[tuple[bytes | None, bytes]]] = {}
        for event in events:
            by_source.setdefault(event.source, []).append((None, event.to_bytes()))
        for source, records in by_source.items():
            topic = CAMPAIGN_EVENTS if source.startswith("campaign/") else DONATION_EVENTS
            partition = int(source.rpartition("/")[2])
            await self.publisher.send_in_order(topic, partition, records, [CONTENT_TYPE_HEADER])

    async def leave(self, *contacts: Contact) -> None:
        """Publish contacts on the restricted topic."""
        records: list[tuple[bytes | None, bytes]] = [
            (None, each.model_dump_json().encode()) for each in contacts
        ]
        await self.publisher.send_in_order(CONTACTS, 0, records)

    async def launch(self) -> None:
        """The campaign that the donations are for."""
        await self.tell(self.campaigns.launched())

    async def donate(self, **fields: Any) -> UUID:
        """A donation that counts, with its contact."""
        donation_id = uuid4()
        await self.leave(contact(donation_id, **fields))
        await self.tell(self.intake.received(donation_id))
        return donation_id

    def mails(self, donation_id: UUID) -> list[Mail]:
        """What has arrived for a donation."""
        return self.mailbox.find(donation_id=str(donation_id))

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Look into the service's database."""
        async with self._looking.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]

    async def change(self, statement: str, **values: Any) -> None:
        """Change something in the service's database, such as the time."""
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def state(self, donation_id: UUID) -> str | None:
        """The state of a donation's message; None: it has none."""
        rows = await self.rows("SELECT state FROM messages WHERE donation_id = :id", id=donation_id)
        return rows[0][0] if rows else None

    async def reaches(self, donation_id: UUID, state: str, *, deadline_s: float = 60.0) -> None:
        """Wait until the donation's message is in a state."""

        async def reached() -> bool:
            return await self.state(donation_id) == state

        await until(reached, deadline_s=deadline_s)

    async def counted(self, *events: Event) -> None:
        """Wait until the marks say that events were taken in."""

        async def moved() -> bool:
            marks = dict(await self.rows("SELECT source, sequence FROM marks"))
            return all(marks.get(event.source, -1) >= event.sequence for event in events)

        await until(moved)

    async def another_is_thanked(self) -> None:
        """Wait until a fresh donation has been thanked: whatever was due before has had its turn."""
        await self.reaches(await self.donate(), "delivered")

    async def contact_is_kept(self, donation_id: UUID) -> bool:
        """Whether the service still has the donor's contact."""
        return bool(await self.rows("SELECT 1 FROM contacts WHERE donation_id = :id", id=donation_id))

    async def news(self, donation_id: UUID) -> list[Any]:
        """What the service has announced about a donation's message."""
        rows = await self.rows("SELECT value FROM outbox WHERE key = :key ORDER BY id", key=str(donation_id))
        return [decode_event(bytes(row[0])) for row in rows]


@pytest.fixture(scope="session")
def operators_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    operators: Sequence[dict[str, Any]] = [
        {
            "person": person,
            "roles": roles,
            "token_sha256": hashlib.sha256(f"token-of-{person}".encode()).hexdigest(),
        }
        for person, roles in OPERATORS.items()
    ]
    path = tmp_path_factory.mktemp("notification") / "operators.json"
    path.write_text(json.dumps(operators))
    return path


def made_settings(kafka: str, databases: Databases, operators_file: Path) -> Settings:
    """A database and topics of their own, and times that suit a test."""
    namespace = f"t{secrets.token_hex(4)}."
    run(make_declared(kafka, namespace, TOPICS, PARTITIONS))
    return Settings(
        database_url=databases.fresh("notification"),
        kafka_bootstrap_servers=kafka,
        kafka_namespace=namespace,
        kafka_session_timeout_ms=2_000,
        partitions=PARTITIONS,
        operators_file=operators_file,
        http_port=0,
        address_key=ADDRESS_KEY,
        smtp_rate_per_s=1000,
        smtp_command_timeout_s=2,
        smtp_data_timeout_s=10,
        retry_first_s=0.05,
        retry_cap_s=0.2,
        attempts_max=4,
        upkeep_every_s=0.2,
        webhook_key=SecretStr(base64.b64encode(b"k" * 32).decode()),
        webhook_allow_http=True,
        webhook_allow_private=True,
        webhook_time_out_s=1.0,
        webhook_delays_s=(0.05,) * 15,
        webhook_probe_first_s=0.1,
    )


@asynccontextmanager
async def surroundings(settings: Settings) -> AsyncIterator[World]:
    """A mail server of their own, and hands to do what the other services do."""
    mailbox = Mailbox()
    async with smtp_running(mailbox) as smtp_port:
        settings = settings.model_copy(update={"smtp_port": smtp_port})
        engine = database.create_engine(settings.database_url, "tests")
        async with Publisher(settings) as publisher:
            yield World(settings, mailbox, engine, publisher)
        await engine.dispose()
    await remove_topics(settings.kafka_bootstrap_servers, settings.kafka_namespace)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[AsyncClient]:
    """Start the service as app.py puts it together, and stop it; gives a client of its API."""
    app = create_app(settings)
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=transport, base_url="http://notification") as client,
    ):
        yield client


@pytest.fixture
def own_settings(kafka: str, databases: Databases, operators_file: Path) -> Settings:
    return made_settings(kafka, databases, operators_file)


@pytest_asyncio.fixture(loop_scope="module")
async def apart(own_settings: Settings) -> AsyncIterator[World]:
    """Surroundings for one test, which starts and kills the service itself."""
    async with surroundings(own_settings) as world:
        yield world


@pytest.fixture(scope="module")
def common_settings(kafka: str, databases: Databases, operators_file: Path) -> Settings:
    return made_settings(kafka, databases, operators_file)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(common_settings: Settings) -> AsyncIterator[tuple[World, AsyncClient]]:
    """One running service for the tests of a module: each brings donations of its own."""
    async with surroundings(common_settings) as world, running(world.settings) as api:
        await world.launch()
        yield world, api


@pytest.fixture
def world(started: tuple[World, AsyncClient]) -> World:
    """The surroundings of the running service, its mail server well-behaved."""
    started[0].mailbox.behave(Mode.ACCEPT)
    return started[0]


@pytest.fixture
def api(started: tuple[World, AsyncClient]) -> AsyncClient:
    """A client of the running service."""
    return started[1]
