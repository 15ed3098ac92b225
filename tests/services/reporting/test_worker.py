"""The worker on the real broker and database."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.settings import Settings
from services.reporting.totals import CampaignState
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, TOTALS, Publisher
from shared.dead_letters import DeadLetter
from shared.events import Event
from tests.services.reporting.builders import EVENING, GALA, CampaignSource, Source
from tests.services.reporting.processes import working
from tests.waiting import until


async def publish(publisher: Publisher, topic: str, partition: int, *events: Event) -> None:
    await publisher.send_in_order(topic, partition, [(None, event.to_bytes()) for event in events])


async def received_fen(engine: AsyncEngine) -> int:
    states = await queries.read_states(engine, [GALA])
    return states[0].amounts.received_fen if states else -1


async def counted_up_to(engine: AsyncEngine, amount_fen: int) -> None:
    async def reached() -> bool:
        return await received_fen(engine) >= amount_fen

    await until(reached, deadline_s=40)
    assert await received_fen(engine) == amount_fen


async def published_totals(settings: Settings) -> list[CampaignState]:
    """Everything on the topic `totals`, in the order of its partitions."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.servers, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.topic(TOTALS), number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        states: list[CampaignState] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                states += [CampaignState.model_validate_json(record.value) for record in records]
        return states
    finally:
        await consumer.stop()


async def test_two_workers_share_four_partitions_and_count_every_event_once(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await publish(publisher, CAMPAIGN_EVENTS, 0, CampaignSource().launched())
    sources = [Source(partition) for partition in range(settings.partitions)]
    async with working(settings), working(settings):
        for _ in range(20):
            for source in sources:
                events = [source.received(100) for _ in range(25)]
                await publish(publisher, DONATION_EVENTS, source.partition, *events)
                await publish(publisher, DONATION_EVENTS, source.partition, *events[10:])
        await counted_up_to(engine, 20 * 4 * 25 * 100)

        async def told() -> bool:
            states = await published_totals(settings)
            return bool(states) and max(states, key=lambda state: state.version).amounts.donations == 2_000

        await until(told, deadline_s=20)
    (state,) = await queries.read_states(engine)
    newest = max(await published_totals(settings), key=lambda published: published.version)
    assert (newest.digest, newest.version, newest.amounts) == (state.digest, state.version, state.amounts)


async def test_a_worker_that_joins_and_leaves_under_load_changes_nothing(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await publish(publisher, CAMPAIGN_EVENTS, 0, CampaignSource().launched())
    sources = [Source(partition) for partition in range(settings.partitions)]

    async def load() -> None:
        for _ in range(40):
            for source in sources:
                events = [source.received(1) for _ in range(50)]
                await publish(publisher, DONATION_EVENTS, source.partition, *events)

    async with working(settings):
        loading = asyncio.create_task(load())
        async with working(settings):
            await until(loading.done, deadline_s=40)
        await loading
        await counted_up_to(engine, 40 * 4 * 50)


async def test_a_record_that_is_no_event_goes_to_the_dead_letters_and_the_rest_counts(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    source = Source()
    await publish(publisher, CAMPAIGN_EVENTS, 0, CampaignSource().launched())
    await publish(publisher, DONATION_EVENTS, 0, source.received(100))
    place = await publisher.send(DONATION_EVENTS, b'{"not":"an event"}', partition=0)
    await publish(publisher, DONATION_EVENTS, 0, source.received(200))
    async with working(settings):
        await counted_up_to(engine, 300)

        async def buried() -> bool:
            counts, _ = await queries.read_dead_letters(engine, newest=1)
            return bool(counts)

        await until(buried, deadline_s=20)
    counts, (newest,) = await queries.read_dead_letters(engine, newest=5)
    assert [(row["topic"], row["reason"], row["letters"]) for row in counts] == [
        (DONATION_EVENTS, "unusable-event", 1)
    ]
    assert (newest["partition"], newest["offset"]) == (place.partition, place.offset)


async def test_a_record_buried_twice_is_one_dead_letter(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    def letter(offset: int) -> bytes:
        return DeadLetter(
            reason="invalid-field",
            detail="amount_fen: must be an integer",
            service="donation",
            topic="intake.wechat",
            partition=2,
            offset=offset,
            recorded_at=EVENING,
            failed_at=EVENING,
        ).to_bytes()

    for offset in (7, 7, 8, 7):
        await publisher.send(DEAD_LETTER, letter(offset), partition=1)
    await publisher.send(DEAD_LETTER, b"unreadable", partition=1)
    await publisher.send(DEAD_LETTER, letter(9), partition=1)
    async with working(settings):

        async def all_read() -> bool:
            counts, _ = await queries.read_dead_letters(engine, newest=1)
            return bool(sum(row["letters"] for row in counts) >= 3)

        await until(all_read, deadline_s=20)
        counts, _ = await queries.read_dead_letters(engine, newest=1)
        assert [row["letters"] for row in counts] == [3]
