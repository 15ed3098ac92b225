"""A migration on a database that others use: nobody queues behind it for long, and it comes through."""

import asyncio
import textwrap
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from shared import migrations
from shared.migrations import migrate

PACKAGE = "migrated_here"
ENV = """
from sqlalchemy import MetaData
from shared.migrations import run_migrations
run_migrations(MetaData())
"""
VERSIONS = {
    "0001": "op.execute('CREATE TABLE gifts (id bigint PRIMARY KEY, fen bigint NOT NULL)')",
    "0002": "op.execute('ALTER TABLE gifts ADD COLUMN note text')",
    "0003": "build_index('gifts_by_fen', 'ON gifts (fen)')",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service's package with three migrations."""
    versions = tmp_path / PACKAGE / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (versions.parent / "env.py").write_text(ENV)
    before = None
    for revision, statement in VERSIONS.items():
        text = f"""
            from alembic import op
            from shared.migrations import build_index
            revision = {revision!r}
            down_revision = {before!r}
            def upgrade():
                {statement}
        """
        (versions / f"{revision}.py").write_text(textwrap.dedent(text))
        before = revision
    monkeypatch.syspath_prepend(str(tmp_path))
    return PACKAGE


@pytest.fixture
def url(service_database: Callable[[str], str]) -> str:
    """A database that has no migration of this package yet."""
    return service_database("console")


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("DROP TABLE IF EXISTS alembic_version")
    return connection


async def test_nobody_waits_long_behind_a_migration_that_waits(
    package: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 300)
    monkeypatch.setattr(migrations, "PAUSE_S", 0.5)
    holder = await _connect(url)
    await migrate(url, package, "0001")
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        async with holder.transaction():
            await holder.execute("INSERT INTO gifts VALUES (1, 100)")
            migrating = asyncio.create_task(migrate(url, package, "0002"))
            for number in range(2, 20):
                await other.execute("INSERT INTO gifts VALUES ($1, 100)", number, timeout=1)
                await asyncio.sleep(0.05)
            assert not migrating.done()
        await migrating
        assert await other.fetchval("SELECT count(*) FROM gifts WHERE note IS NULL") == 19
    finally:
        await holder.close()
        await other.close()


async def test_a_lock_that_is_held_for_ever_ends_the_migration(
    package: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_MS", 50)
    monkeypatch.setattr(migrations, "PAUSE_S", 0.05)
    monkeypatch.setattr(migrations, "ATTEMPTS", 2)
    holder = await _connect(url)
    await migrate(url, package, "0001")
    try:
        async with holder.transaction():
            await holder.execute("INSERT INTO gifts VALUES (1, 100)")
            with pytest.raises(DBAPIError, match="lock timeout"):
                await migrate(url, package)
        await migrate(url, package)
        assert await holder.fetchval("SELECT version_num FROM alembic_version") == "0003"
    finally:
        await holder.close()


async def test_a_release_that_is_taken_back_leaves_the_schema_of_the_one_after_it(
    package: str, url: str
) -> None:
    connection = await _connect(url)
    await migrate(url, package)
    try:
        await connection.execute("UPDATE alembic_version SET version_num = '0009'")
        await migrate(url, package)
        assert await connection.fetchval("SELECT version_num FROM alembic_version") == "0009"
    finally:
        await connection.close()


async def test_an_index_is_built_while_the_table_is_written_to_and_two_may_migrate(
    package: str, url: str
) -> None:
    """It waits for the transaction that was there before it; those that come meanwhile don't wait for it."""
    holder = await _connect(url)
    await migrate(url, package, "0002")
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    building = (
        "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('gifts_by_fen') AND NOT indisvalid"
    )
    try:
        async with holder.transaction():
            await holder.execute("INSERT INTO gifts VALUES (1, 100)")
            both = [asyncio.create_task(migrate(url, package)) for _ in range(2)]
            async with asyncio.timeout(20):
                while not await other.fetchval(building):  # noqa: ASYNC110 - the server's
                    await asyncio.sleep(0.02)
            await other.execute("INSERT INTO gifts VALUES (2, 100)", timeout=1)
        await asyncio.gather(*both)
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('gifts_by_fen')"
        assert await other.fetchval(valid)
    finally:
        await holder.close()
        await other.close()
