"""The outbox: facts get their numbers in commit order, and reach the topic in that order, whoever dies."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from shared import outbox
from shared.broker import (
    CAMPAIGN_EVENTS,
    Headers,
    KafkaSettings,
    Outgoing,
    Publisher,
    PublishFailed,
    ensure_topic,
)
from shared.database import IDLE_IN_TRANSACTION_MS, create_engine
from shared.events import CONTENT_TYPE_HEADER, CampaignLaunched, Event, decode_event
from shared.events import examples as samples
from shared.outbox import MAX_ROWS, OLDEST_SECONDS, Relay, append
from shared.positions import sift
from tests.services.shared.conftest import PARTITIONS, lying_on, make_tables
from tests.waiting import until


async def announce(connection: AsyncConnection, key: str) -> Event:
    return await append(
        connection,
        "campaign",
        CampaignLaunched,
        key=key,
        subject=key,
        data=samples.campaign(campaign_id=key),
        partitions=PARTITIONS,
    )


async def announce_many(engine: AsyncEngine, number: int) -> list[Event]:
    async with engine.begin() as connection:
        return [await announce(connection, f"gala-{n}") for n in range(number)]


async def waiting(engine: AsyncEngine) -> int:
    """How many rows are not published yet."""
    async with engine.connect() as connection:
        query = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        number: int = (await connection.execute(query)).scalar_one()
        return number


async def published(settings: KafkaSettings) -> dict[str, list[Event]]:
    """What lies on the topic, by source; each source is one partition."""
    found = {}
    for partition in range(PARTITIONS):
        records = await lying_on(settings, CAMPAIGN_EVENTS, partition)
        if records:
            found[f"campaign/{partition}"] = [decode_event(record.value) for record in records]
    return found


def by_source(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.source].append(event)
    return dict(found)


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    """A relay at work beside the test; it must not have ended by itself."""
    task = asyncio.create_task(relay.run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def topic(settings: KafkaSettings) -> None:
    await ensure_topic(settings, CAMPAIGN_EVENTS)


@pytest.fixture
async def publisher(settings: KafkaSettings, topic: None) -> AsyncIterator[Publisher]:
    async with Publisher(settings) as publisher:
        yield publisher


# ------------------------------------------------------------ numbers


async def test_ids_appear_in_the_order_of_their_numbers_however_slow_a_commit_is(engine: AsyncEngine) -> None:
    chosen = random.Random(2)

    async def one(number: int) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(:s)"), {"s": chosen.random() / 50})
            await announce(connection, f"gala-{number}")
            await connection.execute(text("SELECT pg_sleep(:s)"), {"s": chosen.random() / 50})
            await (connection.rollback() if number % 5 == 0 else connection.commit())

    seen: list[int] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            async with engine.connect() as connection:
                now = [row.id for row in await connection.execute(text("SELECT id FROM outbox ORDER BY id"))]
            assert now[: len(seen)] == seen, "an id appeared below one that was seen before"
            seen[:] = now

    watcher = asyncio.create_task(watch())
    for first in range(1, 61, 10):
        await asyncio.gather(*(one(number) for number in range(first, first + 10)))
    done.set()
    await watcher
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT id, source, value FROM outbox ORDER BY id"))).all()
    assert len(rows) == 48
    for source, events in by_source([decode_event(bytes(row.value)) for row in rows]).items():
        ids = [row.id for row in rows if row.source == source]
        assert [event.sequence for event in events] == ids
        assert [event.previous for event in events] == [None, *ids[:-1]]


async def test_events_of_one_key_have_one_source(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        events = [await announce(connection, f"gala-{n % 7}") for n in range(30)]
    sources = defaultdict(set)
    for event in events:
        sources[event.subject].add(event.source)
    assert all(len(names) == 1 for names in sources.values())
    assert set.union(*sources.values()) == {"campaign/0", "campaign/1"}


async def test_what_is_rolled_back_was_never_announced(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await announce(connection, "gala-1")
        await connection.rollback()
    kept = await announce_many(engine, 1)
    assert kept[0].previous is None
    assert await waiting(engine) == 1


# ------------------------------------------------------------ the relay


async def test_the_relay_publishes_everything_in_order(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    announced = await announce_many(engine, 2 * MAX_ROWS + 100)
    async with running(Relay(engine, publisher, CAMPAIGN_EVENTS)):
        await until(lambda: _none(engine))
    assert await published(settings) == by_source(announced)


async def test_a_published_event_says_what_it_is_and_whom_it_is_about(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    (event,) = await announce_many(engine, 1)
    assert await Relay(engine, publisher, CAMPAIGN_EVENTS).publish_waiting() == 1
    (record,) = await lying_on(settings, CAMPAIGN_EVENTS, int(event.source[-1]))
    assert (record.key, tuple(record.headers)) == (b"gala-0", (CONTENT_TYPE_HEADER,))


async def test_the_relay_looks_at_once_when_it_is_woken(
    engine: AsyncEngine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POLL_S", 3600.0)
    relay = Relay(engine, publisher, CAMPAIGN_EVENTS)
    async with running(relay):
        for _ in range(5):
            await announce_many(engine, 1)
            relay.wake()
            await until(lambda: _none(engine))


class Interrupted(Publisher):
    """While it publishes for the first time, another event is committed and its writer wakes the relay."""

    meanwhile: Callable[[], Awaitable[None]] | None

    async def send_in_order(self, *args: Any, **kwargs: Any) -> None:
        await super().send_in_order(*args, **kwargs)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()


async def test_a_wake_while_the_relay_is_at_work_is_not_lost(
    engine: AsyncEngine, settings: KafkaSettings, topic: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POLL_S", 3600.0)
    async with Interrupted(settings) as publisher:
        relay = Relay(engine, publisher, CAMPAIGN_EVENTS)

        async def announce_and_wake() -> None:
            await announce_many(engine, 1)
            relay.wake()

        publisher.meanwhile = announce_and_wake
        await announce_many(engine, 1)
        async with running(relay):
            await until(lambda: _none(engine))


async def test_of_two_relays_one_publishes_and_nothing_is_sent_twice(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    announced: list[Event] = []
    async with (
        Publisher(settings) as other,
        running(Relay(engine, publisher, CAMPAIGN_EVENTS)),
        running(Relay(engine, other, CAMPAIGN_EVENTS)),
    ):
        for _ in range(20):
            announced += await announce_many(engine, 25)
        await until(lambda: _none(engine))
    assert await published(settings) == by_source(announced)


class Together(Publisher):
    """Sends nothing before every partition's events have been handed over."""

    everybody: asyncio.Barrier

    async def send_in_order(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.wait_for(self.everybody.wait(), 20)
        await super().send_in_order(*args, **kwargs)


async def test_partitions_do_not_wait_for_each_other(
    engine: AsyncEngine, settings: KafkaSettings, topic: None
) -> None:
    """One after the other, a slow broker could take longer than the session may be idle, for ever."""
    announced = await announce_many(engine, 20)
    async with Together(settings) as publisher:
        publisher.everybody = asyncio.Barrier(PARTITIONS)
        assert await Relay(engine, publisher, CAMPAIGN_EVENTS).publish_waiting() == 20
    assert await published(settings) == by_source(announced)


async def test_one_partition_that_fails_leaves_all_to_be_repeated(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    class FailsForOne(Publisher):
        async def send_in_order(self, topic: str, partition: int, *args: Any, **kwargs: Any) -> None:
            if partition == 0:
                raise PublishFailed("no leader")
            await super().send_in_order(topic, partition, *args, **kwargs)

    announced = await announce_many(engine, 20)
    async with FailsForOne(settings) as failing:
        with pytest.raises(PublishFailed):
            await Relay(engine, failing, CAMPAIGN_EVENTS).publish_waiting()
    assert await waiting(engine) == 20
    await Relay(engine, publisher, CAMPAIGN_EVENTS).publish_waiting()
    lying = await published(settings)
    assert all(sift({}, lying[source]) == (events, []) for source, events in by_source(announced).items())


class DiesAfter(Publisher):
    """Publishes, and then its process is gone before the rows are marked."""

    async def send_in_order(self, *args: Any, **kwargs: Any) -> None:
        await super().send_in_order(*args, **kwargs)
        raise asyncio.CancelledError


async def test_a_relay_that_dies_between_publish_and_mark_is_repeated_by_the_next(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    announced = await announce_many(engine, 40)
    async with DiesAfter(settings) as dying:
        with pytest.raises(asyncio.CancelledError):
            await Relay(engine, dying, CAMPAIGN_EVENTS).publish_waiting()
    assert await waiting(engine) == 40
    announced += await announce_many(engine, 10)
    async with running(Relay(engine, publisher, CAMPAIGN_EVENTS)):
        await until(lambda: _none(engine))
    lying = await published(settings)
    assert sum(map(len, lying.values())) > 50
    for source, events in by_source(announced).items():
        fresh, early = sift({}, lying[source])
        assert (fresh, early) == (events, [])


class Freezes(Publisher):
    """Stands still in the middle of a batch until it is told to go on."""

    thaw: asyncio.Event

    async def send_in_order(
        self, topic: str, partition: int, records: Sequence[Outgoing], headers: Headers = ()
    ) -> None:
        await self.thaw.wait()
        await super().send_in_order(topic, partition, records, headers)


async def test_a_frozen_relay_is_succeeded_and_what_it_sends_later_is_a_repeat(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    announced = await announce_many(engine, 30)
    async with Freezes(settings) as freezing:
        freezing.thaw = asyncio.Event()
        async with running(Relay(engine, freezing, CAMPAIGN_EVENTS)):
            await until(lambda: _relay_is_locked(engine))
            async with running(Relay(engine, publisher, CAMPAIGN_EVENTS)):
                await until(lambda: _none(engine), deadline_s=IDLE_IN_TRANSACTION_MS / 1000 + 5)
            freezing.thaw.set()
            announced += await announce_many(engine, 5)
            await until(lambda: _none(engine))
    lying = await published(settings)
    for source, events in by_source(announced).items():
        assert sift({}, lying[source]) == (events, [])


async def _none(engine: AsyncEngine) -> bool:
    return await waiting(engine) == 0


async def _relay_is_locked(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        query = text(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND granted AND state = 'idle in transaction'"
            " AND pg_stat_activity.datname = current_database()"
        )
        return bool((await connection.execute(query)).scalar_one())


# ------------------------------------------------------------ parts that go away


async def test_a_broker_that_goes_away_is_waited_for(
    engine: AsyncEngine, local_kafka: LocalKafka, namespace: str
) -> None:
    settings = KafkaSettings(
        kafka_bootstrap_servers=local_kafka.bootstrap, kafka_namespace=namespace, partitions=PARTITIONS
    )
    await ensure_topic(settings, CAMPAIGN_EVENTS)
    announced = await announce_many(engine, 3)
    async with (
        Publisher(settings, timeout_s=1.0) as publisher,
        running(Relay(engine, publisher, CAMPAIGN_EVENTS)),
    ):
        await until(lambda: _none(engine))
        await asyncio.to_thread(local_kafka.kill)
        announced += await announce_many(engine, 20)
        await until(lambda: _oldest_is_over(2.0))
        assert await waiting(engine) == 20
        await asyncio.to_thread(local_kafka.start)
        announced += await announce_many(engine, 20)
        await until(lambda: _none(engine))
        await until(_oldest_is_zero)
    lying = await published(settings)
    for source, events in by_source(announced).items():
        assert sift({}, lying[source]) == (events, [])


async def _oldest_is_over(seconds: float) -> bool:
    return _oldest_s() > seconds


async def _oldest_is_zero() -> bool:
    return _oldest_s() == 0


def _oldest_s() -> float:
    (sample,) = next(iter(OLDEST_SECONDS.collect())).samples
    return sample.value


async def test_a_database_that_is_restarted_is_waited_for(
    local_postgres: LocalPostgres, settings: KafkaSettings, publisher: Publisher
) -> None:
    await make_tables(local_postgres.admin_url)
    engine = create_engine(local_postgres.admin_url, "relay")
    announced = await announce_many(engine, 3)
    async with running(Relay(engine, publisher, CAMPAIGN_EVENTS)):
        await until(lambda: _none(engine))
        await asyncio.to_thread(local_postgres.stop, "immediate")
        await asyncio.to_thread(local_postgres.launch)
        announced += await until(lambda: _announced_again(engine))
        await until(lambda: _none(engine))
    await engine.dispose()
    assert await published(settings) == by_source(announced)


async def _announced_again(engine: AsyncEngine) -> list[Event]:
    try:
        return await announce_many(engine, 4)
    except Exception:  # noqa: BLE001 - the server is on its way back
        return []


async def test_who_only_looks_on_reports_no_age(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher
) -> None:
    """A relay that was the publisher and is no more must not show its last age for ever."""
    await announce_many(engine, 1)
    async with Publisher(settings.model_copy(update={"kafka_namespace": "nowhere."}), timeout_s=0.5) as lost:
        relay = Relay(engine, lost, CAMPAIGN_EVENTS)
        with pytest.raises(PublishFailed):
            await relay.publish_waiting()
    assert _oldest_s() > 0
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('shanliu.outbox.relay'))"))
        assert await relay.publish_waiting() == 0
    assert _oldest_s() == 0


async def test_what_was_published_of_a_source_is_sent_again_in_order(
    engine: AsyncEngine, settings: KafkaSettings, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_ROWS", 3)  # so that a page ends in the middle
    await announce_many(engine, 20)
    relay = Relay(engine, publisher, CAMPAIGN_EVENTS)
    while await relay.publish_waiting():
        pass
    first = await published(settings)
    await announce_many(engine, 20)  # these wait: they are the relay's
    source, once = next(iter(first.items()))
    assert source in await outbox.sources(engine)
    again = await outbox.republish(engine, publisher, CAMPAIGN_EVENTS, source)
    behind = await outbox.republish(engine, publisher, CAMPAIGN_EVENTS, source, once[1].sequence)
    assert (again, behind) == (len(once), len(once) - 2)
    assert await published(settings) == first | {source: [*once, *once, *once[2:]]}
