"""The migrations of a service's database. Apart from shared/database.py: a process that serves needs none of
alembic (0.1 s of its start).
"""

from importlib import resources
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import CONNECT_TIMEOUT_S


async def migrate(url: str, package: str, revision: str = "head", role: str | None = None) -> None:
    """Bring a service's database to the newest version, or to the one named; `package` is e.g.
    "services.campaign". `role`: as whom, where it is not who `url` names; that one owns what is made.

    Safe when several processes do it at once: they queue on an advisory lock.
    """
    engine = create_async_engine(url, connect_args={"timeout": CONNECT_TIMEOUT_S})
    try:
        async with engine.begin() as connection:
            if role is not None:
                await connection.execute(text(f'SET LOCAL ROLE "{role}"'))
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('shanliu.migrate'))"))
            await connection.run_sync(_upgrade, package, revision)
    finally:
        await engine.dispose()


async def is_migrated(url: str, package: str) -> bool:
    """Whether a service's database is at the newest version that `package` knows, or at one that it does not
    know yet: a release that is taken back runs on the schema of the one after it. Raises when the database
    doesn't answer.
    """
    engine = create_async_engine(url, connect_args={"timeout": CONNECT_TIMEOUT_S})
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_is_migrated, package)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, package: str, revision: str) -> None:
    config = _config(package)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _is_migrated(connection: Connection, package: str) -> bool:
    at = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory.from_config(_config(package))
    older = {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head()}
    return at is not None and at not in older


def _config(package: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files(package) / "migrations").replace("%", "%%"))
    return config


def run_migrations(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls: run on the connection that `migrate` has opened."""
    connection: Any = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
