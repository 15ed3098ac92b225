"""Who may read what on the PostgreSQL of a local stack."""

import asyncio
import sys
from pathlib import Path

import asyncpg
import pytest

from deploy.local.databases import create_service_databases, drop_database, parse_url, run
from deploy.local.layout import DATABASES
from deploy.local.postgres import LocalPostgres
from deploy.local.problems import StackProblem
from deploy.prepare import await_schema
from shared.migrations import is_migrated, migrate


def _plain(url: str, database: str | None = None) -> str:
    parsed = parse_url(url).set(drivername="postgresql")
    return (parsed.set(database=database) if database else parsed).render_as_string(hide_password=False)


@pytest.fixture
def urls(postgres: str, namespace: str) -> dict[str, str]:
    return create_service_databases(postgres, namespace.rstrip("."))


@pytest.fixture(autouse=True)
def _leave_nothing(postgres: str, namespace: str) -> object:
    yield
    for service in DATABASES:
        run(drop_database(postgres, f"{namespace.rstrip('.')}_{service}"))


async def test_a_service_owns_its_database(urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(_plain(urls["donation"]))
    await connection.execute("CREATE TABLE own (amount_fen bigint)")
    await connection.close()


@pytest.mark.parametrize("other", ["campaign", "notification", "reporting"])
async def test_a_service_cannot_open_another_ones_database(urls: dict[str, str], other: str) -> None:
    database = parse_url(urls[other]).database

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(_plain(urls["donation"], database))


async def test_a_role_may_make_neither_roles_nor_databases(urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(_plain(urls["reporting"]))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE ROLE intruder SUPERUSER")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE DATABASE intruder")
    await connection.close()


async def test_acknowledged_means_on_the_disk_and_a_crash_is_recovered_from_soon(workplace: Path) -> None:
    """The server of `shanliu up`: the suite's own does without the flushing."""
    server = LocalPostgres(workplace / "lasting-postgres")
    await asyncio.to_thread(server.start)
    try:
        connection = await asyncpg.connect(_plain(server.admin_url))
        settings = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "recovery_init_sync_method")
        ]
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        await connection.close()
        await asyncio.to_thread(server.stop, "immediate")
        await asyncio.to_thread(server.start)
        connection = await asyncpg.connect(_plain(server.admin_url))
        assert await connection.fetchval("SELECT one FROM kept") == 1
        await connection.close()
    finally:
        await asyncio.to_thread(server.stop)
    assert settings == ["on", "on", "syncfs" if sys.platform == "linux" else "fsync"]


async def test_making_them_again_keeps_what_is_in_them(
    urls: dict[str, str], postgres: str, namespace: str
) -> None:
    connection = await asyncpg.connect(_plain(urls["donation"]))
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    await connection.close()

    again = create_service_databases(postgres, namespace.rstrip("."))

    connection = await asyncpg.connect(_plain(again["donation"]))
    assert await connection.fetchval("SELECT one FROM kept") == 1
    await connection.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [("not a url", "can't be read"), ("mysql://root@localhost/x", "need PostgreSQL")],
)
def test_an_unusable_database_url_is_told_in_one_line(text: str, says: str) -> None:
    with pytest.raises(StackProblem, match=says) as caught:
        parse_url(text)
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_is_told_in_one_line() -> None:
    with pytest.raises(StackProblem, match=r"127\.0\.0\.1:1 doesn't let us in"):
        create_service_databases("postgresql://nobody:secret@127.0.0.1:1/postgres")


async def test_a_process_waits_for_the_version_it_needs_and_takes_a_newer_one(
    urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", urls["reporting"])
    connection = await asyncpg.connect(_plain(urls["reporting"]))
    try:
        assert not await is_migrated(urls["reporting"], "services.reporting")
        said: list[str] = []
        with pytest.raises(StackProblem, match="reporting is not at its newest version"):
            await_schema("reporting", said.append, timeout_s=0)
        await migrate(urls["reporting"], "services.reporting", "head")
        await_schema("reporting", said.append, timeout_s=0)
        for version, enough in (("0001", False), ("of-tomorrow", True)):
            await connection.execute("UPDATE alembic_version SET version_num = $1", version)
            assert await is_migrated(urls["reporting"], "services.reporting") == enough
    finally:
        await connection.close()

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:nothing@127.0.0.1:1/nothing")
    with pytest.raises(StackProblem, match="doesn't let in"):
        await_schema("reporting", said.append, timeout_s=0)
    with pytest.raises(StackProblem, match="no database"):
        await_schema("screens", said.append, timeout_s=0)
