"""Marks in a real database: whoever comes at the same time, each event is admitted once."""

import asyncio
import itertools
import random
import time
from collections import Counter

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import positions
from shared.database import IDLE_IN_TRANSACTION_MS, LOCK_TIMEOUT_MS, is_temporary
from shared.events import Event
from shared.events import examples as samples
from shared.positions import admit
from tests.waiting import until

SOURCES = ("campaign/0", "intake.bank/0", "intake.wechat/0", "intake.wechat/1")


@pytest.fixture(autouse=True)
def alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nothing waits yet."""
    monkeypatch.setattr(positions, "_waiting", positions._Waiting())


def behind_s() -> float:
    """What the alarm says."""
    return REGISTRY.get_sample_value("shanliu_mark_behind_seconds") or 0.0


def events(*sources: str, first: int = 0, last: int = 9) -> list[Event]:
    """The chain of each source, one source after the other."""
    return [
        samples.event(source=source, sequence=sequence, previous=sequence - 1 if sequence else None)
        for source in sources
        for sequence in range(first, last + 1)
    ]


async def count(connection: AsyncConnection, batch: list[Event]) -> list[Event]:
    """What a handler does: admit, then write the effects in the same transaction."""
    fresh = await admit(connection, batch)
    if fresh:
        await connection.execute(
            text("INSERT INTO effects VALUES (:source, :sequence)"),
            [{"source": event.source, "sequence": event.sequence} for event in fresh],
        )
    return fresh


async def effects(engine: AsyncEngine) -> Counter[tuple[str, int]]:
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT source, sequence FROM effects"))).all()
    return Counter((row.source, row.sequence) for row in rows)


async def marks(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT source, sequence FROM marks"))).all()
    return {row.source: row.sequence for row in rows}


def position(event: Event) -> tuple[str, int]:
    return event.source, event.sequence


async def test_two_at_once_with_the_sources_in_opposite_orders_count_each_event_once(
    engine: AsyncEngine,
) -> None:
    async def handle(batch: list[Event]) -> None:
        async with engine.begin() as connection:
            await count(connection, batch)

    for first in range(0, 100, 10):
        there = events(*SOURCES, first=first, last=first + 9)
        back = events(*reversed(SOURCES), first=first, last=first + 9)
        async with asyncio.timeout(LOCK_TIMEOUT_MS / 1000):
            await asyncio.gather(handle(there), handle(back), handle(there), handle(back))
    assert await effects(engine) == Counter(map(position, events(*SOURCES, last=99)))
    assert await marks(engine) == dict.fromkeys(SOURCES, 99)


async def test_many_at_once_on_some_of_the_sources_never_deadlock(engine: AsyncEngine) -> None:
    """Subsets in any order, most of the sources new: what a rebalance of a fresh group can bring."""
    chosen = random.Random(4)

    async def handle(batch: list[Event]) -> None:
        async with engine.begin() as connection:
            await count(connection, batch)

    for round_ in range(10):
        names = [f"intake.c{round_}/{partition}" for partition in range(6)]
        batches = [events(*chosen.sample(names, chosen.randint(1, 6))) for _ in range(8)]
        async with asyncio.timeout(LOCK_TIMEOUT_MS / 1000):
            await asyncio.gather(*(handle(batch) for batch in batches))
        expected = {position(event) for event in itertools.chain.from_iterable(batches)}
        counted = {place: n for place, n in (await effects(engine)).items() if place[0] in names}
        assert counted == dict.fromkeys(expected, 1)


async def test_a_new_source_beside_a_known_one_does_not_deadlock(engine: AsyncEngine) -> None:
    """One batch holds the known row and waits for the new one; the other must not hold the new one and
    wait for the known one.
    """
    async with (
        engine.connect() as blocker,
        engine.connect() as wide,
        engine.connect() as narrow,
        engine.connect() as fourth,
    ):
        await blocker.execute(text("INSERT INTO marks VALUES ('b/0', -1)"))
        slow = asyncio.create_task(admit(wide, events("a/0", "b/0", "c/0")))
        await until(lambda: waits(engine, "INSERT INTO marks%"))  # has inserted a/0, waits for b/0
        await fourth.execute(text("INSERT INTO marks VALUES ('c/0', -1)"))
        await fourth.commit()
        other = asyncio.create_task(admit(narrow, events("a/0", "c/0")))
        await until(lambda: waits(engine, "%marks%", sessions=2))
        await blocker.commit()
        assert len(await slow) == 30
        await wide.commit()
        assert await other == []
        await narrow.commit()
    assert await marks(engine) == {"a/0": 9, "b/0": 9, "c/0": 9}


async def waits(engine: AsyncEngine, statement: str, *, sessions: int = 1) -> bool:
    """Whether so many sessions wait for a lock in a statement like this."""
    async with engine.connect() as connection:
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE :statement"
        )
        found: int = (await connection.execute(query, {"statement": statement})).scalar_one()
        return found >= sessions


async def test_a_rollback_leaves_the_mark_and_the_events_come_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await count(connection, events("intake.wechat/0", last=4))
    async with engine.connect() as connection:
        assert len(await count(connection, events("intake.wechat/0", "intake.bank/0"))) == 15
        await connection.rollback()
    assert await marks(engine) == {"intake.wechat/0": 4}
    async with engine.begin() as connection:
        assert len(await count(connection, events("intake.wechat/0", "intake.bank/0"))) == 15
    assert set((await effects(engine)).values()) == {1}


async def test_nothing_to_admit_asks_nothing_of_the_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await admit(connection, []) == []
        assert not connection.in_transaction()


async def test_a_gap_is_not_passed_and_the_mark_stays(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        fresh = await count(
            connection, [*events("campaign/0", last=2), *events("campaign/0", first=5, last=9)]
        )
    assert [event.sequence for event in fresh] == [0, 1, 2]
    assert await marks(engine) == {"campaign/0": 2}


async def test_a_frozen_holder_loses_its_lock_and_what_it_had_written(engine: AsyncEngine) -> None:
    batch = events("intake.wechat/0")
    frozen = await engine.connect()
    await count(frozen, batch)
    began = time.monotonic()

    async def handled() -> bool:
        try:
            async with engine.begin() as connection:
                return len(await count(connection, batch)) == len(batch)
        except DBAPIError as error:
            if not is_temporary(error):
                raise
            return False

    await until(handled, deadline_s=IDLE_IN_TRANSACTION_MS / 1000 + 3)
    assert time.monotonic() - began > LOCK_TIMEOUT_MS / 1000
    with pytest.raises(DBAPIError) as late:
        await frozen.execute(text("SELECT 1"))
    assert is_temporary(late.value)
    await frozen.close()
    assert set((await effects(engine)).values()) == {1}


async def test_the_alarm_rings_while_a_mark_waits_and_stops_when_it_moves_on(engine: AsyncEngine) -> None:
    whole = events("intake.alarm/0")
    async with engine.begin() as connection:
        await admit(connection, whole[5:])
    assert behind_s() > 0
    async with engine.begin() as connection:
        await admit(connection, whole[:3])
        await admit(connection, whole[5:])
    assert behind_s() > 0
    async with engine.begin() as connection:
        await admit(connection, whole)
    assert behind_s() == 0


async def test_the_alarm_stops_when_another_process_has_filled_the_gap(engine: AsyncEngine) -> None:
    """After a rebalance the rightful copies go to the new owner; the old one must not ring for ever."""
    async with engine.begin() as connection:
        await admit(connection, events("intake.moved/0", first=5))
    assert behind_s() > 0
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE marks SET sequence = 9 WHERE source = 'intake.moved/0'"))
    async with engine.begin() as connection:
        await admit(connection, events("intake.other/0"))
    assert behind_s() == 0
