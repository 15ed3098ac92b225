"""A database from before there was a ledger: the migration books what is there, and it goes on from there."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.campaign.announcements import Announcer
from services.campaign.handlers import book
from services.campaign.ledger import checking, queries
from services.campaign.ledger.schemas import Entry
from shared import database
from shared.migrations import migrate
from shared.positions import admit
from tests.databases import Databases
from tests.services.campaign.builders import Source

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = "services.campaign"
FUND, PAID, APPROVED = UUID(int=1), UUID(int=2), UUID(int=3)
LARGE = 10**15 + 7

BEFORE = (
    (
        "INSERT INTO campaigns (campaign_id, kind, state, version, title, milestones_fen, uses, created_at,"
        " changed_at) VALUES ('gala', 'gala', 'draft', 1, 'Gala', '{}', '{}', now(), now())"
    ),
    f"INSERT INTO funds VALUES ('{FUND}', 'gala', now())",
    (
        f"INSERT INTO fund_receipts VALUES ('gala', 'intake.a/0', {LARGE}, 200, 40, 2),"
        " ('gala', 'intake.b/0', 5, 0, 1, 0), ('unknown', 'intake.a/0', 3, 3, 1, 1),"
        " ('empty', 'intake.a/0', 0, 0, 0, 0)"
    ),
    "INSERT INTO marks VALUES ('intake.a/0', 57), ('intake.b/0', 0)",
    *(
        f"INSERT INTO disbursements VALUES ('{disbursement_id}', 'gala', '{FUND}', '{state}', 3, {fen},"
        f" 'use', 'payee', 1, 'schools', 'li', now(), 'zhao', now(), {paid})"
        for disbursement_id, state, fen, paid in (
            (PAID, "paid", 300, "'wang', '2026-03-31T17:00:00Z'"),
            (APPROVED, "approved", 40, "NULL, NULL"),
        )
    ),
)


def told(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.sequence,
        entry.kind,
        entry.first_sequence,
        entry.last_sequence,
        entry.donations,
        entry.reversals,
    )


async def test_what_was_there_is_booked_once_and_the_chains_go_on(databases: Databases) -> None:
    url = await asyncio.to_thread(databases.fresh, "campaign")
    async with database.disposing(database.create_engine(url, "tests")) as engine:
        async with engine.begin() as connection:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
                await connection.execute(text(statement))
        await migrate(url, PACKAGE, "0001")
        async with engine.begin() as connection:
            for statement in BEFORE:
                await connection.execute(text(statement))
        await migrate(url, PACKAGE)
        await migrate(url, PACKAGE)
        async with engine.connect() as connection:
            a, unknown = await queries.entries(connection, "donations:intake.a/0", after=0, limit=10)
            (b,) = await queries.entries(connection, "donations:intake.b/0", after=0, limit=10)
            (paid,) = await queries.entries(connection, "books", after=0, limit=10)
            found = await checking.check(connection)
        assert told(a) == (1, "carried", 0, 57, 40, 2)
        assert [(line.side, line.account, line.amount_fen) for line in a.postings] == [
            ("debit", "112201", 10**15),
            ("credit", "410101", 10**15),
            ("debit", "112201", 7),
            ("credit", "410101", 7),
            ("debit", "410101", 200),
            ("credit", "112201", 200),
        ]
        assert told(unknown) == (2, "carried", 0, 57, 1, 1)
        assert told(b) == (1, "carried", 0, 0, 1, 0)
        assert (paid.subject, paid.recorded_by, str(paid.event_on)) == (PAID, "wang", "2026-04-01")
        assert paid.booked_on == a.booked_on
        assert found.exact, found
        source = Source()
        async with engine.begin() as connection:
            await book(connection, Announcer(1), await admit(connection, [source.received("gala", 1)]))
        async with engine.connect() as connection:
            assert (await checking.check(connection)).exact
            (fund,) = [
                each for each in await queries.funds(connection, after=None, limit=9) if each.reserved_fen
            ]
        assert (fund.ledger_fen, fund.guardrail_balance_fen) == (
            LARGE + 5 - 200 - 300 + 1,
            fund.ledger_fen - 40,
        )
