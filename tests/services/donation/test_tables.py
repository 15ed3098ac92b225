"""The database itself refuses what must not exist, and the migrations make the tables of models.py."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import services.donation.casework.models
import services.donation.desk.models
import services.donation.moderation.models
import services.donation.receipts.models
import services.donation.reconciliation.models
import services.donation.schemes.models
import services.donation.statements.models
import services.donation.trace.models  # noqa: F401 - the tables of all are of the same metadata  # noqa: F401 - the tables of both are of the same metadata
from services.donation.models import metadata
from shared.migrations import migrate
from tests.services.donation.builders import a_donation, a_reversal
from tests.services.donation.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="package")

VERSIONS = Path(__file__).parents[3] / "services" / "donation" / "migrations" / "versions"
NEWEST = max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))

_COLUMNS = (
    "SELECT table_name, column_name, data_type, is_nullable, column_default,"
    " col_description(CAST(table_name AS regclass), ordinal_position) FROM information_schema.columns"
    " WHERE table_schema = :schema ORDER BY 1, 2"
)
_CONSTRAINTS = (
    "SELECT CAST(CAST(c.conrelid AS regclass) AS text), CAST(c.contype AS text),"
    " replace(pg_get_constraintdef(c.oid), 'models.', '') FROM pg_constraint c"
    " JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = :schema"
    " AND c.contype IN ('c', 'f', 'p', 'u') ORDER BY 1, 2, 3"
)
_INDEXES = (
    "SELECT tablename, indexname, replace(indexdef, 'models.', '') FROM pg_indexes"
    " WHERE schemaname = :schema ORDER BY 1, 2"
)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def one_of_each(place: Place) -> str:
    """The topic of a donation and its reversal, and of a donation on another partition."""
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body, a_reversal(body["transaction_id"]))
    await place.put(topic, a_donation(campaign_id=campaign_id), partition=1)
    await place.work(topic)
    return topic


async def test_the_migrations_make_the_tables_of_the_models(place: Place) -> None:
    """Columns, defaults, comments, every constraint by its text, every index: compared as PostgreSQL has
    them, beside tables made from models.py.
    """

    async def described(schema: str) -> dict[str, list[Any]]:
        async with place.engine.connect() as connection:
            await connection.execute(text(f"SET search_path TO {schema}"))
            found: dict[str, list[Any]] = {}
            for statement in (_COLUMNS, _CONSTRAINTS, _INDEXES):
                rows = await connection.execute(text(statement), {"schema": schema})
                texts = [[str(value).replace("public.", "") for value in row] for row in rows]
                found[statement] = [row for row in texts if "alembic_version" not in row[0]]
            await connection.rollback()
            return found

    async with place.engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA models"))
        await connection.execute(text("SET LOCAL search_path TO models"))
        await connection.run_sync(metadata.create_all)
    try:
        migrated, modelled = await described("public"), await described("models")
    finally:
        async with place.engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA models CASCADE"))
    for statement, rows in modelled.items():
        assert len(rows) > 10
        assert migrated[statement] == rows


async def test_migrating_again_changes_nothing(place: Place) -> None:
    before = await place.snapshot()
    await migrate(place.settings.database_url, "services.donation")
    assert await place.rows("SELECT version_num FROM alembic_version") == [(NEWEST,)]
    assert await place.snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        "amount_fen = 0",
        "amount_fen = 10000000000001",
        "fee_fen = -1",
        "fee_fen = amount_fen + 1",
        "donor_kind = 'robot'",
        "donor_display = 'all'",
        "status = 'held'",  # without a reason
        "status = 'gone'",
        "source = NULL",
        "received_at = NULL",
    ],
)
async def test_a_donation_cannot_be_written_wrong(place: Place, one_of_each: str, change: str) -> None:
    await _refused(place, f"UPDATE donations SET {change} WHERE source = '{one_of_each}/0'")


@pytest.mark.parametrize(
    "change",
    [
        "amount_fen = 0",
        "kind = 'gift'",
        "status = 'done'",
        "status = 'pending'",  # applied at a position, but not applied
        "source = NULL",
        "sequence = NULL",
        "applied_at = NULL",
    ],
)
async def test_a_reversal_cannot_be_written_wrong(place: Place, one_of_each: str, change: str) -> None:
    await _refused(place, f"UPDATE reversals SET {change} WHERE source = '{one_of_each}/0'")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO campaigns VALUES ('a', 'closed', NULL)",
        "INSERT INTO campaigns VALUES ('a', 'launched', now())",
        "INSERT INTO campaigns VALUES ('a', 'dreamt', NULL)",
        "INSERT INTO marks VALUES ('a', -2)",
        "INSERT INTO releases VALUES (gen_random_uuid(), 'intake.internal/0', 1, now())",
        "INSERT INTO channels (channel, title, limit_per_second, state) VALUES ('a', 'a', 0, 'active')",
        "INSERT INTO channels (channel, title, limit_per_second, state) VALUES ('a', 'a', 1, 'asleep')",
        "INSERT INTO dead_letters VALUES ('a', 1, 'r', 'd', '', now(), now(), NULL)",
    ],
)
async def test_nothing_else_can_be_written_wrong(place: Place, statement: str) -> None:
    await _refused(place, statement)


async def test_two_events_cannot_lie_at_one_position(place: Place, one_of_each: str) -> None:
    await _refused(place, f"UPDATE donations SET source = '{one_of_each}/0' WHERE source = '{one_of_each}/1'")


async def _refused(place: Place, statement: str) -> None:
    with pytest.raises(IntegrityError):
        async with place.engine.begin() as connection:
            await connection.execute(text(statement))
