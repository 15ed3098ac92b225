"""A donor who was erased leaves every list of names, whatever is read first, and no number changes."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.models import metadata
from shared.broker import INTAKE_INTERNAL
from shared.events import Event
from tests.services.reporting.builders import Source
from tests.services.reporting.test_counting import counted, launched, state_of

NAME = "王小明在此"
WORDS = "愿平安在此"


async def tables_with(engine: AsyncEngine, *marks: str) -> set[str]:
    found = set()
    async with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for mark in marks:
                said = text(f"SELECT 1 FROM {table.name} t WHERE t::text LIKE :mark LIMIT 1")
                if (await connection.execute(said, {"mark": f"%{mark}%"})).first():
                    found.add(table.name)
    return found


@pytest.mark.parametrize("order", ["after", "in one batch", "before"])
async def test_an_erased_donor_is_named_in_no_table_and_the_total_stays(
    engine: AsyncEngine, order: str
) -> None:
    await launched(engine)
    money, internal = Source(), Source(topic=INTAKE_INTERNAL)
    given: list[Event] = [
        money.received(10_000, number=1, name=NAME),
        money.received(500, number=2, name="李四"),
    ]
    said = internal.approved(1, WORDS, NAME)
    erased = internal.erased(1)
    batches: dict[str, list[list[Event]]] = {
        "after": [given, [said], [erased]],
        "in one batch": [[*given, said, erased]],
        "before": [[said, erased], given],
    }
    await counted(engine, *batches[order])
    if order == "before":
        await queries.prune_arrivals(engine, datetime.now(UTC))
    assert await tables_with(engine, NAME, WORDS) == set()
    state = await state_of(engine)
    assert (state.amounts.received_fen, state.amounts.donations) == (10_500, 2)
    assert [each.name for each in state.recent] == ["李四"]
    assert state.messages == ()


async def test_an_approval_that_is_read_after_the_erasure_is_not_kept(engine: AsyncEngine) -> None:
    await launched(engine)
    erasing, moderating = Source(topic=INTAKE_INTERNAL), Source(1, topic=INTAKE_INTERNAL)
    await counted(engine, [erasing.erased(1)])
    await counted(engine, [moderating.approved(1, WORDS, NAME)])
    assert await tables_with(engine, NAME, WORDS) == set()
