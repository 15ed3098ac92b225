"""The migrations of a service's database. Apart from shared/database.py: a process that serves needs none of
alembic (0.1 s of its start).
"""

from importlib import resources
from typing import Any

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import CONNECT_TIMEOUT_S


async def migrate(url: str, package: str, revision: str = "head") -> None:
    """Bring a service's database to the newest version, or to the one named; `package` is e.g.
    "services.campaign".

    Safe when several processes do it at once: they queue on an advisory lock.
    """
    engine = create_async_engine(url, connect_args={"timeout": CONNECT_TIMEOUT_S})
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('shanliu.migrate'))"))
            await connection.run_sync(_upgrade, package, revision)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, package: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.files(package) / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def run_migrations(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls: run on the connection that `migrate` has opened."""
    connection: Any = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
