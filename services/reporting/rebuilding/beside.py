"""The second projection: tables of the same names in a schema of their own, beside the ones that are read.

Every statement of the service names its tables without a schema, so what counts into the first projection
counts into this one as soon as the connection's search_path says so. Beside the tables stands how far each
partition was read, moved in the transaction that writes the effects: a rebuild that ends in the middle goes
on from there.

Putting it in place is a change of schemas in one transaction, a few milliseconds. Workers are held off by a
lock on the marks meanwhile, never by a lost one: their next statement finds the new tables.
"""

from collections.abc import Mapping
from typing import Final

from aiokafka import TopicPartition
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting.models import PROJECTION

SCHEMA: Final = "rebuilding"
REPLACED: Final = "replaced"
"""Where the tables that were read until now lie for a moment, until they are dropped."""
WORKERS_WAIT_S: Final = 2.0
"""A worker's batch takes milliseconds; one that is frozen in it is cut off after 5 s (shared/database.py)."""
READERS_WAIT_MS: Final = 250
"""Shorter than PostgreSQL's look for deadlocks (1 s): of a ring with a reader this is the one to yield."""

_own: Final = MetaData()
_about: Final = Table("rebuild", _own, Column("revision", Text, nullable=False))
_read: Final = Table(
    "rebuild_read",
    _own,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

_ALONE: Final = text("SELECT pg_try_advisory_lock(hashtext('shanliu.reporting.rebuild'))")
_MAY_MAKE: Final = text("SELECT has_database_privilege(current_database(), 'CREATE')")
_REVISION: Final = text("SELECT version_num FROM public.alembic_version")
_THERE: Final = text("SELECT to_regclass(:table) IS NOT NULL")
_BEGUN_WITH: Final = text(f"SELECT revision FROM {SCHEMA}.rebuild")  # noqa: S608 - this file's own name
_BEGIN: Final = text("INSERT INTO rebuild (revision) VALUES (:revision)")
_READ: Final = text("SELECT topic, partition, next_offset FROM rebuild_read")
_NOTE: Final = text(
    "INSERT INTO rebuild_read (topic, partition, next_offset) SELECT * FROM"
    " unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))"
    " ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset"
)
_MARKS_AHEAD: Final = text(
    "SELECT shown.source, shown.sequence, coalesce(counted.sequence, -1) AS counted"  # noqa: S608 - the same
    f" FROM public.marks AS shown LEFT JOIN {SCHEMA}.marks AS counted USING (source)"
    " WHERE shown.sequence > coalesce(counted.sequence, -1) ORDER BY shown.source LIMIT 5"
)
_WHAT_LIKE_LEAVES_OUT: Final = text(
    """
    SELECT format('ALTER TABLE %I SET (%s)', relname, array_to_string(reloptions, ', '))
    FROM pg_class WHERE oid = to_regclass('public.' || :table) AND reloptions IS NOT NULL
    UNION ALL
    SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', CAST(:table AS text), conname,
                  pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid = to_regclass('public.' || :table) AND contype IN ('p', 'u')
    UNION ALL
    SELECT format('GRANT %s ON %I TO %I', held.privilege_type, relname, grantee.rolname)
    FROM pg_class CROSS JOIN LATERAL aclexplode(relacl) AS held
    JOIN pg_roles grantee ON grantee.oid = held.grantee
    WHERE pg_class.oid = to_regclass('public.' || :table) AND held.grantee <> relowner
    UNION ALL
    SELECT replace(pg_get_indexdef(indexrelid), ' ON public.', ' ON ')
    FROM pg_index WHERE indrelid = to_regclass('public.' || :table)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    """
)


class RebuildRefused(Exception):
    """Nothing was put in place; the message says why, and what to do."""


async def open_beside(connection: AsyncConnection, *, anew: bool, as_role: str | None = None) -> bool:
    """Make the tables of the second projection, or take those of a rebuild that did not end; True: of such.

    `connection` is for this alone: it holds the lock that lets one rebuild run at a time, and its search_path
    leads to the second projection from here on. One that was begun by another version of the tables, or
    `anew`, begins at the first event. `as_role`: whose the tables are. Raises RebuildRefused when another
    runs, and for who may not make tables.
    """
    async with connection.begin():
        if as_role is not None:
            await connection.execute(text(f'SET ROLE "{as_role}"'))
        if not (await connection.execute(_MAY_MAKE)).scalar_one():
            raise RebuildRefused(
                "A service's own role may not make tables. Run `shanliu rebuild reporting`, which does it as"
                " their owner (docs/decisions/0042-roles-in-the-database.md)."
            )
        if not (await connection.execute(_ALONE)).scalar_one():
            raise RebuildRefused("Another rebuild of reporting is running.")
        revision = (await connection.execute(_REVISION)).scalar_one()
        resumed = not anew and await _begun_with(connection) == revision
        if not resumed:
            await connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
            await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        await connection.execute(text(f"SET search_path TO {SCHEMA}"))
        if not resumed:
            for table in PROJECTION:
                await _make_alike(connection, table.name)
            await connection.run_sync(lambda sync: _own.create_all(sync, checkfirst=False))
            await connection.execute(_BEGIN, {"revision": revision})
    return resumed


async def _make_alike(connection: AsyncConnection, table: str) -> None:
    """The table as the migrations have made it, to the names of its indexes and the order of its columns: a
    statement that a process has prepared on the one goes on with the other.
    """
    await connection.execute(
        text(f"CREATE TABLE {table} (LIKE public.{table} INCLUDING ALL EXCLUDING INDEXES)")
    )
    for statement in (await connection.execute(_WHAT_LIKE_LEAVES_OUT, {"table": table})).scalars().all():
        await connection.exec_driver_sql(statement)


async def _begun_with(connection: AsyncConnection) -> str | None:
    if not (await connection.execute(_THERE, {"table": f"{SCHEMA}.rebuild"})).scalar_one():
        return None
    return (await connection.execute(_BEGUN_WITH)).scalar_one_or_none()


async def next_offsets(connection: AsyncConnection) -> dict[TopicPartition, int]:
    """How far each partition has been read: the offset of the next record."""
    return {
        TopicPartition(row.topic, row.partition): row.next_offset for row in await connection.execute(_READ)
    }


async def note_read(connection: AsyncConnection, offsets: Mapping[TopicPartition, int]) -> None:
    """Note how far partitions have been read, in the transaction that writes what was in them."""
    rows = sorted(offsets.items())
    await connection.execute(
        _NOTE,
        {
            "topics": [partition.topic for partition, _ in rows],
            "partitions": [partition.partition for partition, _ in rows],
            "offsets": [offset for _, offset in rows],
        },
    )


async def hold_workers(connection: AsyncConnection) -> None:
    """Let the batches that are being counted end and no other begin, until the transaction ends. Who only
    reads is not held up. Raises DBAPIError (lock_timeout) when a worker does not let go.
    """
    await connection.execute(text(f"SET LOCAL lock_timeout TO {int(WORKERS_WAIT_S * 1000)}"))
    await connection.execute(text("LOCK TABLE public.marks, public.dead_letters IN EXCLUSIVE MODE"))


async def check_complete(connection: AsyncConnection) -> None:
    """Raises RebuildRefused when the projection that is shown has counted what the topics do not have."""
    if rows := (await connection.execute(_MARKS_AHEAD)).all():
        sources = "; ".join(
            f"{row.source}: {row.sequence} counted, {row.counted} on the topics" for row in rows
        )
        raise RebuildRefused(
            f"The topics end before what is shown has been counted ({sources}). A number would jump back, so"
            " nothing was put in place: are these the right brokers, and was a topic lost?"
        )


async def take_place(connection: AsyncConnection) -> None:
    """Put the second projection in the place of the first, in the caller's transaction.

    Raises DBAPIError (lock_timeout) while readers are at work; the caller's transaction goes on.
    """
    names = [table.name for table in PROJECTION]
    async with connection.begin_nested():
        await connection.execute(text(f"SET LOCAL lock_timeout TO {READERS_WAIT_MS}"))
        public = ", ".join(f"public.{name}" for name in names)
        await connection.execute(text(f"LOCK TABLE {public} IN ACCESS EXCLUSIVE MODE"))
        await connection.execute(text(f"DROP SCHEMA IF EXISTS {REPLACED} CASCADE"))
        await connection.execute(text(f"CREATE SCHEMA {REPLACED}"))
        for name in names:
            await connection.execute(text(f"ALTER TABLE public.{name} SET SCHEMA {REPLACED}"))
            await connection.execute(text(f"ALTER TABLE {SCHEMA}.{name} SET SCHEMA public"))
        await connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
        await connection.execute(text(f"DROP SCHEMA {REPLACED} CASCADE"))


def yielded(error: DBAPIError) -> bool:
    """Whether a lock was not to be had in time."""
    return getattr(error.orig, "sqlstate", None) in {"55P03", "40P01"}
