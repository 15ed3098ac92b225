"""A rebuild on the real broker and database, while a worker counts."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reporting import queries
from services.reporting.models import PROJECTION
from services.reporting.rebuilding import beside, reading
from services.reporting.rebuilding.beside import RebuildRefused
from services.reporting.rebuilding.rebuild import rebuild
from services.reporting.settings import Settings
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, Publisher
from shared.dead_letters import DeadLetter
from shared.events import Event
from tests.services.reporting.builders import EVENING, CampaignSource, Source
from tests.services.reporting.processes import working
from tests.services.reporting.test_worker import counted_up_to, publish, received_fen

TABLES = [table.name for table in PROJECTION]
SPOILT = "UPDATE campaign_totals SET received_fen = received_fen + 1"


async def contents(engine: AsyncEngine) -> dict[str, list[str]]:
    """Every row of the projection, but for the times that a database gives itself."""
    own = {"gaps": ["first_seen_at", "last_seen_at"], "dropped_donors": ["dropped_at"]}
    found: dict[str, list[str]] = {}
    async with engine.connect() as connection:
        for name in TABLES:
            rows = text(f"SELECT (to_jsonb(t) - CAST(:own AS text[]))::text FROM {name} t ORDER BY 1")
            found[name] = list((await connection.execute(rows, {"own": own.get(name, [])})).scalars())
    return found


async def shape(connection: AsyncConnection, schema: str) -> dict[str, Sequence[tuple[object, ...]]]:
    """What a schema's tables are made of: columns, constraints, indexes, options."""
    asked = {"schema": schema, "tables": TABLES}
    statements = {
        "columns": "SELECT table_name, ordinal_position, column_name,"
        " data_type, collation_name, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = :schema AND table_name = ANY(:tables)",
        "constraints": "SELECT c.relname, n.conname, pg_get_constraintdef(n.oid) FROM pg_constraint n"
        " JOIN pg_class c ON c.oid = n.conrelid WHERE c.relnamespace = to_regnamespace(:schema)"
        " AND c.relname = ANY(:tables) AND n.contype <> 'n'",
        "indexes": "SELECT tablename, indexname, replace(indexdef, schemaname || '.', '') FROM pg_indexes"
        " WHERE schemaname = :schema AND tablename = ANY(:tables)",
        "options": "SELECT relname, reloptions::text FROM pg_class"
        " WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY(:tables)",
    }
    return {
        what: sorted(tuple(row) for row in await connection.execute(text(statement), asked))
        for what, statement in statements.items()
    }


async def spoil(engine: AsyncEngine, statement: str = SPOILT) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def an_evening(publisher: Publisher) -> int:
    """Publish some of everything; what it comes to in fen."""
    one, other = Source(0), Source(1, first_number=1_000)
    facts = CampaignSource()
    await publish(publisher, CAMPAIGN_EVENTS, 0, facts.launched())
    events: list[Event] = [one.received(100) for _ in range(28)]
    events += [one.received(100, at=datetime.now(UTC)) for _ in range(2)]
    events += [one.reversed(30), one.received(200, name="苏州太湖实业有限公司")]
    await publish(publisher, DONATION_EVENTS, 0, *events)
    await publish(publisher, DONATION_EVENTS, 1, *(other.received(1_000) for _ in range(5)))
    letter = DeadLetter(
        reason="invalid-field",
        detail="amount_fen: must be an integer",
        service="donation",
        topic="intake.wechat",
        partition=2,
        offset=7,
        recorded_at=EVENING,
        failed_at=EVENING,
    )
    await publisher.send(DEAD_LETTER, letter.to_bytes(), partition=1)
    await publisher.send(DEAD_LETTER, b"unreadable", partition=1)
    return 30 * 100 + 200 + 5 * 1_000


async def test_the_second_projection_has_the_same_tables(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await beside.open_beside(connection, anew=False)
        migrated = await shape(connection, "public")
        assert await shape(connection, beside.SCHEMA) == migrated
        assert {table for table, *_ in migrated["columns"]} == set(TABLES)


async def test_a_rebuild_under_a_working_worker_is_what_the_worker_had_counted(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    expected = await an_evening(publisher)
    async with working(settings):
        await counted_up_to(engine, expected)
        await queries.prune_arrivals(engine, datetime.now(UTC))
        before = await contents(engine)
        (state,) = await queries.read_states(engine)
        await spoil(engine)
        told: list[tuple[int, int]] = []
        found = await rebuild(settings, lambda read, total: told.append((read, total)))
        assert (found.records, found.resumed) == (40, False)
        assert told[-1] == (40, 40)
        assert await contents(engine) == before
        (again,) = await queries.read_states(engine)
        assert (again.digest, again.version) == (state.digest, state.version)
        more = Source(2, first_number=2_000)
        await publish(publisher, DONATION_EVENTS, 2, more.received(7))
        await counted_up_to(engine, expected + 7)
    async with engine.connect() as connection:
        schemas = await connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"))
        assert {row.nspname for row in schemas} == {"public", "information_schema"}


async def test_events_that_come_during_a_rebuild_are_in_it_and_no_reader_sees_a_part_of_it(
    settings: Settings, engine: AsyncEngine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 50)
    await publish(publisher, CAMPAIGN_EVENTS, 0, CampaignSource().launched())
    sources = [Source(partition, first_number=10_000 * partition) for partition in range(4)]

    async def load(rounds: int) -> None:
        for _ in range(rounds):
            for source in sources:
                events = [source.received(100) for _ in range(20)]
                await publish(publisher, DONATION_EVENTS, source.partition, *events)

    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(await received_fen(engine))
            await asyncio.sleep(0.01)

    async with working(settings):
        await load(10)
        await counted_up_to(engine, 80_000)
        looking = asyncio.create_task(look())
        loading = asyncio.create_task(load(50))
        while not loading.done():
            await rebuild(settings)
        await loading
        await counted_up_to(engine, 480_000)
        looking.cancel()
    assert seen == sorted(seen)
    assert seen[0] >= 80_000
    assert len(seen) > 10


async def test_a_run_that_ended_in_the_middle_is_taken_up_where_it_was(
    settings: Settings, engine: AsyncEngine, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await an_evening(publisher)
    monkeypatch.setattr(reading, "BATCH", 10)

    class Interrupted(Exception):
        pass

    def interrupt(read: int, total: int) -> None:
        if read > total // 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        await rebuild(settings, interrupt)
    assert await queries.read_states(engine) == [], "nothing is in place yet"
    found = await rebuild(settings)
    assert found.resumed
    assert 0 < found.records < 30
    assert await received_fen(engine) == expected
    anew = await rebuild(settings, anew=True)
    assert (anew.records, anew.resumed) == (40, False)


async def test_two_at_once_and_topics_that_lost_their_end_are_refused(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    expected = await an_evening(publisher)
    await rebuild(settings)
    async with engine.connect() as connection:
        await beside.open_beside(connection, anew=True)
        with pytest.raises(RebuildRefused, match="Another rebuild"):
            await rebuild(settings)
        await connection.invalidate()
    await spoil(engine, "UPDATE marks SET sequence = 99 WHERE source = 'intake.wechat/1'")
    with pytest.raises(RebuildRefused, match=r"intake.wechat/1: 99 counted, 4 on the topics"):
        await rebuild(settings)
    assert await received_fen(engine) == expected, "what was there is still there"
