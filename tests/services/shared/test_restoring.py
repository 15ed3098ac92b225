"""What all restores have in common: they take their time, tell how far they are, and nobody is at work."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import pytest
from aiokafka import TopicPartition
from sqlalchemy import text

from shared import database, restoring
from shared.broker import CAMPAIGN_EVENTS, DONATION_EVENTS, KafkaSettings, Record, ensure_topic
from shared.database import create_engine, disposing
from shared.restoring import Restore, RestoreRefused, Topics, command, run, silent
from tests.conftest import PARTITIONS, ServiceDatabase
from tests.deploy.acting import write

SERVICES = ("donation", "campaign", "notification", "reporting")


def restore_of(service: str) -> Restore:
    work: Restore = import_module(f"services.{service}.restoring").restore
    return work


@pytest.fixture
def settings(kafka: str, topics: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=topics, partitions=PARTITIONS)


@pytest.mark.parametrize("service", SERVICES)
def test_topics_may_take_longer_to_be_read_than_a_service_may_be_idle(
    service: str, settings: KafkaSettings, service_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(write(settings, DONATION_EVENTS))
    read = Topics.records

    async def slowly(self: Topics, begin: Mapping[TopicPartition, int]) -> AsyncIterator[Sequence[Record]]:
        async for records in read(self, begin):
            yield records
        await asyncio.sleep(0.2)

    monkeypatch.setattr(Topics, "records", slowly)
    monkeypatch.setattr(database, "IDLE_IN_TRANSACTION_MS", 50)
    monkeypatch.setattr(restoring, "TELL_EVERY_S", 0)
    told: list[str] = []
    url = service_database(service)
    said = run(restore_of(service), settings, url, dry_run=False, tell=told.append)
    assert said
    if service != "reporting":  # which only goes back
        assert f"{DONATION_EVENTS}: 1 of 1 records read" in told or service == "campaign"


def test_it_waits_for_whoever_may_write_and_a_dry_run_only_says_so(
    settings: KafkaSettings, service_database: ServiceDatabase
) -> None:
    url = service_database("donation")
    restore = restore_of("donation")

    async def beside(*, dry_run: bool) -> list[str]:
        async with disposing(create_engine(url, "donation-api")) as engine, engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await connection.rollback()
            return await asyncio.to_thread(run, restore, settings, url, dry_run=dry_run, tell=silent)

    with pytest.raises(RestoreRefused, match=r"donation-api \(1\): stop every process"):
        asyncio.run(beside(dry_run=False))
    assert "donation-api (1)" in asyncio.run(beside(dry_run=True))[0]
    assert "sessions" not in run(restore, settings, url, dry_run=False, tell=silent)[0]


LOCKS = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE application_name = 'restore' AND datname = current_database() AND mode <> 'AccessShareLock'"
    " AND locktype = 'relation'"
)


@pytest.mark.parametrize("service", ["donation", "campaign"])
def test_a_dry_run_beside_those_who_work_reads_before_it_locks(
    service: str, settings: KafkaSettings, service_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(write(settings, DONATION_EVENTS))
    asyncio.run(write(settings, CAMPAIGN_EVENTS))
    url, read, held = service_database(service), Topics.records, list[int]()

    async def watched(self: Topics, begin: Mapping[TopicPartition, int]) -> AsyncIterator[Sequence[Record]]:
        async with disposing(create_engine(url, "watch")) as engine, engine.connect() as connection:
            async for records in read(self, begin):
                held.append((await connection.execute(LOCKS)).scalar_one())
                yield records

    async def beside() -> list[str]:
        async with disposing(create_engine(url, "at-work")) as engine, engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            return await asyncio.to_thread(run, restore_of(service), settings, url, dry_run=True, tell=silent)

    monkeypatch.setattr(Topics, "records", watched)
    assert "at-work (1)" in asyncio.run(beside())[0]
    assert held
    assert set(held) == {0}


def test_a_dry_run_beside_those_who_work_holds_their_rows_for_a_moment_or_is_refused(
    settings: KafkaSettings, service_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(write(settings, DONATION_EVENTS))
    url, read = service_database("notification"), Topics.records

    async def for_ever(self: Topics, begin: Mapping[TopicPartition, int]) -> AsyncIterator[Sequence[Record]]:
        async for records in read(self, begin):
            yield records
            await asyncio.sleep(60)

    async def beside(lock: str) -> None:
        async with disposing(create_engine(url, "at-work")) as engine, engine.connect() as connection:
            await connection.execute(text(lock))
            restore = restore_of("notification")
            await asyncio.to_thread(run, restore, settings, url, dry_run=True, tell=silent)

    monkeypatch.setattr(database, "LOCK_TIMEOUT_MS", 200)
    with pytest.raises(RestoreRefused, match="Somebody holds rows that it needs"):
        asyncio.run(beside("LOCK TABLE messages IN EXCLUSIVE MODE"))
    monkeypatch.setattr(Topics, "records", for_ever)
    monkeypatch.setattr(restoring, "HELD_S", 0.3)
    with pytest.raises(RestoreRefused, match="no row is held for longer while processes"):
        asyncio.run(beside("SELECT 1"))


def test_a_channel_that_the_backup_does_not_know_is_told(
    settings: KafkaSettings, service_database: ServiceDatabase
) -> None:
    asyncio.run(ensure_topic(settings, "intake.late"))
    asyncio.run(write(settings, "intake.late"))  # by then the broker knows of it
    said = run(restore_of("donation"), settings, service_database("donation"), dry_run=True, tell=silent)
    assert [line.split(" was ")[0] for line in said if "LOST" in line] == ["LOST: the channel late"]
    assert said[-1].startswith("KEYS AND SETTINGS")


@pytest.mark.parametrize("words", [["--dry-rum"], ["--help"], ["--dry-run", "now"]])
def test_what_it_does_not_know_is_no_reason_to_begin(words: list[str]) -> None:
    async def never(*_: Any, **__: Any) -> list[str]:
        raise AssertionError("it has begun")

    with pytest.raises(SystemExit, match="--dry-run and nothing else"):
        command(never, KafkaSettings(), "postgresql+asyncpg://nobody@127.0.0.1:1/none", words)
