"""shared/ on the real broker and database: an empty database with the shared tables, topics of one's own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import Column, MetaData, Table, Text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.types import BigInteger

from deploy.local.databases import connect, parse_url, run
from deploy.local.kafka import LocalKafka
from deploy.local.layout import unused_ports
from shared.broker import KafkaSettings, Record
from shared.database import create_engine
from shared.outbox import outbox_table
from shared.positions import marks_table
from tests.waiting import until

PARTITIONS: Final = 2
METADATA: Final = MetaData()
marks_table(METADATA)
outbox_table(METADATA)
Table("effects", METADATA, Column("source", Text), Column("sequence", BigInteger))


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """An empty database, gone after the test."""
    admin = parse_url(postgres)
    name = f"t{secrets.token_hex(6)}"

    async def execute(statement: str) -> None:
        connection = await connect(admin)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    run(execute(f'CREATE DATABASE "{name}" STRATEGY FILE_COPY'))
    yield admin.set(database=name).render_as_string(hide_password=False)
    run(execute(f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A process's engine on a database with marks, outbox and a table of effects."""
    await make_tables(database_url)
    engine = create_engine(database_url, "test", pool_size=12)
    yield engine
    await engine.dispose()


async def make_tables(url: str) -> None:
    """Marks, outbox and effects; each service has its own migrations for them."""
    maker = create_async_engine(url)
    async with maker.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    await maker.dispose()


@pytest.fixture
def settings(kafka: str, namespace: str) -> KafkaSettings:
    """The broker in a namespace of the test's own."""
    return KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=namespace, partitions=PARTITIONS)


@pytest.fixture
def far(local_kafka: LocalKafka, namespace: str) -> KafkaSettings:
    """A broker that may be frozen or killed."""
    return KafkaSettings(
        kafka_bootstrap_servers=local_kafka.bootstrap, kafka_namespace=namespace, partitions=PARTITIONS
    )


@contextmanager
def frozen(broker: LocalKafka) -> Iterator[None]:
    """The broker stands still: connections stay open and nothing is answered."""
    assert broker.child is not None
    broker.child.freeze()
    try:
        yield
    finally:
        broker.child.thaw()


async def at_most(tasks: int) -> bool:
    """Whether no more tasks run."""
    return len(asyncio.all_tasks()) <= tasks


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Afterwards there are no more tasks than before: a producer that was given up has ended."""
    before = len(asyncio.all_tasks())
    yield
    await until(lambda: at_most(before), deadline_s=30)


@pytest.fixture
def nowhere() -> KafkaSettings:
    """A port that nobody listens on."""
    return KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{unused_ports(1)[0]}")


async def lying_on(settings: KafkaSettings, topic: str, partition: int = 0) -> list[Record]:
    """Every record that lies in a partition now."""
    place = TopicPartition(settings.topic(topic), partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.servers, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, 0)
        records: list[Record] = []
        while await consumer.position(place) < end:
            records += (await consumer.getmany(place, timeout_ms=500)).get(place, [])
        return records
    finally:
        await consumer.stop()
