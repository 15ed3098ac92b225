"""Every connection has its bounds, and migrations can be run by several at once."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.postgres import LocalPostgres
from shared.database import check, create_engine, is_temporary
from shared.migrations import migrate
from tests.waiting import until

PACKAGE = "tests.services.shared.migrated"


@pytest.fixture
async def bare(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A process's engine on an empty database."""
    engine = create_engine(database_url, "shanliu-test", pool_size=2)
    yield engine
    await engine.dispose()


async def made(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        rows: int = (await connection.execute(text("SELECT count(*) FROM made"))).scalar_one()
        return rows


async def test_two_processes_that_migrate_at_once_both_succeed(database_url: str, bare: AsyncEngine) -> None:
    program = (
        "import asyncio, sys; from shared.migrations import migrate; asyncio.run(migrate(*sys.argv[1:]))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, database_url, PACKAGE, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    answers = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert await made(bare) == 1


async def test_migrating_again_changes_nothing(database_url: str, bare: AsyncEngine) -> None:
    await migrate(database_url, PACKAGE)
    await migrate(database_url, PACKAGE)
    assert await made(bare) == 1


async def test_migrations_are_found_wherever_the_project_lies(
    database_url: str, bare: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alembic's configuration gives a per cent sign a meaning."""
    folder = tmp_path / "100% 善流"
    shutil.copytree(Path(__file__).parent / "migrated", folder / "elsewhere")
    monkeypatch.syspath_prepend(str(folder))
    await migrate(database_url, "elsewhere")
    assert await made(bare) == 1


async def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, bare: AsyncEngine) -> None:
    async with bare.begin() as connection:
        await connection.execute(text("CREATE TABLE made (name int)"))
    with pytest.raises(ProgrammingError):
        await migrate(database_url, PACKAGE)
    async with bare.connect() as connection:
        query = text("SELECT count(*) FROM pg_class WHERE relname = 'alembic_version'")
        assert (await connection.execute(query)).scalar_one() == 0


async def test_a_statement_is_bounded_and_its_end_is_temporary(bare: AsyncEngine) -> None:
    async with bare.connect() as connection:
        await connection.execute(text("SET statement_timeout = 100"))
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text("SELECT pg_sleep(20)"))
    assert is_temporary(refused.value)


async def test_every_connection_says_whose_it_is_and_has_its_bounds(bare: AsyncEngine) -> None:
    names = (
        "application_name",
        "idle_in_transaction_session_timeout",
        "lock_timeout",
        "statement_timeout",
        "synchronous_commit",
    )
    async with bare.connect() as connection:
        told = [(await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in names]
    assert told == ["shanliu-test", "5s", "4s", "30s", "on"]


async def test_more_connections_than_the_pool_has_are_waited_for_and_then_refused(
    bare: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bare.sync_engine.pool, "_timeout", 0.2)
    async with bare.connect(), bare.connect():
        with pytest.raises(PoolTimeoutError):
            await check(bare)


async def test_a_refused_row_is_an_error_without_the_row(bare: AsyncEngine) -> None:
    async with bare.begin() as connection:
        await connection.execute(text("CREATE TABLE donors (name text CHECK (length(name) < 3))"))
    async with bare.connect() as connection:
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text("INSERT INTO donors VALUES (:name)"), {"name": "欧阳修远"})
    assert "欧阳修远" not in str(refused.value)
    assert not is_temporary(refused.value)


async def test_an_error_while_the_server_is_away_is_temporary_and_the_engine_finds_it_again(
    local_postgres: LocalPostgres,
) -> None:
    engine = create_engine(local_postgres.admin_url, "shanliu-test", pool_size=2)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        await asyncio.to_thread(local_postgres.stop, "immediate")
        with pytest.raises(DBAPIError) as broken:
            await connection.execute(text("SELECT 1"))
        assert is_temporary(broken.value)
    failures: list[Exception] = []
    await asyncio.to_thread(local_postgres.launch)

    async def answers() -> bool:
        try:
            await check(engine)
        except Exception as error:  # noqa: BLE001 - what comes while it starts is looked at below
            failures.append(error)
            return False
        return True

    await until(answers, deadline_s=30)
    strange = [
        error
        for error in failures
        if not isinstance(error, OSError) and not (isinstance(error, DBAPIError) and is_temporary(error))
    ]
    assert strange == []
    await engine.dispose()
