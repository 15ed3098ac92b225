"""PostgreSQL: one engine per process.

Every connection carries bounds, so that a process frozen inside a transaction can't hold its successor
(measured in docs/decisions/0002-positions.md).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

IDLE_IN_TRANSACTION_MS: Final = 5_000
LOCK_TIMEOUT_MS: Final = 4_000
STATEMENT_TIMEOUT_MS: Final = 30_000
CONNECT_TIMEOUT_S: Final = 5.0

_TEMPORARY: Final = (
    "08",  # the connection broke
    "25006",  # read-only: a standby not promoted yet
    "25P03",  # idle_in_transaction_session_timeout
    "40",  # deadlock, serialisation
    "53",  # no disk, no memory, too many connections
    "55P03",  # lock_timeout
    "57",  # statement_timeout, the server stops or starts up
    "58",  # the machine under the server
)


def create_engine(url: str, application_name: str, *, pool_size: int = 5) -> AsyncEngine:
    """Make the engine of one process: at most `pool_size` connections, each with time-outs.

    `pool_pre_ping` finds connections that a restarted server has dropped, at 0.1 ms a checkout.
    """
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text must not have a donor's data
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": STATEMENT_TIMEOUT_MS / 1000 + 5,
            "server_settings": {
                "application_name": application_name,
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            },
        },
    )


@asynccontextmanager
async def disposing(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Close an engine's connections on the way out."""
    try:
        yield engine
    finally:
        await engine.dispose()


def is_temporary(error: DBAPIError) -> bool:
    """Whether the same transaction can succeed later: the database was away, busy or out of room.

    SQLAlchemy gives most of asyncpg's errors as a bare DBAPIError, so the SQLSTATE decides.
    """
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    if sqlstate is None:
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return sqlstate.startswith(_TEMPORARY)


async def check(engine: AsyncEngine) -> None:
    """Ask the database for an answer within two seconds; raises when there is none."""
    async with asyncio.timeout(2), engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
