"""Who may read what on the PostgreSQL of a local stack."""

import asyncio
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from deploy.local.databases import close_to_others, create_service_databases, drop_database, parse_url, run
from deploy.local.layout import DATABASES
from deploy.local.postgres import LocalPostgres
from deploy.local.problems import StackProblem
from deploy.local.roles import as_owner, let_read, migrate_apart, reader_of
from deploy.prepare import await_schema
from deploy.verify.claims import campaign_claims, read_donation_database, reporting_claims
from deploy.verify.organisations import wrong_places
from deploy.verify.places import Places
from deploy.verify.reads import PROVED, READS
from deploy.verify.workbook import Workbook
from services.reporting.rebuilding import beside
from services.reporting.rebuilding.beside import RebuildRefused
from shared.database import create_engine
from shared.migrations import is_migrated, migrate, run_command

MIGRATED = (*PROVED, "console")


def _plain(url: str, database: str | None = None) -> str:
    parsed = parse_url(url).set(drivername="postgresql")
    return (parsed.set(database=database) if database else parsed).render_as_string(hide_password=False)


@pytest.fixture
def urls(postgres: str, namespace: str) -> Iterator[dict[str, str]]:
    name = namespace.rstrip(".")
    yield create_service_databases(postgres, name)
    _drop(postgres, name)


@pytest.fixture(scope="module")
def apart(postgres: str) -> Iterator[dict[str, str]]:
    """Databases of services, migrated as `shanliu up` and `shanliu prepare` do it. No test changes them."""
    name = f"t{secrets.token_hex(4)}"
    urls = create_service_databases(postgres, name)
    for service in MIGRATED:
        run(migrate_apart(postgres, urls[service], f"services.{service}"))
    yield urls
    _drop(postgres, name)


def _drop(postgres: str, name: str) -> None:
    for service in DATABASES:
        run(drop_database(postgres, f"{name}_{service}"))


