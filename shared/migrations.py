"""The migrations of a service's database. Apart from shared/database.py: a process that serves needs none of
alembic (0.1 s of its start).

They run while the release before is at work (docs/upgrades.md): a statement waits for a lock two seconds at
most, because everybody else queues behind it, and then its migration is tried again.
"""

import asyncio
from importlib import resources
from typing import Any, Final, NamedTuple

import structlog
from alembic import command, context, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.database import CONNECT_TIMEOUT_S

log = structlog.get_logger(__name__)

LOCK_TIMEOUT_MS: Final = 2_000
ATTEMPTS: Final = 30
"""After so many refusals somebody holds a lock for minutes: the migration is given up; it may be repeated."""
PAUSE_S: Final = 1.0
QUEUE_S: Final = 600.0
"""How long one process waits for another that migrates the same database."""
_LOCK_NOT_AVAILABLE: Final = "55P03"
_NOT_THE_OWNER: Final = "42501"

# Tried again and again, not waited for: a statement that waits has a snapshot, and a concurrent index waits
# for every snapshot that is older than itself.
_TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtext('shanliu.migrate'))")


class Behind(NamedTuple):
    """A database of an older release: the version of its tables (None: it has none) and that of now."""

    at: str | None
    newest: str


async def migrate(url: str, package: str, revision: str = "head", role: str | None = None) -> None:
    """Bring a service's database to the newest version, or to the one named; `package` is e.g.
    "services.campaign". `role`: as whom, where it is not who `url` names; that one owns what is made.

    Safe when several processes do it at once: they queue on an advisory lock. Each migration is a
    transaction of its own; what was done before one that fails stays done.
    """
    engine = create_async_engine(url, connect_args={"timeout": CONNECT_TIMEOUT_S})
    try:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as alone:
            await _queue(alone)
            await _patiently(engine, package, revision, role)
    finally:
        await engine.dispose()


def run_command(url: str, package: str) -> None:
    """`python -m services.… migrate`. What can't be done by who `url` names is told in one line."""
    try:
        asyncio.run(migrate(url, package))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NOT_THE_OWNER:
            raise
        raise SystemExit(
            f"The user {make_url(url).username} does not own this database and can't change its tables;"
            " `shanliu prepare` migrates every database as its owner (ADMIN_DATABASE_URL)."
        ) from None


async def is_migrated(url: str, package: str) -> bool:
    """Whether a service's database is at the newest version that `package` knows, or at one that it does not
    know yet: a release that is taken back runs on the schema of the one after it. Raises when the database
    doesn't answer.
    """
    return await behind(url, package) is None


async def behind(url: str, package: str) -> Behind | None:
    """The same, with the versions of one that is not."""
    engine = create_async_engine(url, connect_args={"timeout": CONNECT_TIMEOUT_S})
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_behind, package)
    finally:
        await engine.dispose()


async def _queue(connection: AsyncConnection) -> None:
    """Hold the lock of all who migrate, for as long as the connection lives."""
    async with asyncio.timeout(QUEUE_S):
        while not (await connection.execute(_TRY_LOCK)).scalar_one():  # noqa: ASYNC110 - others hold it
            await asyncio.sleep(0.1)


async def _patiently(engine: AsyncEngine, package: str, revision: str, role: str | None) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with engine.connect() as connection:
                await connection.run_sync(_upgrade, package, revision, role)
                return
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE or attempt == ATTEMPTS:
                raise
            log.warning("migration_waits", package=package, attempt=attempt)
        await asyncio.sleep(PAUSE_S)


def _upgrade(connection: Connection, package: str, revision: str, role: str | None) -> None:
    if role is not None:
        connection.execute(text(f'SET ROLE "{role}"'))
    connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))
    if revision == "head" and _behind(connection, package) is None:
        connection.commit()
        return  # also one that went further than this release knows
    connection.commit()
    config = _config(package)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


def _behind(connection: Connection, package: str) -> Behind | None:
    at = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(_config(package))
    newest = str(scripts.get_current_head())
    older = {script.revision for script in scripts.walk_revisions()} - {newest}
    return Behind(at, newest) if at is None or at in older else None


def _config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files(package) / "migrations").replace("%", "%%"))
    return config


def run_migrations(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls: run on the connection that `migrate` has opened."""
    connection: Any = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def build_index(name: str, definition: str, *, unique: bool = False) -> None:
    """In a migration: build an index on a table that is written to meanwhile. `definition` is what follows
    its name, such as "ON donations (occurred_at)".

    Not in the migration's transaction, so it stands last in one of its own. What a build that was broken off
    has left is dropped first.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it blocks nobody while it waits
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY {name} {definition}")
        op.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
