"""A row that a superuser changes, removes or puts in behind the triggers' back is found, and where."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.ledger import checking
from shared import database
from tests.services.campaign.books import booked, require_exact, take
from tests.services.campaign.builders import DESK, Source, launched
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = 6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journal(apart: Service) -> str:
    """A journal of six entries, beside one of vouchers."""
    campaign_id = await launched(apart.operator(DESK))
    source = Source()
    for number in range(ENTRIES):
        await take(apart, [source.received(campaign_id, 100 + number), source.reversed(campaign_id, 1)])
    for _ in range(3):
        await booked(apart)
    await require_exact(apart)
    return f"donations:{source.name}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def superuser(apart: Service, postgres: str) -> AsyncIterator[AsyncEngine]:
    """The server's administrator, in the campaign service's database."""
    name = make_url(apart.settings.database_url).database
    url = make_url(postgres).set(drivername="postgresql+asyncpg", database=name)
    async with database.disposing(
        database.create_engine(url.render_as_string(hide_password=False), "spoiler")
    ) as engine:
        yield engine


E, P, J = "ledger_entries", "ledger_postings", "ledger_journals"
THIRD = "journal = :journal AND sequence = 3"
LAST = f"journal = :journal AND sequence = {ENTRIES}"
COLUMNS = (
    "journal, {sequence}, kind, booked_on, event_on, recorded_at, recorded_by, confirmed_by, source,"
    " first_sequence, last_sequence, donations, reversals, subject, reverses, note, hash"
)
SPOILINGS = {
    "an amount": ([f"UPDATE {P} SET amount_fen = amount_fen + 1 WHERE {THIRD} AND line = 1"], 3),
    "both sides": ([f"UPDATE {P} SET amount_fen = amount_fen + 1 WHERE {THIRD} AND line IN (1, 2)"], 3),
    "an account": ([f"UPDATE {P} SET account = '1002' WHERE {THIRD} AND account = '112201'"], 3),
    "a campaign": ([f"UPDATE {P} SET campaign_id = 'other' WHERE {THIRD}"], 3),
    "the sides": (
        [f"UPDATE {P} SET side = CASE side WHEN 'debit' THEN 'credit' ELSE 'debit' END WHERE {THIRD}"],
        3,
    ),
    "a posting's day": ([f"UPDATE {P} SET booked_on = booked_on + 1 WHERE {THIRD}"], 3),
    "a day": ([f"UPDATE {E} SET event_on = event_on - 1 WHERE {THIRD}"], 3),
    "who": ([f"UPDATE {E} SET recorded_by = 'somebody' WHERE {THIRD}"], 3),
    "when": ([f"UPDATE {E} SET recorded_at = recorded_at + interval '1 microsecond' WHERE {THIRD}"], 3),
    "the event": ([f"UPDATE {E} SET last_sequence = last_sequence + 1 WHERE {THIRD}"], 3),
    "a hash": ([f"UPDATE {E} SET hash = sha256(hash) WHERE {THIRD}"], 3),
    "a note put in": ([f"UPDATE {E} SET note = 'x' WHERE {THIRD}"], 3),
    "a removed entry": ([f"DELETE FROM {P} WHERE {THIRD}", f"DELETE FROM {E} WHERE {THIRD}"], 3),
    "a removed entry whose postings stay": ([f"DELETE FROM {E} WHERE {THIRD}"], 3),
    "a removed posting": ([f"DELETE FROM {P} WHERE {THIRD} AND line = 4"], 3),
    "all postings of an entry": ([f"DELETE FROM {P} WHERE {THIRD}"], 3),
    "a posting put in": (
        [f"INSERT INTO {P} SELECT journal, 3, 5, booked_on, '1002', NULL, 'debit', 1 FROM {E} WHERE {THIRD}"],
        3,
    ),
    "an entry cut out and the rest moved up": (
        [
            f"DELETE FROM {P} WHERE {THIRD}",
            f"DELETE FROM {E} WHERE {THIRD}",
            *(
                f"UPDATE {each} SET sequence = {number - 1} WHERE journal = :journal AND sequence = {number}"
                for number in range(4, ENTRIES + 1)
                for each in (E, P)
            ),
            f"UPDATE {J} SET sequence = sequence - 1 WHERE journal = :journal",
        ],
        3,
    ),
    "an entry put in at the end": (
        [
            f"INSERT INTO {E} SELECT {COLUMNS.format(sequence=ENTRIES + 1)} FROM {E} WHERE {LAST}",
            (
                f"INSERT INTO {P} SELECT journal, {ENTRIES + 1}, line, booked_on, account, campaign_id, side,"
                f" amount_fen FROM {P} WHERE {LAST}"
            ),
            f"UPDATE {J} SET sequence = {ENTRIES + 1} WHERE journal = :journal",
        ],
        ENTRIES + 1,
    ),
    "two entries swapped": (
        [
            f"UPDATE {each} SET sequence = CASE sequence WHEN {one} THEN {two} END"
            f" WHERE journal = :journal AND sequence = {one}"
            for one, two in ((3, 99), (4, 3), (99, 4))
            for each in (E, P)
        ],
        3,
    ),
    "the last entry removed": ([f"DELETE FROM {P} WHERE {LAST}", f"DELETE FROM {E} WHERE {LAST}"], ENTRIES),
    "a head put back": ([f"UPDATE {J} SET sequence = 4 WHERE journal = :journal"], 5),
    "a head's hash": ([f"UPDATE {J} SET hash = sha256(hash) WHERE journal = :journal"], ENTRIES + 1),
    "a journal without its head": ([f"DELETE FROM {J} WHERE journal = :journal"], 1),
    "postings of nothing": (
        [f"INSERT INTO {P} VALUES ('nothing', 1, 1, '2026-01-01', '1002', NULL, 'debit', 1)"],
        1,
    ),
}


@pytest.mark.parametrize("name", SPOILINGS)
async def test_what_is_spoilt_behind_the_triggers_is_found_with_its_place(
    apart: Service, journal: str, superuser: AsyncEngine, name: str
) -> None:
    statements, sequence = SPOILINGS[name]
    async with superuser.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            done = await connection.execute(
                text(statement), {"journal": journal} if ":journal" in statement else {}
            )
            assert done.rowcount > 0, f"{statement} has spoilt nothing"
        found = await checking.check(connection)
        await connection.rollback()
    assert not found.exact
    assert found.broken is not None
    assert found.broken.sequence == sequence, found.broken
    assert found.broken.journal == ("nothing" if name == "postings of nothing" else journal)
    await require_exact(apart)


async def test_a_chain_that_was_made_anew_is_whole_and_not_the_guardrails(
    apart: Service, journal: str, superuser: AsyncEngine
) -> None:
    """Who may write everything can cut the last entry off and put the head back: the sums still tell."""
    async with superuser.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (
            f"DELETE FROM {P} WHERE {LAST}",
            f"DELETE FROM {E} WHERE {LAST}",
            (
                f"UPDATE {J} SET sequence = {ENTRIES - 1}, hash = (SELECT hash FROM {E}"
                f" WHERE journal = :journal AND sequence = {ENTRIES - 1}) WHERE journal = :journal"
            ),
        ):
            await connection.execute(text(statement), {"journal": journal})
        found = await checking.check(connection)
        await connection.rollback()
    assert found.broken is None
    assert found.difference_fen == 0
    assert len(found.unequal_funds) == 1
    assert not found.exact


async def test_sums_past_63_bits_are_exact(apart: Service, superuser: AsyncEngine) -> None:
    """More than a bigint holds, on one account: 10,000 postings of 10^15."""
    async with superuser.connect() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("INSERT INTO ledger_journals VALUES ('large', 0, sha256('x'))"))
        await connection.execute(
            text(
                "INSERT INTO ledger_postings SELECT 'large', number, 1, DATE '2026-01-01', '1002', NULL,"
                " 'debit', 1000000000000000 FROM generate_series(1, 10000) AS number"
            )
        )
        found = await checking.check(connection)
        await connection.rollback()
    assert found.difference_fen == 10**19