async def test_a_service_owns_its_database(urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(_plain(urls["donation"]))
    await connection.execute("CREATE TABLE own (amount_fen bigint)")
    await connection.close()


@pytest.mark.parametrize("other", ["campaign", "notification", "reporting"])
async def test_a_service_cannot_open_another_ones_database(apart: dict[str, str], other: str) -> None:
    database = parse_url(apart[other]).database

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(_plain(apart["donation"], database))


async def test_a_role_may_make_neither_roles_nor_databases(apart: dict[str, str]) -> None:
    connection = await asyncpg.connect(_plain(apart["reporting"]))
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


FORBIDDEN: list[tuple[str, str]] = [
    ("donation", "CREATE TABLE own (amount_fen bigint)"),
    ("donation", "CREATE TEMPORARY TABLE own (amount_fen bigint)"),
    ("donation", "CREATE SCHEMA own"),
    ("donation", "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ("donation", "ALTER TABLE donations ADD COLUMN own text"),
    ("donation", "DROP TABLE donations"),
    ("donation", "CREATE INDEX own ON donations (amount_fen)"),
    ("donation", "TRUNCATE donations CASCADE"),
    ("donation", "DELETE FROM receipts"),
    ("donation", "UPDATE personal_data_looks SET person = 'nobody'"),
    ("donation", "DELETE FROM channel_changes"),
    ("donation", "UPDATE break_history SET who = 'nobody'"),
    ("donation", "ALTER TABLE receipts DISABLE TRIGGER ALL"),
    ("donation", "DROP TRIGGER channel_changes_append_only ON channel_changes"),
    ("donation", "DELETE FROM alembic_version"),
    ("campaign", "UPDATE ledger_entries SET hash = ''"),
    ("campaign", "DELETE FROM ledger_postings"),
    ("campaign", "TRUNCATE ledger_postings"),
    ("campaign", "DELETE FROM ledger_periods"),
    ("campaign", "DELETE FROM reports"),
    ("console", "UPDATE audit SET person = 'nobody'"),
    ("console", "DELETE FROM audit"),
    ("console", "ALTER TABLE audit DISABLE TRIGGER audit_append_only"),
    ("console", "DELETE FROM audit_head"),
    ("donation", "COPY donations TO PROGRAM 'cat'"),
    ("donation", "COPY donations FROM '/etc/passwd'"),
    ("donation", "SELECT pg_read_file('/etc/passwd')"),
    ("donation", "SELECT pg_ls_dir('.')"),
    ("donation", "SELECT lo_import('/etc/passwd')"),
    ("donation", "SELECT rolpassword FROM pg_authid"),
    ("donation", "SET session_replication_role = replica"),
    ("donation", "ALTER SYSTEM SET fsync = off"),
    ("donation", "SELECT pg_reload_conf()"),
    ("donation", "SET ROLE {role}_owner"),
    ("donation", "ALTER ROLE {role} SUPERUSER"),
    ("donation", "GRANT {role}_owner TO {role}"),
]
"""What who has taken over a service would like to do."""


async def allowed_of(statements: Sequence[str], url: str, role: str) -> list[str]:
    """Those that the server lets whoever comes in by `url` do. What fails for another reason is raised."""
    done = []
    connection = await asyncpg.connect(_plain(url))
    for statement in statements:
        try:
            await connection.execute(statement.format(role=role))
            done.append(statement)
        except asyncpg.InsufficientPrivilegeError:
            pass
    await connection.close()
    return done


async def test_a_service_may_do_nothing_but_read_and_write_its_rows(apart: dict[str, str]) -> None:
    for service in ("donation", "campaign", "console"):
        role = str(parse_url(apart[service]).username)
        tried = [statement for of, statement in FORBIDDEN if of == service]
        assert await allowed_of(tried, apart[service], role) == [], service


async def test_what_the_triggers_refuse_is_not_granted_and_all_else_is(
    apart: dict[str, str], postgres: str
) -> None:
    found: dict[str, set[str]] = {}
    for service in ("donation", "campaign", "console"):
        connection = await asyncpg.connect(_plain(apart[service]))
        for row in await connection.fetch(
            "SELECT c.relname AS name, has_table_privilege(c.oid, 'INSERT') AS ins,"
            " has_table_privilege(c.oid, 'UPDATE') AS upd, has_table_privilege(c.oid, 'DELETE') AS del"
            " FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ):
            rights = "".join(
                letter for letter, name in zip("IUD", ("ins", "upd", "del"), strict=True) if row[name]
            )
            found.setdefault(rights, set()).add(f"{service}.{row['name']}")
        await connection.close()
    assert found[""] == {f"{service}.alembic_version" for service in ("donation", "campaign", "console")}
    assert found["I"] == {
        "campaign.ledger_entries",
        "campaign.ledger_postings",
        "console.audit",
        "donation.break_history",
        "donation.channel_changes",
        "donation.personal_data_looks",
    }
    assert found["IU"] == {
        "campaign.ledger_periods",
        "campaign.reports",
        "console.audit_head",
        "donation.receipt_files",
        "donation.receipt_items",
        "donation.receipts",
    }
    assert set(found) == {"", "I", "IU", "IUD"}


MAY_NOT_READ: list[tuple[str, str]] = [
    ("donation", "SELECT donor_name FROM donations"),
    ("donation", "SELECT contact_phone FROM donations"),
    ("donation", "SELECT message FROM donations"),
    ("donation", "SELECT * FROM donations"),
    ("donation", "SELECT count(*) FROM receipts"),
    ("donation", "SELECT count(*) FROM channels"),
    ("donation", "UPDATE donations SET status = 'received'"),
    ("donation", "DELETE FROM reversals"),
    ("donation", "SELECT amount_fen FROM donations FOR UPDATE"),
    ("campaign", "SELECT * FROM disbursements"),
    ("campaign", "SELECT count(*) FROM organisations"),
    ("campaign", "INSERT INTO ledger_postings SELECT * FROM ledger_postings"),
    ("campaign", "UPDATE outbox SET value = ''"),
    ("campaign", "TRUNCATE ledger_entries"),
    ("reporting", "UPDATE campaign_totals SET received_fen = 0"),
    ("reporting", "SELECT count(*) FROM dead_letters"),
    *(
        (service, statement)
        for service in PROVED
        for statement in (
            "CREATE TABLE own (amount_fen bigint)",
            "CREATE TEMPORARY TABLE own (amount_fen bigint)",
            "SET ROLE {role}_owner",
            "SET ROLE {role}",
            "SELECT pg_read_file('/etc/passwd')",
        )
    ),
]
"""What who has taken over a verifier would like to do."""


async def test_who_proves_the_numbers_reads_what_that_takes_and_can_do_nothing_else(
    apart: dict[str, str], postgres: str
) -> None:
    readers = {
        service: parse_url(apart[service]).set(
            username=reader_of(str(parse_url(apart[service]).username)), password="proves"
        )
        for service in PROVED
    }
    for service in PROVED:
        for password in ("before", "proves"):
            await let_read(postgres, apart[service], password, READS[service])
        # What somebody has added by hand is taken away at the next start.
        owner = await asyncpg.connect(_plain(as_owner(postgres, apart[service])[0]))
        await owner.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{readers[service].username}"')
        await owner.close()
        await let_read(postgres, apart[service], "proves", READS[service])
    given = {service: url.render_as_string(hide_password=False) for service, url in readers.items()}
    places = Places("", given, "")
    with Workbook() as workbook:
        assert await read_donation_database(places, workbook, lambda *_: None) == []
        assert await campaign_claims(places, workbook) == ([], [])
    assert await reporting_claims(places) == ([], [], [])
    assert await wrong_places(places) == []

    for service in PROVED:
        role = str(parse_url(apart[service]).username)
        tried = [statement for of, statement in MAY_NOT_READ if of == service]
        assert await allowed_of(tried, given[service], role) == [], service
        for other in {*DATABASES} - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(_plain(given[service], parse_url(apart[other]).database))


async def test_a_rebuild_is_its_owner_s_and_its_tables_have_the_same_rights(
    urls: dict[str, str], postgres: str
) -> None:
    await migrate_apart(postgres, urls["reporting"], "services.reporting")
    await let_read(postgres, urls["reporting"], "proves", READS["reporting"])
    url, owner = as_owner(postgres, urls["reporting"])
    rights = (
        "SELECT relname, ARRAY(SELECT unnest(relacl)::text ORDER BY 1), relowner::regrole::text FROM pg_class"
        " WHERE relnamespace = to_regnamespace('public') AND relkind = 'r' ORDER BY 1"
    )
    engine = create_engine(urls["reporting"], "test")
    async with engine.connect() as connection:
        before = (await connection.execute(text(rights))).all()
        await connection.rollback()
        with pytest.raises(RebuildRefused, match="shanliu rebuild reporting"):
            await beside.open_beside(connection, anew=True)
    await engine.dispose()
    engine = create_engine(url, "test")
    async with engine.connect() as connection:
        await beside.open_beside(connection, anew=True, as_role=owner)
        async with connection.begin():
            await beside.take_place(connection)
        assert (await connection.execute(text(rights))).all() == before
    await engine.dispose()


async def test_an_administrator_that_is_no_superuser_does_as_well(postgres: str, namespace: str) -> None:
    """As a server of somebody else gives one, which is closed to all whom it does not name."""
    name = namespace.rstrip(".") + "m"
    await close_to_others(postgres)
    connection = await asyncpg.connect(_plain(postgres))
    await connection.execute(f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE PASSWORD 'manager'")
    await connection.execute(f"GRANT CONNECT ON DATABASE postgres TO {name}")
    manager = parse_url(postgres).set(username=name, password="manager").render_as_string(hide_password=False)
    try:
        urls: dict[str, str] = {}
        for _ in range(2):  # each release comes by it again
            urls = create_service_databases(manager, name)
            await close_to_others(manager)
            for of in ("console", "reporting"):
                await migrate_apart(manager, urls[of], f"services.{of}")
            await let_read(manager, urls["reporting"], "proves", READS["reporting"])
        service = await asyncpg.connect(_plain(urls["console"]))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("DELETE FROM audit")
        await service.close()
    finally:
        for each in DATABASES:
            await drop_database(postgres, f"{name}_{each}")
        await connection.execute(f"DROP OWNED BY {name}")
        await connection.execute(f"DROP ROLE {name}")
        await connection.close()


def test_a_service_that_may_not_migrate_is_told_who_does(urls: dict[str, str], postgres: str) -> None:
    run(_disown(postgres, str(parse_url(urls["reporting"]).database)))

    with pytest.raises(SystemExit, match=r"_reporting does not own this database.*shanliu prepare"):
        run_command(urls["reporting"], "services.reporting")


async def _disown(postgres: str, database: str) -> None:
    connection = await asyncpg.connect(_plain(postgres))
    await connection.execute(f'ALTER DATABASE "{database}" OWNER TO CURRENT_USER')
    await connection.close()


async def test_a_database_that_its_service_has_owned_goes_over_with_all_that_is_in_it(
    urls: dict[str, str], postgres: str
) -> None:
    """As of an older release; and a second time nothing changes."""
    await migrate(urls["reporting"], "services.reporting")
    connection = await asyncpg.connect(_plain(urls["reporting"]))
    await connection.execute("INSERT INTO erased_donors VALUES (gen_random_uuid())")
    await connection.close()
    for _ in range(2):
        await migrate_apart(postgres, urls["reporting"], "services.reporting")
        assert await is_migrated(urls["reporting"], "services.reporting"), "as the service's own role sees it"
    connection = await asyncpg.connect(_plain(urls["reporting"]))
    assert await connection.fetchval("DELETE FROM erased_donors RETURNING true")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DROP TABLE erased_donors")
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
