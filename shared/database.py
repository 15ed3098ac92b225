"""PostgreSQL: one engine per process.

Every connection carries bounds, so that a process frozen inside a transaction can't hold its successor
(measured in docs/decisions/0002-positions.md).
"""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import Gauge
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

IDLE_IN_TRANSACTION_MS: Final = 5_000
LOCK_TIMEOUT_MS: Final = 4_000
STATEMENT_TIMEOUT_MS: Final = 30_000
PATIENT_MS: Final = 86_400_000
"""Of a command that reads whole topics inside its transaction: a day."""
KEEPALIVE_S: Final = 60
CONNECT_TIMEOUT_S: Final = 5.0
UNASKED_S: Final = 1.0
"""A connection that was used within this time is not asked whether it is still there: pool_pre_ping asks
each time, and with asyncpg that is three round trips (BEGIN, a look, ROLLBACK), a third of a small batch's.
"""

CONNECTIONS_USED: Final = Gauge(
    "shanliu_database_connections_used", "Connections of a pool that are at work now", ["pool"]
)
CONNECTIONS_LIMIT: Final = Gauge(
    "shanliu_database_connections_limit",
    "Connections a pool has at most; who needs one more has to wait",
    ["pool"],
)

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


def create_engine(
    url: str, application_name: str, *, pool_size: int = 5, plan_once: bool = False, patient: bool = False
) -> AsyncEngine:
    """Make the engine of one process: at most `pool_size` connections, each with time-outs.

    `plan_once` is for workers, who ask the same few questions of indexes for ever: PostgreSQL makes the plan
    of a statement once a connection (plan_cache_mode) and not at each execution, which took it longer than
    the execution (0.2-1.3 ms, measured).

    `patient` is for a command that a person runs while the services stand still: nobody waits behind its
    transaction, which may be idle for as long as a topic takes to be read (PATIENT_MS).

    A connection that has lain idle is asked first whether it is still there; one that a restarted server has
    dropped just now fails its statement (`is_temporary`), and the pool starts anew.
    """
    statement_ms = PATIENT_MS if patient else STATEMENT_TIMEOUT_MS
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's text must not have a donor's data
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": statement_ms / 1000 + 5,
            "server_settings": {
                "application_name": application_name,
                "idle_in_transaction_session_timeout": str(PATIENT_MS if patient else IDLE_IN_TRANSACTION_MS),
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "statement_timeout": str(statement_ms),
                "plan_cache_mode": "force_generic_plan" if plan_once else "auto",
                "tcp_keepalives_idle": str(KEEPALIVE_S),
            },
        },
    )
    _ask_the_idle(engine)
    _measure(engine, application_name, pool_size)
    return engine


def _measure(engine: AsyncEngine, name: str, pool_size: int) -> None:
    """Looked at when the metrics are read; an engine that is thrown away is not kept for it."""
    kept = weakref.ref(engine.sync_engine)

    def used() -> float:
        alive = kept()
        return float(alive.pool.checkedout()) if alive is not None else 0.0  # type: ignore[attr-defined]  # QueuePool

    CONNECTIONS_USED.labels(name).set_function(used)
    CONNECTIONS_LIMIT.labels(name).set(pool_size)


def _ask_the_idle(engine: AsyncEngine) -> None:
    dialect = engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["used_at_s"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ask(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        used_at_s = record.info.get("used_at_s")
        if used_at_s is None or time.monotonic() - used_at_s < UNASKED_S:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


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
