"""Campaigns from before there were days, settled ones and parts: nothing of them is lost, and they go on."""

import asyncio

import pytest
from sqlalchemy import text

from services.campaign import queries
from services.campaign.parts.queries import parts
from shared import database
from shared.migrations import migrate
from tests.databases import Databases

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = "services.campaign"
PLAN = (
    "'{}', '{助医}', 'p', '2026-01-01', '2026-02-01', 'a', 'r', 'b', 'x', 0, 's', 'o', 'l', 'c', 'q', 100,"
    " now(), now()"
)
COLUMNS = (
    "campaign_id, kind, state, version, title, milestones_fen, uses, purpose, window_start, window_end, area,"
    " responsible_person, account, beneficiaries, cost_fen, remainder, organisation, licence, contact,"
    " query_method, goal_fen, created_at, changed_at, filing_number, filed_at, first_launched_at, closed_at"
)
CLOSED = "'BA-1', '2026-01-02T15:59:59Z', '2026-01-02T16:00:00Z', '2026-03-31T17:00:00Z'"
RUNNING = "NULL, NULL, '2026-01-31T16:30:00Z', NULL"
BEFORE = (
    *(
        f"INSERT INTO campaigns ({COLUMNS}) VALUES ('{name}', 'emergency_appeal', '{state}', 4, 't', {PLAN},"
        f" {steps})"
        for name, state, steps in (("closed", "closed", CLOSED), ("running", "launched", RUNNING))
    ),
    "INSERT INTO campaign_changes VALUES ('closed', 4, 'close', 'closed', 'li', now())",
)


async def test_what_was_there_has_the_days_of_its_recording_and_no_parts(databases: Databases) -> None:
    url = await asyncio.to_thread(databases.fresh, "campaign")
    async with database.disposing(database.create_engine(url, "tests")) as engine:
        async with engine.begin() as connection:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
                await connection.execute(text(statement))
        await migrate(url, PACKAGE, "0004")
        async with engine.begin() as connection:
            for statement in BEFORE:
                await connection.execute(text(statement))
        await migrate(url, PACKAGE)
        async with engine.connect() as connection:
            closed = await queries.campaign(connection, "closed")
            running = await queries.campaign(connection, "running")
            assert await parts(connection, "closed") == []
            kept = await connection.execute(text("SELECT happened_on, reason FROM campaign_changes"))
            assert [tuple(row) for row in kept] == [(None, None)]
    days = [day and day.isoformat() for day in (closed.filed_on, closed.launched_on, closed.closed_on)]
    assert days == ["2026-01-02", "2026-01-03", "2026-04-01"]
    assert (closed.settled_on, closed.parent_id) == (None, None)
    assert running.filing_due_on is not None
    assert (running.filed_on, running.filing_due_on.isoformat()) == (None, "2026-02-11")
