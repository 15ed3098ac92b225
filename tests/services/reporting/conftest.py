"""A reporting service of the test's own: a database, topics under a namespace."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.databases import run
from deploy.topics import remove_topics
from services.reporting.settings import Settings
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, TOTALS, Publisher
from shared.database import create_engine
from tests.conftest import PARTITIONS, ServiceDatabase
from tests.topics import make_declared

TOPICS: Final = (DONATION_EVENTS, CAMPAIGN_EVENTS, TOTALS, DEAD_LETTER)


@pytest.fixture
def database_url(service_database: ServiceDatabase) -> str:
    """The service's own, migrated database."""
    return service_database("reporting")


@pytest.fixture
def settings(database_url: str, kafka: str, namespace: str) -> Settings:
    """Settings of a service whose database is there; a worker's needs the topics as well."""
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers=kafka,
        kafka_namespace=namespace,
        partitions=PARTITIONS,
    )


@pytest.fixture
def topics(settings: Settings) -> Iterator[str]:
    """The namespace with the topics that the service uses."""
    run(make_declared(settings.servers, settings.kafka_namespace, TOPICS, PARTITIONS))
    yield settings.kafka_namespace
    run(remove_topics(settings.kafka_bootstrap_servers, settings.kafka_namespace))


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The service's database, for a look inside and for tests without a worker."""
    engine = create_engine(database_url, "test")
    yield engine
    await engine.dispose()


@pytest.fixture
async def publisher(settings: Settings, topics: str) -> AsyncIterator[Publisher]:
    """A producer as the donation service's."""
    async with Publisher(settings) as publisher:
        yield publisher
